"""The small answers beside the API: health, what the web client is told, tokens in development."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from tertulia.tokens import MAX_USER_TOKEN_SECONDS, Secret

from libs.rpc.errors import FieldsInvalid, FieldViolation
from services.web.answers import READING, answer_json, refuse, refuse_method


def plain_paths(
    ready: Callable[[], Awaitable[bool]], config: Mapping[str, object], development: Secret | None
) -> Mapping[str, ASGIApp]:
    """By path. `development`: the secret with which anybody gets a token; None: nobody does."""
    read = {"/healthz": _live, "/readyz": _readiness(ready), "/config.json": _fixed(config)}
    paths = {path: _taking(READING, app) for path, app in read.items()}
    if development is not None:
        paths["/development/token"] = _taking(("POST",), _tokens(development))
    return paths


def _taking(allowed: Sequence[str], app: ASGIApp) -> ASGIApp:
    """The application for these methods of HTTP; all others are told which they are."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in allowed:
            await app(scope, receive, send)
        else:
            await refuse_method(allowed, send)

    return application


async def _live(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer_json(200, {"status": "ok"}, send)


def _readiness(ready: Callable[[], Awaitable[bool]]) -> ASGIApp:
    async def readiness(_scope: Scope, _receive: Receive, send: Send) -> None:
        if await ready():
            await answer_json(200, {"status": "ok"}, send)
        else:
            await answer_json(503, {"status": "the gateway does not answer, or this server is stopping"}, send)

    return readiness


def _fixed(body: Mapping[str, object]) -> ASGIApp:
    async def fixed(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_json(200, body, send)

    return fixed


def _tokens(secret: Secret) -> ASGIApp:
    """POST `{"userId": …}` → `{"token": …, "seconds": …}`: what an application's back end would do for its own users."""

    async def tokens(scope: Scope, receive: Receive, send: Send) -> None:
        user_id = _user_id(await Request(scope, receive).body())
        if not user_id:
            violation = FieldViolation("userId", 'send {"userId": "…"}')
            await refuse(FieldsInvalid([violation]), send)
            return
        await answer_json(200, {"token": secret.user_token(user_id), "seconds": MAX_USER_TOKEN_SECONDS}, send)

    return tokens


def _user_id(body: bytes) -> str:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    user_id = request.get("userId") if isinstance(request, dict) else None
    return user_id if isinstance(user_id, str) else ""
