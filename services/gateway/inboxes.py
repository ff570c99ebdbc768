"""What channel tells of a user: which log is the inbox, which channels there are."""

from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.client import collect
from services.gateway.cache import ExpiringCache

_LOGS = 50_000  # users, about 200 bytes each
_LOG_SECONDS = 3_600.0
_NO_CHANNEL = "-"  # asks for the inbox without its channels; were one called so, it would be described in vain


class Inboxes:
    """Every method raises TertuliaError when channel does not answer."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub") -> None:
        self._access = access
        self._logs: ExpiringCache[tuple[str, str], bytes] = ExpiringCache(_LOGS)

    async def log_id(self, caller: Caller) -> bytes:
        """The log of the user's inbox. It is the same for ever, and asked for once."""
        key = (caller.application_id, caller.user_id)
        log_id = self._logs.get(key)
        if log_id is None:
            log_id = (await self.open(caller, _NO_CHANNEL)).inbox_log_id
            self._logs.put(key, log_id, _LOG_SECONDS)
        return log_id

    async def open(self, caller: Caller, channel_id: str = "") -> access_pb2.OpenInboxResponse:
        """As AccessService.OpenInbox, all parts of it in one."""
        request = access_pb2.OpenInboxRequest(
            application_id=caller.application_id, user_id=caller.user_id, channel_id=channel_id
        )
        whole = access_pb2.OpenInboxResponse()
        for part in await collect(self._access.OpenInbox, request):
            whole.MergeFrom(part)
        return whole
