"""What a chat's screen says beside the messages: connection, who is here, who types, who has seen the last message, and
what is still on its way."""

from collections.abc import Iterable

import tertulia
from tertulia.cli.console import safe, shown_name

_NAMES_SHOWN = 4
_PENDING_SHOWN = 5


class ChatState:
    """Follows the events of one channel."""

    def __init__(self, channel_id: str, me: str) -> None:
        self.names: dict[str, str] = {}
        """What is known of people's display names, by user id; empty: there is none."""
        self._channel_id = channel_id
        self._me = me
        self._connection = tertulia.ConnectionState.ONLINE
        self._here: dict[str, bool] = {}
        self._typing: dict[str, None] = {}
        self._read: dict[str, int] = {}
        self._delivered: dict[str, int] = {}
        self._pending: dict[object, str] = {}
        self.last = 0
        """The seq of the newest message; 0: there is none."""
        self.my_last = 0
        """That of one's own newest."""
        self._left = False

    def on_members(self, members: Iterable[tertulia.Member]) -> None:
        for member in members:
            self._read[member.user_id] = member.read_seq
            self._delivered[member.user_id] = member.delivered_seq

    def on_event(self, event: tertulia.ClientEvent) -> None:
        match event:
            case tertulia.MessageReceived(message) if message.channel_id == self._channel_id:
                self.on_message(message)
            case tertulia.TypingChanged(channel_id, user_id, active) if channel_id == self._channel_id:
                self._typing.pop(user_id, None)
                if active:
                    self._typing[user_id] = None
            case tertulia.ReadChanged(channel_id, user_id, seq) if channel_id == self._channel_id:
                self._read[user_id] = max(seq, self._read.get(user_id, 0))
            case tertulia.DeliveredChanged(channel_id, user_id, seq) if channel_id == self._channel_id:
                self._delivered[user_id] = max(seq, self._delivered.get(user_id, 0))
            case tertulia.PresenceChanged(user_id, online):
                self._here[user_id] = online
            case tertulia.ConnectionChanged(state):
                self._connection = state
                if state is tertulia.ConnectionState.CONNECTING:
                    self._here.clear()  # a new session says anew who is here
                    self._typing.clear()
            case tertulia.ChannelLeft() | tertulia.ChannelDeleted() if event.channel_id == self._channel_id:
                self._left = True
            case tertulia.ChannelJoined() if event.channel_id == self._channel_id:
                self._left = False

    def on_message(self, message: tertulia.Message) -> None:
        self.last = message.seq
        if message.author == self._me:
            self.my_last = message.seq

    def on_sending(self, key: object, text: str) -> None:
        """A message is on its way, until `on_settled` of the same key."""
        self._pending[key] = text

    def on_settled(self, key: object) -> None:
        self._pending.pop(key, None)

    def pending(self) -> list[str]:
        """A line for each message that is on its way; of many the first few."""
        texts = list(self._pending.values())
        lines = [f"sending…  {safe(text)}" for text in texts[:_PENDING_SHOWN]]
        more = len(texts) - _PENDING_SHOWN
        return lines + ([f"sending…  and {more} more"] if more > 0 else [])

    def line(self) -> str:
        """One line that says it all. What only a server can know is left out while there is none."""
        parts = [f"#{self._channel_id}"]
        if self._left:
            parts.append("you are no member any more")
        if self._connection is not tertulia.ConnectionState.ONLINE:
            return safe(" · ".join([*parts, f"{self._connection.value}…"]))
        if here := [user_id for user_id, online in self._here.items() if online and user_id != self._me]:
            parts.append(f"here: {self._listed(here)}")
        if self._typing:
            parts.append(f"{self._listed(self._typing)} {'is' if len(self._typing) == 1 else 'are'} typing…")
        elif self.my_last and not self._pending:
            parts.append(self._receipt())
        return safe(" · ".join(parts))

    def _receipt(self) -> str:
        """What became of one's last message."""
        for what, positions in (("seen by", self._read), ("delivered to", self._delivered)):
            if people := [u for u, seq in positions.items() if seq >= self.my_last and u != self._me]:
                return f"{what} {self._listed(people)}"
        return "sent"

    def _listed(self, user_ids: Iterable[str]) -> str:
        people = [shown_name(user_id, self.names.get(user_id, "")) for user_id in user_ids]
        more = len(people) - _NAMES_SHOWN
        return ", ".join(people[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
