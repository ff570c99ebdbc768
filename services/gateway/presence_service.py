"""PresenceService: who is here, and that the caller is typing."""

from tertulia.chat.v1 import presence_pb2

from libs.rpc.caller import Caller
from services.gateway.appends import not_allowed
from services.gateway.grants import Grants
from services.gateway.methods import Methods, parsed
from services.gateway.tokens import require_speaker
from services.gateway.typing_signals import TypingSignals
from services.gateway.watches import Watches


class PresenceMethods:
    """The methods of PresenceService; see there for what they promise and refuse."""

    def __init__(self, grants: Grants, typing: TypingSignals, watches: Watches) -> None:
        self._grants = grants
        self._typing = typing
        self._watches = watches

    def table(self) -> Methods:
        return {
            "PresenceService/SetTyping": self._set_typing,
            "PresenceService/GetPresence": self._get_presence,
        }

    async def _set_typing(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(presence_pb2.SetTypingRequest, data)
        require_speaker(caller)
        grant = await self._grants.get(caller, request.channel_id)
        if not grant.may_send and not caller.server:
            raise not_allowed(grant)
        self._typing.signal(grant, active=request.active)
        return presence_pb2.SetTypingResponse().SerializeToString()

    async def _get_presence(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(presence_pb2.GetPresenceRequest, data)
        presences = await self._watches.get(caller, request.user_ids)
        return presence_pb2.GetPresenceResponse(presences=presences).SerializeToString()
