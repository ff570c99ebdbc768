"""What one client may take of a gateway, so that something is left for the others (I9)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from hyperframe.frame import HeadersFrame
from tertulia.chat.v1 import message_pb2, session_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from tests.integration.gateway.cast import Cast
from tests.integration.gateway.processes import Around, running, token, user_token
from tests.integration.http2.raw import Closed, Peer, peer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-limits")]

UNKNOWN = 20
LIST = "MessageService/ListMessages"
NOWHERE = message_pb2.ListMessagesRequest(channel_id="nowhere")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def around(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Around]:
    async with running(tmp_path_factory.mktemp("limits"), max_unauthenticated_connections=UNKNOWN) as around:
        yield around


async def test_by_a_good_token_a_connection_leaves_the_crowd_that_is_hung_up_on_first(
    around: Around, cast: Cast
) -> None:
    """Whichever way it is shown. The others have all that may be unknown: one of them has to go for each that comes from elsewhere."""
    good = user_token(cast.id("alice"))
    attach = carrier_pb2.Attach(handle=1, authorization=f"Bearer {good}")
    async with AsyncExitStack() as opened:

        async def from_there() -> Peer:
            return await opened.enter_async_context(peer(around.gateway.address, source="127.0.0.2"))

        forger, *known = [await from_there() for _ in range(5)]
        await _say(forger, f".chat.v1.{LIST}", token(sub="x", iss="another"), NOWHERE)
        await _say(known[0], f".chat.v1.{LIST}", good, NOWHERE)
        await _say(known[1], ".chat.v1.SessionService/Open", good, session_pb2.ClientFrame(hello=session_pb2.Hello()))
        await _say(known[2], ".chat.v1.SessionService/Listen", good, session_pb2.ListenRequest())
        await _say(
            known[3], "_internal.gateway.v1.CarrierService/Carry", "", carrier_pb2.CarryRequest(attaches=[attach])
        )
        with suppress(Closed):
            for _ in range(UNKNOWN):
                await from_there()
        async with peer(around.gateway.address) as newcomer:
            assert await newcomer.alive()
            await forger.until_closed()
            for client in known:
                assert await client.alive()


async def _say(client: Peer, method: str, bearer: str, request: Message) -> None:
    """Call a method, and wait for the beginning of the answer."""
    client.call(1, "", (":path", f"/tertulia{method}"), ("authorization", f"Bearer {bearer}"))
    client.say(1, request.SerializeToString())
    await client.until(HeadersFrame, 1)
