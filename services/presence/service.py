"""The internal PresenceService."""

from collections.abc import Iterable, Sized

from tertulia.chat.v1 import session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.bus import Bus
from libs.bus.subjects import log_subject
from libs.rpc.errors import FieldsInvalid, FieldViolation
from services.presence.announcer import Announcer, to_proto
from services.presence.roster import Report, Roster, User

MAX_ITEMS = 1_000  # of one request, as the protos say
_LOG_ID_BYTES = 16


class PresenceService(presence_pb2_grpc.PresenceServiceServicer):
    """Takes the gateways' reports, passes typing on, answers who is online."""

    def __init__(self, roster: Roster, announcer: Announcer, bus: Bus, lease_seconds: float) -> None:
        self._roster = roster
        self._announcer = announcer
        self._bus = bus
        self._lease_ms = round(lease_seconds * 1000)

    async def Report(
        self,
        request: presence_pb2.ReportRequest,
        context: object,
    ) -> presence_pb2.ReportResponse:
        if not request.gateway_incarnation:
            raise _invalid("gateway_incarnation", "must not be empty")
        report = Report(
            request.gateway_incarnation,
            request.sequence,
            request.full,
            _users(request.online),
            _users(request.offline),
        )
        came = self._roster.apply(report)
        if came is None:
            return presence_pb2.ReportResponse(full_needed=True, lease_ms=self._lease_ms)
        self._announcer.announce(came)
        return presence_pb2.ReportResponse(lease_ms=self._lease_ms)

    async def AnnounceTyping(
        self,
        request: presence_pb2.AnnounceTypingRequest,
        context: object,
    ) -> presence_pb2.AnnounceTypingResponse:
        _limit("signals", request.signals)
        for signal in request.signals:
            if len(signal.log_id) != _LOG_ID_BYTES:
                raise _invalid("signals.log_id", f"must have {_LOG_ID_BYTES} bytes")
        for signal in request.signals:
            await self._bus.publish(log_subject(signal.log_id), _typing_notice(signal))
        return presence_pb2.AnnounceTypingResponse()

    async def GetPresence(
        self,
        request: presence_pb2.GetPresenceRequest,
        context: object,
    ) -> presence_pb2.GetPresenceResponse:
        _limit("user_ids", request.user_ids)
        users = [User(request.application_id, user_id) for user_id in request.user_ids]
        return presence_pb2.GetPresenceResponse(
            presences=[to_proto(user, self._roster.standing(user)) for user in users]
        )


def _users(keys: Iterable[presence_pb2.UserKey]) -> list[User]:
    return [User(key.application_id, key.user_id) for key in keys]


def _typing_notice(signal: presence_pb2.TypingSignal) -> bytes:
    changed = session_pb2.TypingChanged(log_id=signal.log_id, user_id=signal.user_id, active=signal.active)
    frame = session_pb2.ServerFrame(notices=[session_pb2.Notice(typing=changed)])
    notice = signal_pb2.LogNotice(frame=frame.SerializeToString(), except_user_id=signal.user_id)
    return signal_pb2.LogSignal(notice=notice).SerializeToString()


def _limit(field: str, items: Sized) -> None:
    if len(items) > MAX_ITEMS:
        raise _invalid(field, f"must have at most {MAX_ITEMS} items")


def _invalid(field: str, description: str) -> FieldsInvalid:
    return FieldsInvalid([FieldViolation(field, description)])
