"""All that can be done in the name of somebody."""

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message as ProtoMessage

from tertulia.amendments import Amendments
from tertulia.caller import CALL_SECONDS, Caller
from tertulia.channel_calls import ChannelCalls
from tertulia.chat.v1 import event_pb2, session_pb2
from tertulia.history import MessageCalls
from tertulia.models import Changed, Sent
from tertulia.outbox import Outbox
from tertulia.people import PresenceCalls, UserCalls

SEND_SECONDS = 30.0
"""How long a send may take, retries and reconnecting included, where the caller does not say."""

Response = TypeVar("Response", bound=ProtoMessage)


class Actor:
    """The token's own user, or for a server key any user of its. `on_block` hears of the blocks that are made here."""

    def __init__(
        self, outbox: Outbox, as_user: str, on_block: Callable[[str, bool], None] = lambda _user_id, _blocked: None
    ) -> None:
        self._outbox = outbox
        self._as_user = as_user
        self._caller = Caller(outbox.calls, as_user)
        self._amendments = Amendments(self._caller, outbox.sends)
        self.users = UserCalls(self._caller, on_block)
        self.channels = ChannelCalls(self._caller)
        self.messages = MessageCalls(self._caller)
        self.presence = PresenceCalls(self._caller)

    async def send(
        self,
        channel_id: str,
        text: str = "",
        *,
        reply_to: int = 0,
        mentions: Sequence[str] = (),
        custom_type: str = "",
        custom_data: str = "",
        original_time_ms: int = 0,
        client_message_id: str = "",
        after_seq: int | None = None,
        timeout: float = SEND_SECONDS,
    ) -> Sent:
        """Say something; returns once it is durable.

        It is sent under one id until the server has answered, across refusals for the moment and broken connections, and
        takes effect once. Messages that are sent at the same time are joined into one frame; those of one channel are
        appended in the order of the calls.

        Args:
            text: at most 10,000 characters; may be empty if `custom_data` is not.
            reply_to: the seq of the message that this one answers.
            mentions: user ids, at most 50.
            custom_type, custom_data: the application's own, at most 128 bytes and 16 KiB.
            original_time_ms: for imports, server keys only: when it was said first.
            client_message_id: to repeat a send whose outcome was unknown; else a random one is made.
            after_seq: for the same purpose, that of the first try; see `OutcomeUnknown`.
            timeout: seconds until giving up.

        Raises:
            Refused: the server will not have it: NOT_ALLOWED, BLOCKED, SLOW_MODE …
            Unreachable: no server took it in time; it was not sent.
            OutcomeUnknown: no answer in time; it may have been sent.
        """
        send = session_pb2.Send(
            channel_id=channel_id,
            client_message_id=client_message_id or secrets.token_hex(16),
            after_seq=after_seq,
            as_user_id=self._as_user,
            message=event_pb2.Message(
                text=text,
                reply_to_seq=reply_to,
                mentioned_user_ids=mentions,
                custom_type=custom_type,
                custom_data=custom_data,
                original_time_ms=original_time_ms,
            ),
        )
        return await self._outbox.sends.send(send, timeout)

    async def edit(
        self,
        channel_id: str,
        seq: int,
        text: str = "",
        *,
        mentions: Sequence[str] = (),
        custom_type: str = "",
        custom_data: str = "",
        timeout: float = CALL_SECONDS,
    ) -> Changed:
        """Give a message of one's own (with a server key: any) another content, the whole of it; at most 100 times.

        Raises:
            PermissionDenied: NOT_ALLOWED, it is another's.
            NotFound: MESSAGE_NOT_FOUND.
            FailedPrecondition: MESSAGE_DELETED.
            ResourceExhausted: LIMIT_REACHED.
            Unreachable, OutcomeUnknown: no answer in time; ask again, it is safe.
        """
        return await self._amendments.edit(
            channel_id,
            seq,
            text,
            mentions=mentions,
            custom_type=custom_type,
            custom_data=custom_data,
            timeout=timeout,
        )

    async def delete(self, channel_id: str, seq: int, *, timeout: float = CALL_SECONDS) -> Changed:
        """Delete a message for everybody and for ever: one's own, or as an operator, owner or server key any. Once it returns,
        nobody is shown the text any more. Of one that is deleted: changes nothing.

        Raises:
            PermissionDenied: NOT_ALLOWED, it is another's.
            NotFound: MESSAGE_NOT_FOUND.
            Unreachable, OutcomeUnknown: no answer in time; ask again, it is safe.
        """
        return await self._amendments.delete(channel_id, seq, timeout=timeout)

    async def react(self, channel_id: str, seq: int, key: str, *, timeout: float = CALL_SECONDS) -> Changed:
        """React to a message with an emoji, or a name of the application's own, of 1 to 64 bytes. Again: changes nothing.

        Raises:
            NotFound: MESSAGE_NOT_FOUND.
            FailedPrecondition: MESSAGE_DELETED.
            ResourceExhausted: LIMIT_REACHED, 50 different ones or 1,000 in all.
            Unreachable, OutcomeUnknown: no answer in time; ask again, it is safe.
        """
        return await self._amendments.react(channel_id, seq, key, timeout=timeout)

    async def unreact(self, channel_id: str, seq: int, key: str, *, timeout: float = CALL_SECONDS) -> Changed:
        """Take one's reaction back. If there is none: changes nothing. Raises the same as `react`."""
        return await self._amendments.unreact(channel_id, seq, key, timeout=timeout)

    async def call(
        self,
        method: str,
        request: ProtoMessage,
        response_type: type[Response],
        *,
        timeout: float = CALL_SECONDS,
        repeat: bool = True,
    ) -> Response:
        """Call any unary method of the chat services, `"<Service>/<Method>"`, on the session.

        With `repeat` it is called again after a broken connection or a refusal for the moment, which suits all that is
        safe to do twice.

        Raises:
            Refused: the server said no.
            Unreachable, OutcomeUnknown: no answer within `timeout` seconds; or the connection broke, without `repeat`.
        """
        return await self._caller(method, request, response_type, timeout=timeout, repeat=repeat)
