"""The bytes of an event, where more is to be done with them than to pass them on."""

from collections.abc import Sequence

from tertulia.chat.v1 import event_pb2

from libs.log_store.types import Amendments, Head, Kind, Overlay, Redaction, Row, Seq


def redacted(event: bytes) -> bytes:
    """An event without its content: what is left of a message is what it answers, of an edit what it edited."""
    left = event_pb2.Event.FromString(event)
    if left.HasField("message"):
        left.message.CopyFrom(event_pb2.Message(reply_to_seq=left.message.reply_to_seq))
    else:
        left.message_edited.ClearField("message")
    return left.SerializeToString()


def blanked(rows: Sequence[Row], redactions: Sequence[Redaction]) -> Sequence[Row]:
    """The rows with those that were deleted as readers get them."""
    deleted = {seq for redaction in redactions for seq in redaction.seqs}
    return [row._replace(event=redacted(row.event)) if row.seq in deleted else row for row in rows] if deleted else rows


def with_overlay(event: bytes, overlay: Overlay) -> bytes:
    """A message with its newest state in place of the one that it came with."""
    bare = event_pb2.Event.FromString(redacted(event) if overlay.deleted else event)
    bare.ClearField("state")  # two states one behind the other would be merged, and their lists doubled
    return bare.SerializeToString() + overlay.state


def head_after(head: Head, rows: Sequence[Row], amendments: Amendments) -> Head:
    """The head of a log to which rows were appended, with the last message as it is then."""
    newest = rows[-1]
    last_message = next((row.event for row in reversed(rows) if row.kind is Kind.MESSAGE), head.last_message)
    after = Head(newest.seq, newest.message_count, newest.policy_version, newest.time_ms, last_message)
    return amended(after, amendments.overlays) if amendments.overlays else after


def amended(head: Head, overlays: Sequence[Overlay]) -> Head:
    """A head with the newest state of its last message."""
    if not head.last_message:
        return head
    seq = Seq(event_pb2.Event.FromString(head.last_message).seq)
    for overlay in overlays:
        if overlay.seq == seq:
            return head._replace(last_message=with_overlay(head.last_message, overlay))
    return head
