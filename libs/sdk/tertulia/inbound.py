"""What comes in on a session, handed to whom it concerns. Nothing here waits: the stream is read as fast as it comes."""

import logging
from collections.abc import Callable

from tertulia.buffer import EventBuffer
from tertulia.channels import Channels
from tertulia.chat.v1 import session_pb2
from tertulia.errors import from_failure
from tertulia.events import ConnectionState, PresenceChanged, TypingChanged
from tertulia.outbox import Outbox
from tertulia.typists import Typists

logger = logging.getLogger("tertulia")


class Inbound:
    """Takes the frames of one session after the other. `on_state` hears how far the session has come."""

    def __init__(
        self, buffer: EventBuffer, channels: Channels, outbox: Outbox, on_state: Callable[[ConnectionState], None]
    ) -> None:
        self._buffer = buffer
        self._channels = channels
        self._outbox = outbox
        self._on_state = on_state
        self._typists = Typists(self._tell_typing)
        self.user_id = ""
        self.welcomed = False
        self.goodbye: session_pb2.Goodbye | None = None

    def begin(self) -> session_pb2.Hello:
        """A new session: its hello."""
        self.welcomed = False
        self.goodbye = None
        return session_pb2.Hello(positions=self._channels.positions())

    def end(self) -> None:
        """The session is over."""
        self.welcomed = False
        self._typists.clear()
        self._outbox.disconnected()

    def on_frame(self, frame: session_pb2.ServerFrame) -> None:
        """Fragments may have been joined, so order means nothing across fields: what others stand on goes first."""
        by_kind: dict[str, list[session_pb2.Notice]] = {}
        for notice in frame.notices:
            by_kind.setdefault(notice.WhichOneof("notice") or "", []).append(notice)
        for notice in by_kind.get("welcome", ()):
            self._on_welcome(notice.welcome)
        for notice in by_kind.get("channel", ()):
            if lacking := self._channels.on_channel(notice.channel):
                self._outbox.mark_read(notice.channel.channel.channel_id, lacking)
        gaps = [notice.gap for notice in by_kind.get("gap", ())]
        if frame.slices or gaps:
            self._stop_typing(frame)
            self._channels.on_ranges(frame.slices, gaps)
        self._on_answers(frame)
        for notice in by_kind.get("typing", ()):
            self._on_typing(notice.typing)
        for notice in by_kind.get("read", ()):
            self._channels.on_read(notice.read)
        for notice in by_kind.get("delivered", ()):
            self._channels.on_delivered(notice.delivered)
        for notice in by_kind.get("presence", ()):
            self._on_presence(notice.presence)
        if "caught_up" in by_kind:
            self._channels.on_caught_up()
            self._on_state(ConnectionState.ONLINE)
        for notice in by_kind.get("goodbye", ()):
            self.goodbye = notice.goodbye

    def _on_welcome(self, welcome: session_pb2.Welcome) -> None:
        self.welcomed = True
        self.user_id = welcome.user_id
        self._channels.on_welcome(welcome)
        self._outbox.connected()
        # a server key's session carries commands only, so there is nothing to catch up with
        self._on_state(ConnectionState.CATCHING_UP if welcome.user_id else ConnectionState.ONLINE)

    def _on_answers(self, frame: session_pb2.ServerFrame) -> None:
        for ack in frame.acks:
            self._outbox.sends.on_ack(ack)
        for reply in frame.replies:
            self._outbox.calls.on_reply(reply)
        for failure in frame.failures:
            refusal = from_failure(failure)
            request_id = failure.request_id
            if self._outbox.sends.on_refusal(request_id, refusal) or self._outbox.calls.on_refusal(request_id, refusal):
                continue
            if (refused := self._outbox.refused_signal(request_id, refusal)) is not None:
                self._buffer.put_state(("refused", refused.signal, *refused.subjects), refused)
            else:
                logger.warning("a command was refused: %s (%s)", refusal, refusal.reason)

    def _on_typing(self, typing: session_pb2.TypingChanged) -> None:
        channel_id = self._channels.channel_of(typing.log_id)
        if channel_id is not None and typing.user_id != self.user_id:
            self._typists.on_signal(channel_id, typing.user_id, typing.active)

    def _stop_typing(self, frame: session_pb2.ServerFrame) -> None:
        """Who has said something types no longer."""
        for part in frame.slices:
            channel_id = self._channels.channel_of(part.log_id)
            if channel_id is not None:
                for event in part.events:
                    self._typists.stopped(channel_id, event.sender_user_id)

    def _tell_typing(self, channel_id: str, user_id: str, active: bool) -> None:
        event = TypingChanged(channel_id, user_id, active)
        self._buffer.put_signal(event)

    def _on_presence(self, presence: session_pb2.Presence) -> None:
        self._buffer.put_state(
            ("presence", presence.user_id),
            PresenceChanged(presence.user_id, presence.online, presence.last_seen_time_ms),
        )
