"""Structured logs: one JSON object a line on standard error, with the correlation id of the call at hand."""

import logging
import sys

import orjson
import structlog


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=repr).decode()


def configure_logs(service: str, level: str) -> None:
    """Set the process's logging up, once, at its start. `level` as in `ServiceSettings.log_level`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # libraries that log through the standard module: warnings and worse, in the same shape of a line
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format=f'{{"service":"{service}","level":"%(levelname)s","logger":"%(name)s","event":"%(message)s"}}',
    )
