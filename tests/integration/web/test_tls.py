"""TLS and HTTP/2, as in production."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pyqwest
import pytest
import pytest_asyncio
import trustme

from tests.integration.gateway.processes import user_token
from tests.integration.web.conftest import Room
from tests.integration.web.door import PACKAGE, Door, Http, Lines, running_door
from tests.support.stack import ServeStack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = 150
"""On one page; HTTP/1.1 would allow it 6."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def secure(
    stack: ServeStack, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    settings: dict[str, object] = {"tls_certificate": certificate, "tls_key": key}
    async with running_door(stack.address, Path(stack.data.parent), **settings) as door:
        yield door


async def test_browsers_are_told_to_stay_with_https(secure: Door, authority: trustme.CA) -> None:
    answer = await Http(secure.url, transport=trusting(authority)).get("/healthz")
    assert answer.status == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def trusting(authority: trustme.CA) -> pyqwest.HTTPTransport:
    return pyqwest.HTTPTransport(tls_ca_cert=authority.cert_pem.bytes(), max_connections_per_address=1)


async def test_one_connection_carries_many_streams(secure: Door, authority: trustme.CA, room: Room) -> None:
    client = pyqwest.Client(trusting(authority))
    headers = {"authorization": f"Bearer {user_token(room.names[1])}", "content-type": "application/json"}
    url = f"{secure.url}/{PACKAGE}.SessionService/Listen"
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        listening: list[Lines] = []
        for _ in range(STREAMS):
            response = await stack.enter_async_context(client.stream("POST", url, headers, b"{}"))
            assert response.http_version is pyqwest.HTTPVersion.HTTP2
            listening.append(Lines(response))
        await asyncio.gather(*(lines.until("caughtUp") for lines in listening))
        seq = await room.say("to everybody")
        frames = await asyncio.gather(*(lines.until("to everybody") for lines in listening))
        assert {int(frame["slices"][-1]["toSeq"]) for frame in frames} == {seq}
