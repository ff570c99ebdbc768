"""A connection that keeps the contract's letter as badly as it can."""

import random
from collections.abc import Sequence

from tertulia.chat.v1 import session_pb2

from tests.unit.sdk.fake_gateway import Mangle


def unruly(seed: int) -> Mangle:
    """Duplicates slices, cuts them in parts, joins fragments out of order across fields, and leaves holes."""
    dice = random.Random(seed)
    held: list[session_pb2.ServerFrame] = []

    def mangle(frame: session_pb2.ServerFrame) -> Sequence[session_pb2.ServerFrame]:
        if not frame.slices:
            return [frame]
        part = frame.slices[0]
        if part.log_id.startswith(b"inbox:"):
            return [frame]
        out: list[session_pb2.ServerFrame] = []
        roll = dice.random()
        if roll < 0.15 and len(held) < 5:
            held.append(frame)  # comes again, late; until then there is a hole
            return []
        if roll < 0.35 and len(part.events) > 1:
            middle = dice.randrange(part.from_seq, part.to_seq)
            out += [_cut(part, part.from_seq, middle), _cut(part, middle + 1, part.to_seq)]
        else:
            out.append(frame)
        if roll > 0.8:
            out.append(frame)
        if held and roll > 0.5:
            out.insert(0, held.pop())
        return out

    return mangle


def _cut(part: session_pb2.Slice, first: int, last: int) -> session_pb2.ServerFrame:
    events = [event for event in part.events if first <= event.seq <= last]
    cut = session_pb2.Slice(log_id=part.log_id, from_seq=first, to_seq=last, head_seq=part.head_seq, events=events)
    return session_pb2.ServerFrame(slices=[cut])
