"""The web client's files, and what the client is told about this server."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

BUILT_CLIENT = Path(__file__).with_name("client") / "dist"

_HASHED = "assets/"
"""Where Vite puts files whose names change with their content."""

_MIN_GZIP_BYTES = 1_000
_GZIP_LEVEL = 6
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tertulia</title>
<h1>The web client is not built</h1>
<p>The API is here and works. To build the client: <code>make web</code>, then load this page again.</p>
</html>
"""


class _Files(StaticFiles):
    """Files with the page's policy, kept by browsers as long as their names allow."""

    def __init__(self, directory: Path, policy: str) -> None:
        super().__init__(directory=directory, html=True, check_dir=False)
        self._policy = policy

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if path.startswith(_HASHED) else "no-cache"
        response.headers["cache-control"] = kept
        response.headers["content-security-policy"] = self._policy
        response.headers["cross-origin-resource-policy"] = "cross-origin"  # the widget is loaded by other pages
        return response


class Pages:
    """The files below a directory at `/`; a page that says how to build them where there are none."""

    def __init__(self, directory: Path, policy: str) -> None:
        self._directory = directory
        self._policy = policy
        self._files: ASGIApp = GZipMiddleware(
            _Files(directory, policy), minimum_size=_MIN_GZIP_BYTES, compresslevel=_GZIP_LEVEL
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (self._directory / "index.html").is_file():
            is_page = scope["path"] == "/"
            missing = HTMLResponse(_NOT_BUILT, 503) if is_page else PlainTextResponse("Not Found\n", 404)
            missing.headers["content-security-policy"] = self._policy
            await missing(scope, receive, send)
            return
        try:
            await self._files(scope, receive, send)
        except HTTPException as error:
            await PlainTextResponse(f"{error.detail}\n", error.status_code)(scope, receive, send)
