"""How many unread messages mention the user, kept current from live events."""

from collections.abc import Collection

from tertulia.chat.v1 import event_pb2
from tertulia.readings import MAX_MENTIONS_TOLD

_REMEMBERED = 1_000  # mentions that are known one by one; more are told as 100 anyway


class MentionTally:
    """Begins with the count that the server told with the channel, and adds what is seen from then on.

    Of messages up to the server's count only their number is known. Where one of them is edited, deleted or read, the methods
    answer True: the tally is in doubt, and the server has to be asked anew.
    """

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._told: int | None = None
        self._told_seq = 0
        self._read_seq = 0
        self._seen: dict[int, str] = {}  # after `_told_seq`: seq → author

    def tell(self, count: int | None, head_seq: int, read_seq: int) -> bool:
        """What the server counted when `head_seq` was the head and `read_seq` the user's position."""
        self._told, self._told_seq = count, head_seq
        self._seen = {seq: author for seq, author in self._seen.items() if seq > head_seq}
        own, self._read_seq = self._read_seq, read_seq
        return self.read_up_to(own)

    def on_message(self, event: event_pb2.Event) -> None:
        new = event.seq > max(self._read_seq, self._told_seq) and len(self._seen) < _REMEMBERED
        if new and self._user_id in event.message.mentioned_user_ids:
            self._seen[event.seq] = event.sender_user_id

    def on_edit(self, edit: event_pb2.MessageEdited) -> bool:
        seq = edit.target_seq
        if seq <= self._read_seq:
            return False
        if self._user_id in edit.message.mentioned_user_ids:
            return seq not in self._seen  # whose it is, and whether it was counted before, is not known here
        return self._lose(seq)

    def on_deletion(self, deletion: event_pb2.MessageDeleted) -> bool:
        return deletion.target_seq > self._read_seq and self._lose(deletion.target_seq)

    def on_block(self) -> bool:
        """Other people's mentions count now."""
        return self._told != 0

    def read_up_to(self, seq: int) -> bool:
        if seq <= self._read_seq:
            return False
        self._read_seq = seq
        self._seen = {at: author for at, author in self._seen.items() if at > seq}
        if seq >= self._told_seq:
            self._told = 0
        return bool(self._told)

    @property
    def seen(self) -> bool:
        """Whether mentions were seen since the server counted."""
        return bool(self._seen)

    def count(self, blocked: Collection[str]) -> int | None:
        """The number, at most 100; None where the server did not count."""
        if self._told is None:
            return None
        return min(MAX_MENTIONS_TOLD, self._told + sum(author not in blocked for author in self._seen.values()))

    def _lose(self, seq: int) -> bool:
        return self._seen.pop(seq, None) is None and seq <= self._told_seq and self._told != 0
