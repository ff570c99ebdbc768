"""What stands around the API: limits, security headers, other origins, files, and what must never be in a log."""

import asyncio
import gzip
import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pyqwest
import pytest
import pytest_asyncio

from tests.integration.gateway.processes import server_token, user_token
from tests.integration.web.conftest import Room
from tests.integration.web.door import PACKAGE, Door, Http, running_door
from tests.support.ports import free_port
from tests.support.stack import ServeStack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "https://shop.example"
LISTEN = f"/{PACKAGE}.SessionService/Listen"
_ABORTED = 3_000
GET_USER = f"/{PACKAGE}.UserService/GetUser"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guarded(stack: ServeStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A door with low limits, a built client, and a page elsewhere that may use it."""
    files = tmp_path_factory.mktemp("dist")
    (files / "assets").mkdir()
    (files / "index.html").write_text("<!doctype html><title>chat</title>")
    (files / "widget.js").write_text("begin()")
    script = b"// " + b"x" * 5_000
    (files / "assets" / "app-1a2b.js").write_bytes(script)
    (files / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(script))
    settings = {
        "request_seconds": 1,
        "allowed_origins": SHOP,
        "allowed_hosts": "localhost,127.0.0.1",
        "image_hosts": "img.example, *.cdn.example",
        "client_dir": files,
        "development_secret": "sk.dev.dev.tertulia-development-secret-not-for-production",
    }
    async with running_door(stack.address, stack.data.parent, **settings) as door:
        yield door


async def raw(door: Door, request: str) -> bytes:
    """What comes back for the bytes of a request, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request.encode("latin-1"))
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def answer_to_a_part(door: Door, request: str) -> tuple[bytes, bytes]:
    """Head and body of the answer to an unfinished request: it comes while the connection stays open for the rest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request.encode("latin-1"))
    try:
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            [length] = re.findall(rb"\r\ncontent-length: (\d+)\r\n", head)
            return head, await reader.readexactly(int(length))
    finally:
        writer.close()


async def test_every_answer_has_the_security_headers(guarded: Door) -> None:
    http = Http(guarded.url, user_token("ann"))
    for answer in (
        await http.get("/"),
        await http.get("/healthz"),
        await http.call("UserService/GetUser"),
        await http.preflight(GET_USER, origin=SHOP, access_control_request_method="POST"),
        await http.get("/?token=x"),
    ):
        assert answer.headers["server"] == "tertulia", "what it is made of is not told"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in answer.headers


async def test_pages_may_load_their_own_files_and_pictures_of_listed_hosts_only(guarded: Door) -> None:
    policy = (await Http(guarded.url).get("/")).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' data: blob: https://img.example https://*.cdn.example"
    assert rules["frame-ancestors"] == f"'self' {SHOP}"
    assert "unsafe" not in policy
    api = await Http(guarded.url).call("UserService/GetUser")
    assert api.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert api.headers["cache-control"] == "no-store"


async def test_only_listed_origins_may_read_the_answers(guarded: Door) -> None:
    http = Http(guarded.url)
    wishes = {"access_control_request_method": "POST", "access_control_request_headers": "authorization,content-type"}
    allowed = await http.preflight(GET_USER, origin=SHOP, **wishes)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, SHOP)
    refused = await http.preflight(GET_USER, origin="https://evil.example", **wishes)
    assert refused.status == 400
    answer = await http.call("UserService/GetUser", origin="https://evil.example")
    assert "access-control-allow-origin" not in answer.headers
    answer = await http.call("UserService/GetUser", origin=SHOP)
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "access-control-allow-credentials" not in answer.headers


async def test_clients_of_connect_and_grpc_web_may_send_and_read_their_headers_from_other_pages(guarded: Door) -> None:
    http = Http(guarded.url)
    sent = (
        "authorization, content-type, connect-protocol-version, connect-timeout-ms, grpc-timeout, x-grpc-web, "
        "x-user-agent, connect-content-encoding, content-encoding, grpc-encoding, tertulia-user, tertulia-correlation-id"
    )
    allowed = await http.preflight(
        GET_USER, origin=SHOP, access_control_request_method="POST", access_control_request_headers=sent
    )
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, SHOP)
    for name in sent.split(", "):
        assert name in allowed.headers["access-control-allow-headers"].lower(), name
    exposed = (await http.call("UserService/GetUser", origin=SHOP)).headers["access-control-expose-headers"]
    for name in ("grpc-status", "grpc-message", "grpc-status-details-bin", "tertulia-correlation-id"):
        assert name in exposed, name


async def test_another_host_name_is_refused(guarded: Door) -> None:
    answer = await raw(guarded, "GET /healthz HTTP/1.1\r\nhost: rebound.example\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [f"{GET_USER}?access_token=SECRET", f"{LISTEN}?token=SECRET", "/?Token=SECRET"])
async def test_a_token_in_a_url_is_refused_and_not_logged(guarded: Door, path: str) -> None:
    answer = await Http(guarded.url, user_token("ann")).post(path, b"{}")
    assert (answer.status, answer.reason) == (401, "TOKEN_MISSING")
    assert "SECRET" not in guarded.logged()


async def test_a_token_is_not_logged_whatever_happens(guarded: Door) -> None:
    http = Http(guarded.url, "SECRET")
    assert (await http.call("UserService/GetUser")).status == 401
    assert (await http.post(GET_USER, b"{")).status == 400
    assert "SECRET" not in guarded.logged()


@pytest.mark.parametrize("header", ["authorization", "tertulia-user", "user-agent", "x-anything", "content-type"])
async def test_a_header_that_is_not_ascii_is_no_fault_of_the_server(guarded: Door, header: str) -> None:
    content_type = "" if header == "content-type" else "content-type: application/json\r\n"
    for value in ("caf\xe9", "caf\xc3\xa9", "\xff\xfe"):
        request = (
            f"POST {GET_USER} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n"
            f"{content_type}{header}: {value}\r\n\r\n{{}}"
        )
        status = int((await raw(guarded, request)).split(b" ")[1])
        assert status in {400, 401, 415}, value


@pytest.mark.parametrize(
    ("header", "value", "status", "reason"),
    [
        ("authorization", "Bearer " + "x" * 15_900, 401, "TOKEN_INVALID"),
        ("authorization", "Bearer " + "x" * 8_000, 401, "TOKEN_INVALID"),
        ("authorization", "Bearer x\ty", 401, "TOKEN_INVALID"),
        ("authorization", "Bearer x ", 401, "TOKEN_INVALID"),
        ("tertulia_user", "x" * 15_900, 400, "FIELD_INVALID"),
        ("tertulia_user", "x\ty", 400, "FIELD_INVALID"),
    ],
    ids=["huge token", "large token", "tab in token", "space after token", "huge user", "tab in user"],
)
@pytest.mark.parametrize("version", [pyqwest.HTTPVersion.HTTP1, pyqwest.HTTPVersion.HTTP2], ids=["HTTP/1.1", "HTTP/2"])
async def test_no_header_of_one_client_ends_the_streams_of_the_others(
    room: Room, version: pyqwest.HTTPVersion, header: str, value: str, status: int, reason: str
) -> None:
    """They share the door's few connections to the gateway."""
    hostile = Http(room.url, server_token(), pyqwest.HTTPTransport(http_version=version))
    async with room.ben.listen() as lines:
        await lines.until("caughtUp")
        for _ in range(10):
            answer = await hostile.call("ChannelService/ListMyChannels", **{header: value})
            assert (answer.status, answer.reason) == (status, reason)
            async with hostile.listen(**{header: value}) as refused:
                assert reason in await refused.all()
        await room.say("still here?")
        await lines.until("still here?")


async def test_clients_that_abort_their_calls_cost_nobody_else_a_call(door: Door, room: Room) -> None:
    """They share a connection to the gateway, which ends those whose clients reset too many calls."""
    body = json.dumps({"channelId": room.channel_id}).encode()
    request = (
        f"POST /{PACKAGE}.ChannelService/GetChannel HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {user_token(room.names[0])}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body

    async def abort() -> None:
        for _ in range(_ABORTED // 20):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(request)
            await asyncio.sleep(0)
            writer.transport.abort()

    async with asyncio.TaskGroup() as aborting:
        tasks = [aborting.create_task(abort()) for _ in range(20)]
        while not all(task.done() for task in tasks):
            await room.ben.ask("ChannelService/ListMyChannels")


async def test_a_body_that_is_too_large_is_refused(guarded: Door) -> None:
    body = json.dumps({"userId": "x" * 300_000}).encode()
    answer = await Http(guarded.url, user_token("ann")).post(GET_USER, body)
    assert (answer.status, answer.reason) == (429, "LIMIT_REACHED")


async def test_a_bomb_is_not_unpacked(guarded: Door) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 64 * 1024
    answer = await Http(guarded.url, user_token("ann")).post(GET_USER, bomb, content_encoding="gzip")
    assert (answer.status, answer.reason) == (429, "LIMIT_REACHED")


@pytest.mark.parametrize(
    ("header", "value", "status", "reason"),
    [
        ("connect_timeout_ms", "soon", 400, "FRAME_INVALID"),
        ("connect_timeout_ms", "99999999999999", 400, "FRAME_INVALID"),
        ("content_encoding", "lzma", 501, "METHOD_UNKNOWN"),
    ],
)
async def test_what_connectrpc_refuses_by_itself_has_a_reason_too(
    guarded: Door, header: str, value: str, status: int, reason: str
) -> None:
    answer = await Http(guarded.url, user_token("ann")).post(GET_USER, b"{}", **{header: value})
    assert (answer.status, answer.reason) == (status, reason)


async def test_a_body_that_does_not_come_is_not_waited_for(guarded: Door) -> None:
    head = f"POST {GET_USER} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
    for path_head in (head, head.replace(GET_USER, LISTEN)):
        head_of_answer, body = await answer_to_a_part(guarded, f"{path_head}content-length: 2\r\n\r\n{{")
        assert head_of_answer.startswith(b"HTTP/1.1 504 "), head_of_answer
        assert json.loads(body)["code"] == "deadline_exceeded"


async def test_headers_that_are_too_large_are_refused(guarded: Door) -> None:
    answer = await raw(guarded, f"GET / HTTP/1.1\r\nhost: localhost\r\nx: {'y' * 100_000}\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_more_requests_than_it_can_hold_are_refused_with_a_time_to_come_back(
    stack: ServeStack, tmp_path: Path
) -> None:
    ann = f"ann-{secrets.token_hex(4)}"
    async with running_door(stack.address, tmp_path, max_requests=4) as small:
        await Http(small.url, server_token()).ask("UserService/UpsertUsers", {"users": [{"userId": ann}]})
        http = Http(small.url, user_token(ann))
        async with http.listen() as one, http.listen() as two, http.listen() as three, http.listen() as four:
            for lines in (one, two, three, four):
                await lines.until("caughtUp")
            answer = await http.call("UserService/GetUser", {"userId": ann})
            assert (answer.status, answer.reason) == (429, "OVERLOADED")
            assert "google.rpc.RetryInfo" in [detail["type"] for detail in answer.json()["details"]]


async def test_files_are_kept_as_long_as_their_names_allow(guarded: Door) -> None:
    http = Http(guarded.url)
    page = await http.get("/")
    assert (page.status, page.headers["cache-control"]) == (200, "no-cache")
    assert page.body == b"<!doctype html><title>chat</title>"
    script = await http.get("/assets/app-1a2b.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    again = await http.get("/", if_none_match=page.headers["etag"])
    assert again.status == 304


async def test_files_come_as_they_were_compressed_when_they_were_built(guarded: Door) -> None:
    async def answer_to(*headers: str) -> tuple[dict[str, str], bytes]:
        head = ["GET /assets/app-1a2b.js HTTP/1.1", "host: localhost", "connection: close", *headers]
        top, _, body = (await raw(guarded, "\r\n".join([*head, "", ""]))).partition(b"\r\n\r\n")
        return dict(line.split(": ", 1) for line in top.decode().lower().split("\r\n")[1:]), body

    plain, script = await answer_to()
    packed, body = await answer_to("accept-encoding: br, gzip;q=0.8")
    assert gzip.decompress(body) == script
    assert (packed["content-encoding"], int(packed["content-length"])) == ("gzip", len(body))
    for name in ("content-type", "cache-control", "vary"):
        assert packed[name] == plain[name], name
    assert "accept-encoding" in packed["vary"]
    assert packed["etag"] != plain["etag"]
    for refusal in ("gzip;q=0", "br", "gzip; q=0.0, br"):
        headers, body = await answer_to(f"accept-encoding: {refusal}")
        assert "content-encoding" not in headers, refusal
        assert body == script
    unchanged, body = await answer_to("accept-encoding: gzip", f"if-none-match: {packed['etag']}")
    assert (body, unchanged["vary"], unchanged["etag"]) == (b"", packed["vary"], packed["etag"])


@pytest.mark.parametrize("path", ["/../settings.py", "/..%2fsettings.py", "/%2e%2e/settings.py", "/nothing.js"])
async def test_nothing_outside_of_the_clients_files_is_served(guarded: Door, path: str) -> None:
    answer = await raw(guarded, f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD"),
        ("/index.html", "GET, HEAD"),
        ("/widget.js", "GET, HEAD"),
        ("/assets/app-1a2b.js", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/config.json", "GET, HEAD"),
        ("/development/token", "POST"),
        (GET_USER, "POST"),
        (LISTEN, "GET, POST"),
    ],
)
async def test_every_route_says_by_which_verbs_it_is_asked(guarded: Door, path: str, allowed: str) -> None:
    http = Http(guarded.url, user_token("ann"))
    for verb in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - set(allowed.split(", ")):
        answer = await http.ask_by(verb, path)
        assert (answer.status, answer.headers.get("allow")) == (405, allowed), verb
        if verb != "HEAD":
            assert answer.reason == "METHOD_UNKNOWN"
    if "HEAD" in allowed:
        answer = await http.ask_by("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/nothing.js", "/assets", "/%00", f"/{'x' * 300}", "//etc/passwd"])
async def test_what_is_not_there_is_not_found_by_any_verb(guarded: Door, path: str) -> None:
    for verb in ("GET", "POST", "DELETE"):
        answer = await raw(guarded, f"{verb} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 404 "), verb


async def test_the_client_is_told_what_it_may_show(guarded: Door) -> None:
    config = (await Http(guarded.url).get("/config.json")).json()
    assert config == {"imageHosts": ["img.example", "*.cdn.example"], "development": True}


async def test_in_development_anybody_gets_a_token_and_else_nobody(guarded: Door, door: Door) -> None:
    answer = await Http(guarded.url).post("/development/token", b'{"userId": "ann"}')
    token = answer.json()["token"]
    assert (await Http(guarded.url, token).call("ChannelService/ListMyChannels")).status in {200, 404}
    for body in (b"{", b"[]", b'{"userId": 7}', b"{}"):
        assert (await Http(guarded.url).post("/development/token", body)).status == 400
    assert (await Http(door.url).post("/development/token", b'{"userId": "ann"}')).status == 404


async def test_without_a_built_client_the_page_says_how_to_build_it(stack: ServeStack, tmp_path: Path) -> None:
    async with running_door(stack.address, stack.data.parent, client_dir=tmp_path / "nowhere") as door:
        page = await Http(door.url).get("/")
        assert page.status == 503
        assert b"make web" in page.body
        assert (await Http(door.url).get("/app.js")).status == 404


async def test_it_is_ready_when_the_gateway_is(door: Door, tmp_path: Path) -> None:
    assert (await Http(door.url).get("/readyz")).status == 200
    async with running_door(f"127.0.0.1:{free_port()}", tmp_path) as alone:
        assert (await Http(alone.url).get("/healthz")).status == 200
        assert (await Http(alone.url).get("/readyz")).status == 503
        answer = await Http(alone.url, user_token("ann")).call("UserService/GetUser", {"userId": "ann"})
        assert (answer.status, answer.reason) == (503, "OUTCOME_UNKNOWN")
        assert "127.0.0.1" not in answer.body.decode()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"allowed_origins": "*"}, "allowed_origins"),
        ({"image_hosts": "img.example; script-src *"}, "image_hosts"),
        ({"tls_certificate": "/nowhere/cert.pem"}, "tls_key"),
        ({"tls_certificate": "/nowhere/cert.pem", "tls_key": "/nowhere/key.pem"}, "cannot use the certificate"),
        ({"development_secret": "guess"}, "development_secret"),
    ],
)
async def test_settings_that_cannot_be_keep_it_from_starting(
    tmp_path: Path, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        async with running_door("127.0.0.1:1", tmp_path, **settings):
            pass


async def test_a_taken_address_keeps_it_from_starting(door: Door, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="is another process there"):
        async with running_door("127.0.0.1:1", tmp_path, listen=f"127.0.0.1:{door.port}"):
            pass
