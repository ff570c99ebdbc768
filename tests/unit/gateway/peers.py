"""message_store and channel as far as sends need them, in memory, behind real gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2
from tertulia_internal.channel.v1 import access_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.client import open_channel
from libs.rpc.errors import NotFound, TertuliaError, channel_not_found
from libs.rpc.server import new_server
from libs.rpc.status import unavailable
from services.gateway.rate_limits import Rate, RateLimits

SECRET = "the-secret-of-the-application-in-these-tests-is-long-enough-for-each-algorithm"  # noqa: S105 - of nobody
_LOGS = log_pb2.DESCRIPTOR.services_by_name["LogService"].full_name
_ACCESS = access_pb2.DESCRIPTOR.services_by_name["AccessService"].full_name

MEMBER = channel_pb2.ChannelPermissions(send=True, react=True)
SCOPES = [scope for scope in access_pb2.KeyScope.values() if scope]
NO_LIMIT = Rate(0, 1)
MAX_AMENDMENTS = 2  # of a message, by edits or reactions; real owners allow more


class Peers:
    """Numbers what is appended, refuses old policies, knows members; and fails as a test says."""

    def __init__(self) -> None:
        self.answers: dict[str, access_pb2.AuthorizeResponse] = {}
        """What users may do, in place of what members may."""
        self.logs: dict[bytes, list[log_pb2.AppendItem]] = {}
        self.texts: dict[bytes, list[str]] = {}
        self.versions: dict[bytes, int] = {}
        self.seqs: dict[tuple[bytes, str], int] = {}
        self.batches: list[int] = []
        self.removed: set[str] = set()
        self.unreachable: set[str] = set()
        """Of them channel cannot tell anything just now."""
        self.authorisations: list[str] = []
        self.keys = {"key": access_pb2.GetKeyResponse(secret=SECRET.encode(), scopes=SCOPES, guests_allowed=True)}
        self.keys_asked: list[str] = []
        self.revoked_before_ms: dict[str, int] = {}
        """By user."""
        self.holders_asked: list[list[tuple[str, str]]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        """Cleared: appends wait."""
        self.hold_authorisations = asyncio.Event()
        self.hold_authorisations.set()
        """Cleared: authorisations wait."""
        self.authorising = asyncio.Event()
        self.appending = asyncio.Event()
        self.moving: set[bytes] = set()
        """Logs that are changing hands just now."""
        self.fail_before: list[TertuliaError] = []
        self.fail_after: list[TertuliaError] = []
        self.on_append: Callable[[log_pb2.AppendRequest], None] = lambda _: None

    async def append(self, request: log_pb2.AppendRequest, context: object) -> log_pb2.AppendResponse:
        self.batches.append(len(request.items))
        self.appending.set()
        await self.hold.wait()
        if self.fail_before:
            raise self.fail_before.pop(0)
        self.on_append(request)
        response = log_pb2.AppendResponse(results=[self._append(item) for item in request.items])
        if self.fail_after:
            raise self.fail_after.pop(0)
        return response

    async def authorize(self, request: access_pb2.AuthorizeRequest, context: object) -> access_pb2.AuthorizeResponse:
        self.authorisations.append(request.user_id)
        self.authorising.set()
        await self.hold_authorisations.wait()
        if request.user_id in self.unreachable:
            raise unavailable("the directory")
        if request.user_id in self.removed:
            raise channel_not_found(request.channel_id)
        log_id = request.channel_id.encode().ljust(16, b"-")
        answer = self.answers.get(request.user_id, access_pb2.AuthorizeResponse(permissions=MEMBER))
        answer.log_id = log_id
        answer.policy_version = self.versions.get(log_id, 1)
        answer.member_count = 2
        return answer

    async def get_key(self, request: access_pb2.GetKeyRequest, context: object) -> access_pb2.GetKeyResponse:
        self.keys_asked.append(request.key_id)
        if request.application_id != "app" or request.key_id not in self.keys:
            raise NotFound("no such key", error_pb2.ERROR_REASON_TOKEN_INVALID)
        return self.keys[request.key_id]

    async def get_revocations(
        self,
        request: access_pb2.GetRevocationsRequest,
        context: object,
    ) -> access_pb2.GetRevocationsResponse:
        self.holders_asked.append([(holder.user_id, holder.session_id) for holder in request.holders])
        times = [self.revoked_before_ms.get(holder.user_id, 0) for holder in request.holders]
        return access_pb2.GetRevocationsResponse(issued_before_ms=times)

    def _append(self, item: log_pb2.AppendItem) -> log_pb2.AppendResult:
        log_id = item.log.log_id
        if log_id in self.moving:
            return log_pb2.AppendResult(refusal=log_pb2.APPEND_REFUSAL_WRONG_OWNER)
        known = self.seqs.get((log_id, item.client_id))
        if known is not None:
            return log_pb2.AppendResult(seq=known, time_ms=1)
        if item.policy_version < self.versions.get(log_id, 1):
            return log_pb2.AppendResult(refusal=log_pb2.APPEND_REFUSAL_POLICY_STALE)
        if item.earlier_try_only:
            return log_pb2.AppendResult(refusal=log_pb2.APPEND_REFUSAL_NO_EARLIER_TRY)
        log = self.logs.setdefault(log_id, [])
        if refusal := _refusal(log, item):
            return log_pb2.AppendResult(refusal=refusal, retry_after_ms=item.slow_mode_ms)
        log.append(item)
        self.texts.setdefault(log_id, []).append(event_pb2.Event.FromString(item.content).message.text)
        self.seqs[log_id, item.client_id] = len(log)
        return log_pb2.AppendResult(seq=len(log), time_ms=1)


def _refusal(log: list[log_pb2.AppendItem], item: log_pb2.AppendItem) -> log_pb2.AppendRefusal.ValueType:
    """As real owners judge, but for the clock: in slow mode a second message always comes too early."""
    spoken = [earlier for earlier in log if earlier.kind == log_pb2.EVENT_KIND_MESSAGE]
    if item.slow_mode_ms and any(earlier.sender_user_id == item.sender_user_id for earlier in spoken):
        return log_pb2.APPEND_REFUSAL_SLOW_MODE
    if not item.target_seq:
        return log_pb2.APPEND_REFUSAL_UNSPECIFIED
    if item.target_seq > len(log) or log[item.target_seq - 1].kind != log_pb2.EVENT_KIND_MESSAGE:
        return log_pb2.APPEND_REFUSAL_TARGET_MISSING
    target = log[item.target_seq - 1]
    if item.HasField("target_sender_user_id") and item.target_sender_user_id != target.sender_user_id:
        return log_pb2.APPEND_REFUSAL_TARGET_OF_ANOTHER
    kinds = [earlier.kind for earlier in log if earlier.target_seq == item.target_seq]
    if log_pb2.EVENT_KIND_DELETION in kinds and item.kind != log_pb2.EVENT_KIND_DELETION:
        return log_pb2.APPEND_REFUSAL_TARGET_DELETED
    if kinds.count(item.kind) >= MAX_AMENDMENTS:
        return log_pb2.APPEND_REFUSAL_TARGET_FULL
    return log_pb2.APPEND_REFUSAL_UNSPECIFIED


def no_limits() -> RateLimits:
    return RateLimits(NO_LIMIT, NO_LIMIT, NO_LIMIT)


@asynccontextmanager
async def serving(peers: Peers, folder: Path) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to them."""
    address = f"unix:{folder}/peers.sock"
    server = new_server(CollectorRegistry())
    append = grpc.unary_unary_rpc_method_handler(
        peers.append, log_pb2.AppendRequest.FromString, log_pb2.AppendResponse.SerializeToString
    )
    authorize = grpc.unary_unary_rpc_method_handler(
        peers.authorize, access_pb2.AuthorizeRequest.FromString, access_pb2.AuthorizeResponse.SerializeToString
    )
    get_key = grpc.unary_unary_rpc_method_handler(
        peers.get_key, access_pb2.GetKeyRequest.FromString, access_pb2.GetKeyResponse.SerializeToString
    )
    get_revocations = grpc.unary_unary_rpc_method_handler(
        peers.get_revocations,
        access_pb2.GetRevocationsRequest.FromString,
        access_pb2.GetRevocationsResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(_LOGS, {"Append": append}),
            grpc.method_handlers_generic_handler(
                _ACCESS, {"Authorize": authorize, "GetKey": get_key, "GetRevocations": get_revocations}
            ),
        ]
    )
    server.add_insecure_port(address)
    await server.start()
    try:
        async with open_channel(address) as channel:
            yield channel
    finally:
        await server.stop(None)
