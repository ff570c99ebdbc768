"""People with the SDK, who write down each of their tries."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import tertulia
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, event_pb2, message_pb2

from tests.faults.operations import Kind, Operation, Outcome, Recorder, entries_of

_PATIENCE_SECONDS = 4.0
"""For a try of somebody who is not hasty. The gateway itself gives up after 5 s."""

_HASTY_SECONDS = (0.0005, 0.012)
"""About as long as an answer takes here: so that many answers come too late, and their outcome is unknown."""

_TRIES = 60
_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
"""Between a try and its repetition."""

Response = TypeVar("Response", bound=Message)


class Person:
    """A user, perhaps with several devices. What has no answer is tried again under the same client id, on any of them."""

    def __init__(self, name: str, devices: Sequence[tertulia.Client], recorder: Recorder, rng: random.Random) -> None:
        self.name = name
        self.hasty = 0.15
        """How often a first try is given up after some milliseconds."""
        self._devices = devices
        self._recorder = recorder
        self._rng = rng
        self._ids = itertools.count(1)

    async def send(self, channel: str, text: str) -> Operation:
        after_seq = self._seen(channel)

        async def send(device: tertulia.Client, operation: Operation, seconds: float) -> None:
            sent = await device.send(
                channel, text, client_message_id=operation.client_id, after_seq=after_seq, timeout=seconds
            )
            operation.seq = sent.seq

        return await self._until_known(Kind.SEND, channel, send, text=text)

    async def edit(self, channel: str, target: int, text: str) -> Operation:
        request = message_pb2.EditMessageRequest(
            channel_id=channel, seq=target, after_seq=self._seen(channel), message=event_pb2.Message(text=text)
        )

        async def edit(device: tertulia.Client, operation: Operation, seconds: float) -> None:
            request.client_id = operation.client_id
            edited = await device.call(
                "MessageService/EditMessage", request, message_pb2.EditMessageResponse, timeout=seconds, repeat=False
            )
            operation.seq = edited.seq

        return await self._until_known(Kind.EDIT, channel, edit, text=text, target=target)

    async def delete(self, channel: str, target: int) -> Operation:
        request = message_pb2.DeleteMessageRequest(channel_id=channel, seq=target, after_seq=self._seen(channel))

        async def delete(device: tertulia.Client, operation: Operation, seconds: float) -> None:
            request.client_id = operation.client_id
            deleted = await device.call(
                "MessageService/DeleteMessage",
                request,
                message_pb2.DeleteMessageResponse,
                timeout=seconds,
                repeat=False,
            )
            operation.seq = deleted.seq

        return await self._until_known(Kind.DELETE, channel, delete, target=target)

    async def add(self, channel: str, subject: str) -> Operation:
        request = channel_pb2.AddMembersRequest(channel_id=channel, user_ids=[subject])

        async def add(device: tertulia.Client, _: Operation, seconds: float) -> None:
            await device.call(
                "ChannelService/AddMembers", request, channel_pb2.AddMembersResponse, timeout=seconds, repeat=False
            )

        return await self._until_known(Kind.ADD, channel, add, subject=subject)

    async def remove(self, channel: str, subject: str) -> Operation:
        request = channel_pb2.RemoveMembersRequest(channel_id=channel, user_ids=[subject])

        async def remove(device: tertulia.Client, _: Operation, seconds: float) -> None:
            await device.call(
                "ChannelService/RemoveMembers",
                request,
                channel_pb2.RemoveMembersResponse,
                timeout=seconds,
                repeat=False,
            )

        return await self._until_known(Kind.REMOVE, channel, remove, subject=subject)

    async def mark(self, channel: str, seq: int) -> Operation:
        request = channel_pb2.AdvanceReadPositionRequest(channel_id=channel, read_seq=seq)

        async def mark(device: tertulia.Client, operation: Operation, seconds: float) -> None:
            marked = await device.call(
                "ChannelService/AdvanceReadPosition",
                request,
                channel_pb2.AdvanceReadPositionResponse,
                timeout=seconds,
                repeat=False,
            )
            operation.seq = marked.read_seq

        return await self._until_known(Kind.MARK, channel, mark, target=seq)

    async def list_positions(self, channel: str) -> None:
        operation = self._recorder.begin(Kind.LIST, self.name, channel)
        request = channel_pb2.ListMembersRequest(channel_id=channel, page_size=1_000)
        if page := await self._ask(operation, "ChannelService/ListMembers", request, channel_pb2.ListMembersResponse):
            operation.positions = {member.user_id: member.read_seq for member in page.members}
        self._recorder.end(operation)

    async def look_at_own(self, channel: str) -> None:
        """Ask for one's channels as a list shows them: head, unread count, last message."""
        operation = self._recorder.begin(Kind.UNREAD, self.name, channel)
        request = channel_pb2.ListMyChannelsRequest(page_size=100, include_hidden=True)
        if page := await self._ask(
            operation, "ChannelService/ListMyChannels", request, channel_pb2.ListMyChannelsResponse
        ):
            for mine in page.channels:
                if mine.channel.channel_id == channel:
                    operation.head, operation.seq, operation.count = mine.head_seq, mine.read_seq, mine.unread_count
                    operation.entries = entries_of([mine.last_message] if mine.HasField("last_message") else [])
                    break
            else:
                operation.outcome = Outcome.FAILED  # no member just now
        self._recorder.end(operation)

    async def read_events(self, channel: str, after: int, limit: int = 200) -> None:
        operation = self._recorder.begin(Kind.READ, self.name, channel)
        request = message_pb2.ListEventsRequest(channel_id=channel, after_seq=after, page_size=limit)
        if page := await self._ask(operation, "MessageService/ListEvents", request, message_pb2.ListEventsResponse):
            piece = page.slice
            operation.from_seq, operation.to_seq, operation.head = piece.from_seq, piece.to_seq, piece.head_seq
            operation.entries = entries_of(piece.events)
        self._recorder.end(operation)

    async def read_messages(self, channel: str, before: int = 0) -> int:
        """A page of messages before a seq, or the newest; answers the seq of its oldest, 0 if there are no older ones."""
        operation = self._recorder.begin(Kind.READ, self.name, channel)
        request = message_pb2.ListMessagesRequest(channel_id=channel, page_size=50)
        if before:
            request.before_seq = before
        page = await self._ask(operation, "MessageService/ListMessages", request, message_pb2.ListMessagesResponse)
        if page is not None:
            operation.head = page.head_seq
            operation.entries = entries_of(page.events)
        self._recorder.end(operation)
        return page.events[0].seq if page is not None and page.older_page_token else 0

    def seen_by_devices(self) -> list[dict[str, int]]:
        """By device: the newest event of each channel that its session was told of."""
        return [{channel: mine.head_seq for channel, mine in device.joined.items()} for device in self._devices]

    def _seen(self, channel: str) -> int:
        mine = self._devices[0].joined.get(channel)
        return mine.head_seq if mine is not None else 0

    async def _ask(
        self, operation: Operation, method: str, request: Message, response_type: type[Response]
    ) -> Response | None:
        device = self._rng.choice(self._devices)
        answer: Response | None = None

        async def ask() -> None:
            nonlocal answer
            answer = await device.call(method, request, response_type, timeout=_PATIENCE_SECONDS)

        await self._try(operation, ask())
        return answer

    async def _until_known(
        self,
        kind: Kind,
        channel: str,
        do: Callable[[tertulia.Client, Operation, float], Awaitable[None]],
        *,
        text: str = "",
        target: int = 0,
        subject: str = "",
    ) -> Operation:
        client_id = f"{self.name}-{next(self._ids)}"
        for attempt in range(1, _TRIES + 1):
            hasty = attempt == 1 and self._rng.random() < self.hasty
            seconds = self._rng.uniform(*_HASTY_SECONDS) if hasty else _PATIENCE_SECONDS
            operation = self._recorder.begin(kind, self.name, channel)
            operation.client_id, operation.attempt = client_id, attempt
            operation.text, operation.target, operation.subject = text, target, subject
            await self._try(operation, do(self._rng.choice(self._devices), operation, seconds))
            self._recorder.end(operation)
            if operation.outcome is not Outcome.UNKNOWN:
                return operation
            if not hasty:
                await asyncio.sleep(min(attempt * _PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS))
        return operation

    async def _try(self, operation: Operation, doing: Awaitable[None]) -> None:
        try:
            await doing
        except tertulia.OutcomeUnknown:
            operation.reason = "NO_ANSWER"
        except tertulia.Unreachable:
            operation.outcome, operation.reason = Outcome.FAILED, "UNREACHABLE"
        except tertulia.Refused as refused:
            operation.reason = refused.reason
            if not refused.retryable:
                operation.outcome = Outcome.FAILED
        else:
            operation.outcome = Outcome.OK
