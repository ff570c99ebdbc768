"""What the users of a carrier are given, put together from its parts as the web door does it."""

from collections import Counter, defaultdict

from tertulia.chat.v1 import session_pb2
from tertulia_internal.gateway.v1 import carrier_pb2


class CarriedUsers:
    """By handle."""

    def __init__(self) -> None:
        self.heard: defaultdict[int, session_pb2.ServerFrame] = defaultdict(session_pb2.ServerFrame)
        """All that a stream of their own would have brought."""
        self.ended: dict[int, carrier_pb2.Ended] = {}
        self.untaken: Counter[int] = Counter()
        """Bytes of user frames since it was cleared."""
        self.parts: Counter[str] = Counter()
        """How many parts of each kind came."""
        self._members: defaultdict[int, set[int]] = defaultdict(set)

    @property
    def leaving(self) -> bool:
        """Somebody was told goodbye."""
        return any(notice.HasField("goodbye") for heard in self.heard.values() for notice in heard.notices)

    def take(self, response: carrier_pb2.CarryResponse) -> None:
        for part in response.parts:
            kind = part.WhichOneof("part") or ""
            self.parts[kind] += 1
            if kind == "user_frame":
                frame = part.user_frame
                self.untaken[frame.handle] += len(frame.frame)
                self.heard[frame.handle].MergeFromString(frame.frame)
            elif kind == "audience_change":
                change = part.audience_change
                self._members[change.audience] |= set(change.joined_handles)
                self._members[change.audience] -= set(change.left_handles)
            elif kind == "audience_frame":
                for handle in self._members[part.audience_frame.audience] - set(part.audience_frame.except_handles):
                    self.heard[handle].MergeFromString(part.audience_frame.frame)
            else:
                self.ended[part.ended.handle] = part.ended
