"""TLS and HTTP/2, as in production."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import psutil
import pyqwest
import pytest
import pytest_asyncio
import tertulia
import trustme

from libs.rpc.client import open_channel
from libs.rpc.health import says_serving
from tests.integration.gateway.processes import user_token
from tests.integration.web.conftest import Room
from tests.integration.web.door import PACKAGE, Door, Http, Lines, running_door
from tests.support.ports import free_port
from tests.support.service import ServiceProcess
from tests.support.stack import ServeStack

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY = "TERTULIA_GATEWAY_"
STREAMS = 150
"""On one page; HTTP/1.1 would allow it 6."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def secure(
    stack: ServeStack, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    settings = issued(authority, tmp_path_factory.mktemp("tls"))
    async with running_door(stack.address, Path(stack.data.parent), **settings) as door:
        yield door


def issued(authority: trustme.CA, folder: Path) -> dict[str, object]:
    """The settings of a server with a certificate of this authority."""
    issued = authority.issue_cert("localhost")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    return {"tls_certificate": certificate, "tls_key": key}


@asynccontextmanager
async def secure_gateway(stack: ServeStack, authority: trustme.CA, folder: Path) -> AsyncIterator[str]:
    """Another gateway of the stack, which speaks TLS: its address."""
    around = {
        name.removeprefix(GATEWAY).lower(): value
        for name, value in psutil.Process(stack.pid("gateway")).environ().items()
        if name.startswith(GATEWAY)
    }
    address = f"localhost:{free_port()}"
    settings = {**around, "listen": address.replace("localhost", "127.0.0.1"), **issued(authority, folder)}
    async with open_channel(address, root_certificates=authority.cert_pem.bytes()) as channel:
        gateway = ServiceProcess("gateway", address, channel, folder / "gateway.log", **settings)
        try:
            await gateway.start()
            yield address
        finally:
            await gateway.kill()


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


async def test_clients_and_the_door_reach_the_gateway_over_tls_and_nobody_without(
    stack: ServeStack, authority: trustme.CA, room: Room, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    token, credentials = user_token(room.names[0]), grpc.ssl_channel_credentials(ca.read_bytes())
    async with (
        secure_gateway(stack, authority, tmp_path) as address,
        running_door(address, tmp_path, gateway_ca=ca) as door,
        tertulia.connect(address, token=token, credentials=credentials) as client,
        open_channel(address) as in_the_open,
        open_channel(address, root_certificates=trustme.CA().cert_pem.bytes()) as of_another_authority,
    ):
        sent = await client.send(room.channel_id, "in secret")
        page = await Http(door.url, token).ask(
            "MessageService/ListEvents", {"channelId": room.channel_id, "pageSize": 1}
        )
        assert str(sent.seq) in str(page)
        assert not await says_serving(in_the_open)
        assert not await says_serving(of_another_authority)


async def test_a_certificate_that_cannot_be_used_keeps_the_gateway_from_starting(
    stack: ServeStack, authority: trustme.CA, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    async with open_channel("unix:unused") as channel:
        gateway = ServiceProcess(
            "gateway", "127.0.0.1:0", channel, tmp_path / "log", channel="unix:a", message_store="unix:b"
        )
        around = psutil.Process(stack.pid("gateway")).environ()
        more = {"presence": "unix:c", "bus_address": around[f"{GATEWAY}BUS_ADDRESS"]}
        key = issued(authority, tmp_path)["tls_key"]
        code, written = await gateway.start_another(**more, tls_certificate=tmp_path / "no.pem", tls_key=key)
        assert (code, f"cannot use {tmp_path / 'no.pem'}" in written) == (1, True)
        code, written = await gateway.start_another(**more, tls_key=key)
        assert (code, "tls_certificate and tls_key need each other" in written) == (1, True)
