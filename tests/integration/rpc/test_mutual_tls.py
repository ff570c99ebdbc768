"""Services believe those who have a certificate of their authority, and let them do what the table says, over gRPC and over links."""

import asyncio
import datetime as dt
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from grpc.experimental import session_cache
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.http2.client import StreamEnded, connect
from libs.http2.link import open_link
from libs.http2.services import Services
from libs.rpc.callers import CHANNEL, GATEWAY, MESSAGE_STORE, PRESENCE
from libs.rpc.certificates import Certificates
from libs.rpc.client import call, open_channel
from libs.rpc.errors import Internal, TertuliaError, Unavailable
from libs.rpc.health import says_serving
from libs.rpc.peers import open_service
from libs.rpc.server import new_server, served
from libs.runtime.errors import CannotStart
from tests.support.authority import Authority
from tests.support.ports import until

HEADS = "/tertulia_internal.message_store.v1.LogService/Heads"
CHANGES = "/tertulia_internal.message_store.v1.LogService/Changes"
EXPIRED = dt.timedelta(days=-1)


class Logs(log_pb2_grpc.LogServiceServicer):
    """It has none."""

    async def Heads(self, request: log_pb2.HeadsRequest, context: object) -> log_pb2.HeadsResponse:
        return log_pb2.HeadsResponse()


class Stage:
    """A server, by one of the two ways to be one, and the certificates around it."""

    def __init__(self, way: str, folder: Path) -> None:
        self.way = way
        self._folder = folder
        self.authority = Authority()
        self.registry = CollectorRegistry()
        self.address = ""

    def issue(self, *names: str, ends: dt.timedelta = dt.timedelta(days=1), common_name: str = "") -> Certificates:
        """A certificate of the authority, in files named for the first of its names."""
        folder = self._folder / (names or (f"called-{common_name}",))[0]
        return certificates(self.authority, folder, *names, ends=ends, common_name=common_name)

    @asynccontextmanager
    async def serving(self, shown: Certificates) -> AsyncIterator[None]:
        logs = Logs()  # type: ignore[abstract] # its other methods are called by nobody
        if self.way == "grpc":
            server = new_server(self.registry)
            log_pb2_grpc.add_LogServiceServicer_to_server(logs, server)
            running = served(server, "127.0.0.1:0", [], 0, shown)
        else:
            services = Services(self.registry)
            log_pb2_grpc.add_LogServiceServicer_to_server(logs, services)  # type: ignore[arg-type] # it has what is used
            running = services.served("127.0.0.1:0", [], 0, shown)
        async with running as self.address:
            yield
        await until(lambda: not connections(self.address), "those whose handshake failed are closed, too")

    @asynccontextmanager
    async def calling(self, shown: Certificates | None) -> AsyncIterator[grpc.aio.Channel]:
        """A connection of a service with a certificate, as services have them."""
        opened = (
            open_service(self.address, MESSAGE_STORE, shown) if self.way == "grpc" else open_link(self.address, shown)
        )
        async with opened as channel:
            yield channel

    async def ask(self, shown: Certificates | None) -> None:
        async with self.calling(shown) as channel:
            await heads(channel)


def connections(address: str) -> int:
    """How many this process has there."""
    port = int(address.rpartition(":")[2])
    ours = psutil.Process().net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in ours)


async def heads(channel: grpc.aio.Channel) -> None:
    await call(log_pb2_grpc.LogServiceStub(channel).Heads, log_pb2.HeadsRequest())


def certificates(
    authority: Authority,
    folder: Path,
    *names: str,
    ends: dt.timedelta = dt.timedelta(days=1),
    common_name: str = "",
) -> Certificates:
    return Certificates(*authority.issue(folder, *names, ends=ends, common_name=common_name or "anybody").values())


@pytest.fixture(params=["grpc", "link"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return Stage(request.param, tmp_path)


async def test_a_service_that_may_call_is_answered(stage: Stage) -> None:
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        await stage.ask(stage.issue(GATEWAY))
        await stage.ask(stage.issue(CHANNEL, "another.name.of.it"))


def foreign(stage: Stage, folder: Path) -> Certificates:
    """Those of somebody who believes the server nevertheless."""
    files = Authority().issue(folder, GATEWAY)
    files["service_ca"].write_bytes(stage.authority.pem)
    return Certificates(*files.values())


STRANGERS: dict[str, Callable[[Stage, Path], Certificates]] = {
    "one of another authority": foreign,
    "one that has expired": lambda stage, _: stage.issue(GATEWAY, ends=EXPIRED),
}


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_stranger_is_not_listened_to(stage: Stage, stranger: str, tmp_path: Path) -> None:
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        with pytest.raises(Unavailable):
            await stage.ask(STRANGERS[stranger](stage, tmp_path / "stranger"))


@pytest.mark.parametrize("tls", [True, False])
async def test_who_shows_no_certificate_is_not_listened_to(stage: Stage, *, tls: bool) -> None:
    roots = stage.authority.pem if tls else b""
    async with (
        stage.serving(stage.issue(MESSAGE_STORE)),
        open_channel(stage.address, [("grpc.ssl_target_name_override", MESSAGE_STORE)], roots) as channel,
    ):
        assert not await says_serving(channel)
        with pytest.raises(Unavailable):
            await heads(channel)


async def test_a_server_that_is_another_service_is_told_nothing(stage: Stage) -> None:
    async with stage.serving(stage.issue(PRESENCE, CHANNEL)):
        with pytest.raises(Unavailable):
            await stage.ask(stage.issue(GATEWAY))


async def test_a_server_of_another_authority_is_told_nothing(stage: Stage, tmp_path: Path) -> None:
    async with stage.serving(certificates(Authority(), tmp_path / "other", MESSAGE_STORE)):
        with pytest.raises(Unavailable):
            await stage.ask(stage.issue(GATEWAY))


@pytest.mark.parametrize("stage", ["link"], indirect=True)
async def test_a_server_with_the_name_as_its_common_name_only_is_told_nothing_by_links(stage: Stage) -> None:
    async with stage.serving(stage.issue(common_name=MESSAGE_STORE)):
        with pytest.raises(Unavailable):
            await stage.ask(stage.issue(GATEWAY))


@pytest.mark.parametrize("stage", ["link"], indirect=True)
async def test_why_a_link_is_not_connected_is_logged_once(stage: Stage) -> None:
    async with stage.serving(stage.issue(PRESENCE)), stage.calling(stage.issue(GATEWAY)) as channel:
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await heads(channel)
    assert [(line["event"], line["address"]) for line in logs] == [("link_not_connected", stage.address)]
    assert "not valid for 'message_store'" in logs[0]["error"]


@pytest.mark.parametrize("stage", ["link"], indirect=True)
async def test_who_is_not_believed_is_told_by_its_own_log(stage: Stage, tmp_path: Path) -> None:
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
            await stage.ask(foreign(stage, tmp_path / "foreign"))
    assert ["may not believe our certificate" in line["error"] for line in logs] == [True]


async def test_the_authority_may_be_one_that_another_has_signed(stage: Stage) -> None:
    stage.authority = Authority(above=Authority())
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        await stage.ask(stage.issue(GATEWAY))


async def test_only_tls_1_3_is_spoken(stage: Stage) -> None:
    context = stage.issue(GATEWAY).current().client
    context.set_alpn_protocols(["h2"])
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        assert await ending_of_heads(stage.address, context) == "0"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        ending = await ending_of_heads(stage.address, context)
        assert ending is None or ending.startswith(f"{grpc.StatusCode.PERMISSION_DENIED.value[0]} ")


async def ending_of_heads(address: str, context: ssl.SSLContext) -> str | None:
    """The call's status. None: no connection."""
    try:
        connection = await connect(address, time.monotonic, tls=context, server_name=MESSAGE_STORE)
    except (OSError, StreamEnded):
        return None
    stream = connection.call(HEADS, [], lambda _: None)
    stream.send(b"")
    stream.end()
    async with asyncio.timeout(5):
        ending = await stream.ended
    connection.close()
    return ending


async def test_who_takes_a_session_up_again_shows_a_certificate_again_or_is_refused(stage: Stage) -> None:
    """gRPC cannot be kept from it; it would look neither at who is believed now nor at when the certificate ends."""
    shown, kept = stage.issue(GATEWAY), ("grpc.ssl_session_cache", session_cache.ssl_session_cache_lru(1))  # type: ignore[no-untyped-call] # experimental in gRPC
    again = {"grpc": grpc.StatusCode.PERMISSION_DENIED, "link": grpc.StatusCode.OK}
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        assert (await heads_answered(stage, shown, kept))[0] == grpc.StatusCode.OK
        assert (await heads_answered(stage, shown, kept))[0] == again[stage.way]


async def test_a_common_name_lets_nobody_call(stage: Stage) -> None:
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        code, said = await heads_answered(stage, stage.issue(common_name=GATEWAY))
        assert code == grpc.StatusCode.PERMISSION_DENIED
        assert "none with a DNS name" in said


async def test_a_service_that_may_not_call_a_method_is_refused_counted_and_its_clients_learn_nothing_of_it(
    stage: Stage,
) -> None:
    shown = stage.issue(PRESENCE)
    async with stage.serving(stage.issue(MESSAGE_STORE)):
        code, said = await heads_answered(stage, shown)
        assert code == grpc.StatusCode.PERMISSION_DENIED
        assert "may not call" in said
        assert stage.registry.get_sample_value("tertulia_rpc_callers_refused_total", {"method": HEADS}) == 1
        with pytest.raises(TertuliaError) as hidden:
            await stage.ask(shown)
        assert hidden.value.reason != error_pb2.ERROR_REASON_CALLER_NOT_ALLOWED
        assert "presence" not in hidden.value.message


async def heads_answered(stage: Stage, shown: Certificates, *options: tuple[str, Any]) -> tuple[grpc.StatusCode, str]:
    """As any client of gRPC has it, for which health is there, too: the status, and what it says."""
    identity = shown.current()
    credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
    options = (("grpc.ssl_target_name_override", MESSAGE_STORE), *options)
    async with open_channel(stage.address, options, credentials=credentials) as channel:
        assert await says_serving(channel)
        answer = log_pb2_grpc.LogServiceStub(channel).Heads(log_pb2.HeadsRequest(), timeout=5)
        return await answer.code(), await answer.details()


async def test_what_nobody_may_call_is_refused_to_each(stage: Stage) -> None:
    async with stage.serving(stage.issue(MESSAGE_STORE)), stage.calling(stage.issue(GATEWAY)) as channel:
        with pytest.raises(Internal):
            await call(log_pb2_grpc.LogServiceStub(channel).Changes, log_pb2.ChangesRequest())
        assert stage.registry.get_sample_value("tertulia_rpc_callers_refused_total", {"method": CHANGES}) == 1


async def test_certificates_are_renewed_under_load_and_no_call_is_lost(stage: Stage) -> None:
    shown, own = stage.issue(MESSAGE_STORE), stage.issue(GATEWAY)
    answered = 0
    stop = asyncio.Event()

    async def load(channel: grpc.aio.Channel) -> None:
        nonlocal answered
        while not stop.is_set():
            await heads(channel)
            answered += 1

    async with stage.serving(shown), stage.calling(own) as channel, asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(load(channel))
        for name, each in ((MESSAGE_STORE, shown), (GATEWAY, own), (MESSAGE_STORE, shown)):
            before = each.current()
            stage.issue(name)
            await until(lambda each=each, before=before: each.current() is not before, "the new one is used")
            at = answered
            await until(lambda at=at: answered > at + 20, "calls go on")
            await stage.ask(own)
            assert await served_to_new_connections(stage.address, own) == shown.current().certificate
        stop.set()


async def served_to_new_connections(address: str, own: Certificates) -> bytes:
    host, _, port = address.rpartition(":")
    context = own.current().client
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=MESSAGE_STORE)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(certificate).encode()


async def test_an_authority_that_was_replaced_is_believed_no_more(stage: Stage) -> None:
    shown, old = stage.issue(MESSAGE_STORE), stage.issue(GATEWAY)
    async with stage.serving(shown):
        await stage.ask(old)
        before, stage.authority = shown.current(), Authority()
        stage.issue(MESSAGE_STORE)
        await until(lambda: shown.current() is not before, "the new one is used")
        with pytest.raises(TertuliaError):
            await stage.ask(old)
        await stage.ask(stage.issue(GATEWAY))


def test_files_that_do_not_belong_together_are_not_taken_for_a_renewal(tmp_path: Path) -> None:
    authority = Authority()
    shown = certificates(authority, tmp_path, GATEWAY)
    key = (tmp_path / "service_key.pem").read_bytes()
    authority.issue(tmp_path, GATEWAY)
    new = (tmp_path / "service_key.pem").read_bytes()
    (tmp_path / "service_key.pem").write_bytes(key)
    before = shown.current()
    shown._look()
    assert shown.current() is before
    (tmp_path / "service_key.pem").write_bytes(new)
    shown._look()
    assert shown.current().key == new


def test_files_that_are_gone_for_a_moment_keep_nobody_from_listening(tmp_path: Path) -> None:
    shown = certificates(Authority(), tmp_path, GATEWAY)
    (tmp_path / "service_key.pem").unlink()
    assert shown.listening() is shown.current().server


@pytest.mark.parametrize("spoiled", ["service_certificate", "service_key", "service_ca"])
def test_files_that_cannot_be_used_keep_a_service_from_starting(tmp_path: Path, spoiled: str) -> None:
    files = Authority().issue(tmp_path, GATEWAY)
    for content in (b"", b"no PEM"):
        files[spoiled].write_bytes(content)
        with pytest.raises(CannotStart, match=f"cannot use .*{files[spoiled]}.*must be PEM"):
            Certificates(*files.values())
    files[spoiled].unlink()
    with pytest.raises(CannotStart, match="No such file"):
        Certificates(*files.values())


async def test_nobody_is_asked_at_the_terminal_for_what_opens_a_key(tmp_path: Path) -> None:
    files = Authority().issue(tmp_path, GATEWAY)
    key = serialization.load_pem_private_key(files["service_key"].read_bytes(), None)
    sealed = serialization.BestAvailableEncryption(b"open sesame")
    files["service_key"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    )
    start = f"from libs.rpc.certificates import *; Certificates(*map(Path, {[str(path) for path in files.values()]}))"
    terminal, other_end = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", sys.executable, "-c", start), stdin=other_end, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(10):
            _, said = await process.communicate()
        assert b"and not encrypted" in said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(terminal)
        os.close(other_end)
