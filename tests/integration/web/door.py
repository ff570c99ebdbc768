"""The web door as a process of its own, and a client that speaks HTTP as `curl` does."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyqwest

from tests.support.ports import free_port, until

_START_SECONDS = 60.0  # a busy machine; usually it takes less than two
_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 20.0
PACKAGE = "tertulia.chat.v1"


class Door:
    """A running `python -m services.web`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path, *, tls: bool) -> None:
        self._process = process
        self.port = port
        self.url = f"{'https' if tls else 'http'}://localhost:{port}"
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def logged(self) -> str:
        """Everything that it has written so far."""
        return self._log.read_text()

    async def stop(self) -> int:
        """SIGTERM, if it runs; the exit code."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOP_SECONDS):
            return await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running_door(gateway: str, folder: Path, **settings: object) -> AsyncIterator[Door]:
    """A door to a gateway, once it accepts connections; killed afterwards if it still runs."""
    port = free_port()
    log = folder / f"web-{port}.log"
    values = {"listen": f"127.0.0.1:{port}", "gateway": gateway, **settings}
    environment = {f"TERTULIA_WEB_{name.upper()}": str(value) for name, value in values.items()}
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.web", env={**os.environ, **environment}, stderr=file, stdout=file
        )
    door = Door(process, port, log, tls="tls_key" in settings)
    try:
        await until(lambda: _accepts(door), "the door accepts connections", _START_SECONDS)
        yield door
    finally:
        await door.kill()


async def _accepts(door: Door) -> bool:
    assert door.running, f"the door ended: {door.logged()}"
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    except OSError:
        return False
    writer.close()
    return True


class Answer:
    """A whole response."""

    def __init__(self, response: pyqwest.FullResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = bytes(response.content)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The stable reason in the error's one ErrorInfo."""
        [info] = [detail for detail in self.json()["details"] if detail["type"] == "google.rpc.ErrorInfo"]
        return str(info["debug"]["reason"])


class Http:
    """Calls the door with plain JSON, as one user or as nobody."""

    def __init__(self, url: str, token: str = "", transport: pyqwest.HTTPTransport | None = None) -> None:
        self.url = url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = pyqwest.Client(transport)

    async def call(self, method: str, request: object = None, /, **headers: str) -> Answer:
        """POST `<Service>/<Method>`. Underscores in the names of headers stand for hyphens."""
        return await self.post(f"/{PACKAGE}.{method}", json.dumps(request or {}).encode(), **headers)

    async def ask(self, method: str, request: object = None, /) -> Any:
        """The same where it must succeed: the response message."""
        answer = await self.call(method, request)
        assert answer.status == 200, answer.body
        return answer.json()

    async def post(self, path: str, body: bytes, /, **headers: str) -> Answer:
        headers.setdefault("content_type", "application/json")
        async with asyncio.timeout(_ANSWER_SECONDS):
            return Answer(await self._client.post(self.url + path, self._all(headers), body))

    async def get(self, path: str, /, **headers: str) -> Answer:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return Answer(await self._client.get(self.url + path, self._all(headers)))

    async def ask_by(self, verb: str, path: str, /, **headers: str) -> Answer:
        """A request without a body, by any method of HTTP."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            return Answer(await self._client.execute(verb, self.url + path, self._all(headers)))

    async def preflight(self, path: str, /, **headers: str) -> Answer:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return Answer(await self._client.options(self.url + path, self._all(headers)))

    @asynccontextmanager
    async def listen(self, request: object = None, /, **headers: str) -> AsyncIterator["Lines"]:
        """SessionService.Listen, as NDJSON unless `accept` says otherwise."""
        content = json.dumps(request or {}).encode()
        path = f"{self.url}/{PACKAGE}.SessionService/Listen"
        headers.setdefault("content_type", "application/json")
        async with self._client.stream("POST", path, self._all(headers), content) as response:
            yield Lines(response)

    def _all(self, headers: dict[str, str]) -> dict[str, str]:
        return {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}


class Lines:
    """A stream of lines."""

    def __init__(self, response: pyqwest.Response) -> None:
        self.status = response.status
        self.headers = response.headers
        self._chunks = aiter(response.content)
        self._rest = b""

    async def next(self) -> str | None:
        """The next line without its end. None: the stream has ended."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            while b"\n" not in self._rest:
                try:
                    self._rest += bytes(await anext(self._chunks))
                except StopAsyncIteration:
                    assert not self._rest, f"the stream ended inside of a line: {self._rest!r}"
                    return None
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def all(self) -> str:
        """Everything up to the end."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            return self._rest.decode() + "".join([bytes(chunk).decode() async for chunk in self._chunks])

    async def frame(self) -> Any:
        """The next frame that is no heartbeat."""
        while (frame := await self.any_frame()) == {}:
            pass
        return frame

    async def any_frame(self) -> Any:
        line = await self.next()
        assert line is not None, "the stream has ended"
        return json.loads(line)

    async def until(self, part: str, seconds: float = _ANSWER_SECONDS) -> Any:
        """The first frame whose JSON holds `part`."""
        async with asyncio.timeout(seconds):
            while True:
                line = await self.next()
                assert line is not None, f"the stream ended without {part}"
                if part in line:
                    return json.loads(line)
