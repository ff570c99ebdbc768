"""The web client's files, and what the client is told about this server."""

import os
import re
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

BUILT_CLIENT = Path(__file__).with_name("client") / "dist"

_HASHED = "assets/"
"""Where Vite puts files whose names change with their content."""

_COMPRESSED = ".gz"
"""What the build puts behind a file's name for the same content, compressed (vite.config.ts)."""

_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tertulia</title>
<h1>The web client is not built</h1>
<p>The API is here and works. To build the client: <code>make web</code>, then load this page again.</p>
</html>
"""


class _Files(StaticFiles):
    """Files with the page's policy, kept by browsers as long as their names allow, compressed as they were built."""

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

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or what the build made of it where the client takes that: each has an ETag of its own."""
        headers = Headers(scope=scope)
        response = FileResponse(full_path, status_code, stat_result=stat_result)
        compressed = Path(f"{full_path}{_COMPRESSED}")
        if compressed.is_file():
            if _takes_gzip(headers.get("accept-encoding", "")):
                kind = response.media_type
                response = FileResponse(compressed, status_code, media_type=kind, stat_result=compressed.stat())
                response.headers["content-encoding"] = "gzip"
            response.headers["vary"] = "accept-encoding"
        return NotModifiedResponse(response.headers) if self.is_not_modified(response.headers, headers) else response


class Pages:
    """The files below a directory at `/`; a page that says how to build them where there are none."""

    def __init__(self, directory: Path, policy: str) -> None:
        self._directory = directory
        self._policy = policy
        self._files = _Files(directory, policy)

    def has(self, path: str) -> bool:
        """Whether something is there to be read."""
        if path == "/":
            return True
        try:
            return Path(self._files.lookup_path(path.lstrip("/"))[0]).is_file()
        except (OSError, ValueError):  # longer than a name may be, or no name at all
            return False

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


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110, 12.5.3. `*` alone is no wish."""
    for offer in accepted.split(","):
        coding, *parameters = [part.strip().lower() for part in offer.split(";")]
        if coding == "gzip":
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False
