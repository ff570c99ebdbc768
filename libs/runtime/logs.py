"""Structured logs: one JSON object a line on standard error, with the correlation id of the call at hand."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""The correlation id of the call at hand; empty outside of one. Logs carry it, outgoing calls pass it on."""


def configure_logs(service: str, level: str) -> None:
    """Set the process's logging up, at its start. `level` as in `ServiceSettings.log_level`."""
    structlog.configure(
        processors=[
            _with_origin(service),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    # libraries that log through the standard module: warnings and worse, in the same shape of a line
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(service))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _with_origin(service: str) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        if correlation := correlation_id.get():
            event.setdefault("correlation_id", correlation)
        return event

    return add


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage(),
            "service": self._service,
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _to_json(line)


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


class _Unfailing:
    """A file for logs on a disk that may be full: a line that cannot be written must not fail the work that it tells of."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()
