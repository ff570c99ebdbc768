"""A feed is contiguous for its readers whatever the bus does (I3), and exact where memberships end (I7)."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from tertulia.chat.v1 import event_pb2

from services.gateway.feed import MAX_HELD, MAX_HELD_BYTES, Feed
from services.gateway.segments import Segment
from services.gateway.stats import Stats
from tests.unit.gateway.logs import LOG, MemoryLog, slice_of


class ToyReader:
    """Does what sessions' readers do, with a list for a queue."""

    def __init__(self, feed: Feed, user_id: str, position: int, policy_version: int) -> None:
        self.user_id = user_id
        self.position = position
        self.policy_version = policy_version
        self.closed = False
        self.feed = feed
        self.began_at = position
        self.ranges: list[tuple[int, int]] = []
        self.full = False
        self.overflows = 0
        self.left = 0

    def push(self, frame: bytes) -> bool:
        piece = slice_of(frame)
        if piece.ByteSize():
            self.ranges.append((piece.from_seq, piece.to_seq))
        return self.full

    def notice(self, frame: bytes, except_user_id: str) -> bool:
        return self.user_id != except_user_id and self.push(frame)

    def take(self, segment: Segment) -> None:
        self.push(segment.frame)
        self.position = segment.to_seq
        if segment.control is not None:
            self.control(segment.control)

    def control(self, event: event_pb2.Event) -> None:
        change = event.membership_change
        self.policy_version = max(self.policy_version, change.policy_version)
        if self.user_id in change.removed_user_ids or event.HasField("channel_deleted"):
            self.closed = True
            self.feed.detach(self)

    def overflowed(self) -> None:
        self.overflows += 1
        self.feed.detach(self)

    def left_behind(self) -> None:
        self.left += 1

    @property
    def last(self) -> int:
        return max([self.began_at, *(to_seq for _, to_seq in self.ranges)])


def _feed(log: MemoryLog) -> tuple[Feed, list[Feed]]:
    wanted: list[Feed] = []
    feed = Feed(LOG, wanted.append, Stats())
    feed.start(log.head, log.policy_version)
    return feed, wanted


def _reader(feed: Feed, log: MemoryLog, user_id: str = "alice") -> ToyReader:
    reader = ToyReader(feed, user_id, feed.cursor, log.policy_version)
    assert feed.attach(reader, reader.push)
    return reader


def test_a_doorbell_that_follows_is_passed_on_as_it_is() -> None:
    log = MemoryLog()
    feed, wanted = _feed(log)
    reader = _reader(feed, log)
    log.say()
    [bell] = log.doorbells(1, 1)
    feed.ring(bell)
    assert (reader.ranges, feed.cursor, wanted) == ([(1, 1)], 1, [])


def test_a_lost_doorbell_is_asked_for_and_what_came_after_it_waits() -> None:
    log = MemoryLog()
    feed, wanted = _feed(log)
    reader = _reader(feed, log)
    for _ in range(3):
        log.say()
    feed.ring(log.doorbells(3, 3)[0])
    assert (reader.ranges, wanted) == ([], [feed])
    feed.apply(log.segments(1, 2))
    assert reader.ranges == [(1, 2), (3, 3)]


def test_doorbells_before_the_start_are_kept_for_it() -> None:
    log = MemoryLog()
    wanted: list[Feed] = []
    feed = Feed(LOG, wanted.append, Stats())
    log.say()
    log.say()
    log.say()
    feed.ring(log.doorbells(3, 3)[0])
    feed.start(2, 0)
    assert (feed.cursor, wanted) == (3, [])


def test_more_doorbells_than_can_be_held_are_fetched_instead() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    reader = _reader(feed, log)
    for _ in range(2 * MAX_HELD):
        log.say()
    for seq in range(2, 2 * MAX_HELD + 1):
        feed.ring(log.doorbells(seq, seq)[0])
    feed.apply(log.segments(1, 1))
    feed.apply(log.segments(feed.cursor + 1, feed.head))
    assert reader.last == feed.cursor == log.head


def test_the_last_that_a_removed_member_gets_is_the_removal() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    alice, bob = _reader(feed, log, "alice"), _reader(feed, log, "bob")
    log.say()
    log.change(removed=["bob"])
    log.say()
    for bell in log.doorbells(1, 3):
        feed.ring(bell)
    assert bob.closed
    assert (bob.last, alice.last) == (2, 3)


def test_large_doorbells_that_wait_are_bounded_in_bytes_and_fetched_instead() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    reader = _reader(feed, log)
    for _ in range(8):
        log.say("x" * (MAX_HELD_BYTES // 3))
    for seq in range(2, 9):
        feed.ring(log.doorbells(seq, seq)[0])
        assert sum(len(segment.frame) for segment in feed._held.values()) == feed._held_bytes <= MAX_HELD_BYTES
    feed.apply(log.segments(1, 1))
    feed.apply(log.segments(feed.cursor + 1, feed.head))
    assert reader.last == feed.cursor == log.head
    assert feed._held_bytes == 0


def test_a_removal_in_a_fetched_range_ends_delivery_exactly_there_too() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    bob = _reader(feed, log, "bob")
    log.say()
    log.change(removed=["bob"])
    log.say()
    feed.check(3)
    feed.apply(log.segments(1, 3))
    assert bob.last == 2


def test_who_does_not_know_the_newest_policy_is_not_attached() -> None:
    log = MemoryLog()
    log.change(added=["alice"])
    log.change(removed=["alice"])
    feed, _ = _feed(log)
    stale = ToyReader(feed, "alice", position=2, policy_version=1)
    assert not feed.attach(stale, stale.push)
    log.say()
    feed.ring(log.doorbells(3, 3)[0])
    assert stale.ranges == []


def test_who_is_a_little_behind_attaches_with_what_was_recorded() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    late = ToyReader(feed, "alice", position=0, policy_version=0)
    with feed.recording():
        for seq in (1, 2):
            log.say()
            feed.ring(log.doorbells(seq, seq)[0])
        assert feed.attach(late, late.push)
    assert late.ranges == [(1, 1), (2, 2)]
    behind = ToyReader(feed, "bob", position=0, policy_version=0)
    assert not feed.attach(behind, behind.push), "nothing is recorded when nobody needs it"


def test_who_lacks_only_some_of_what_was_recorded_gets_only_that() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    with feed.recording():
        for seq in (1, 2, 3):
            log.say()
            feed.ring(log.doorbells(seq, seq)[0])
        late = ToyReader(feed, "alice", position=1, policy_version=0)
        assert feed.attach(late, late.push)
    assert late.ranges == [(2, 2), (3, 3)]


def test_a_removal_among_what_was_recorded_ends_delivery_there() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    late = ToyReader(feed, "bob", position=0, policy_version=0)
    with feed.recording():
        log.say()
        log.change(removed=["bob"])
        log.say()
        for bell in log.doorbells(1, 3):
            feed.ring(bell)
        assert not feed.attach(late, late.push)
    assert late.closed
    assert late.last == 2


def test_a_full_queue_is_told_once_and_the_reader_knows_where_it_stopped() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    slow, quick = _reader(feed, log, "slow"), _reader(feed, log, "quick")
    slow.full = True
    for seq in (1, 2):
        log.say()
        feed.ring(log.doorbells(seq, seq)[0])
    assert (slow.overflows, slow.position, slow.last) == (1, 1, 1)
    assert quick.last == 2


def test_a_jump_leaves_every_reader_behind_at_its_place() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    reader = _reader(feed, log)
    for _ in range(10):
        log.say()
    feed.jump(10, 0)
    assert (reader.left, reader.position, feed.cursor) == (1, 0, 10)
    assert not feed.attach(reader, reader.push), "it has to read the log first"


def test_only_what_is_to_be_looked_into_cuts_what_is_read() -> None:
    log = MemoryLog()
    for _ in range(3):
        log.say()
    log.edit(1, "better")
    log.react(1)
    log.delete(1)
    log.say()
    log.change_channel()
    log.change(added=["bob"])
    log.react(2)
    log.delete_channel()
    looked_into = [segment.control.WhichOneof("content") for segment in log.segments(1, 11) if segment.control]
    assert [(segment.from_seq, segment.to_seq) for segment in log.segments(1, 11)] == [(1, 6), (7, 8), (9, 9), (10, 11)]
    assert looked_into == ["message_deleted", "channel_changed", "membership_change", "channel_deleted"]


def test_a_deletion_is_passed_on_and_the_bytes_before_it_are_forgotten() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    reader = _reader(feed, log)
    with feed.recording():
        log.say("secret")
        feed.ring(log.doorbells(1, 1)[0])
        log.delete(1)
        feed.ring(log.doorbells(2, 2)[0])
        assert reader.ranges == [(1, 1), (2, 2)]
        late = ToyReader(feed, "late", position=0, policy_version=0)
        assert not feed.attach(late, late.push), "it reads the log, where the text is no more"
        log.say()
        feed.ring(log.doorbells(3, 3)[0])
        after = ToyReader(feed, "after", position=2, policy_version=0)
        assert feed.attach(after, after.push), "what was said since is kept again"


def test_a_deletion_that_is_rung_early_forgets_what_waits_before_it() -> None:
    log = MemoryLog()
    feed, wanted = _feed(log)
    reader = _reader(feed, log)
    log.say()
    log.say("secret")
    [secret] = log.doorbells(2, 2)
    feed.ring(secret)
    log.delete(2)
    feed.ring(log.doorbells(3, 3)[0])
    feed.apply(log.segments(1, 1))
    assert (reader.last, feed.behind(), bool(wanted)) == (1, 2, True), "the secret is not passed on, but read again"
    feed.apply(log.segments(2, 3))
    assert reader.last == 3


def test_what_is_late_on_the_bus_is_not_passed_on_before_all_that_is_known_to_follow_it() -> None:
    log = MemoryLog()
    feed, wanted = _feed(log)
    log.say("secret")
    log.say()
    bells = log.doorbells(1, 2)
    log.delete(1)
    feed.expect(log.head)  # who comes now was told so, and must not be shown the secret
    reader = _reader(feed, log)
    for bell in bells:
        feed.ring(bell)
    assert (reader.ranges, wanted) == ([], []), "the rest may be on its way"
    feed.ring(log.doorbells(3, 3)[0])
    assert (reader.ranges, wanted) == ([], [feed]), "the rest was a deletion: it is read from the log"
    feed.apply(log.segments(1, 3))
    assert reader.last == 3


def test_what_is_on_its_way_on_the_bus_is_not_fetched() -> None:
    log = MemoryLog()
    feed, wanted = _feed(log)
    reader = _reader(feed, log)
    log.say()
    log.say()
    feed.expect(2)
    for bell in log.doorbells(1, 2):
        feed.ring(bell)
    assert (reader.last, wanted) == (2, [])


def test_what_comes_after_the_deletion_that_followed_it_is_read_again() -> None:
    log = MemoryLog()
    feed, wanted = _feed(log)
    reader = _reader(feed, log)
    log.say("secret")
    [secret] = log.doorbells(1, 1)
    log.delete(1)
    feed.ring(log.doorbells(2, 2)[0])
    feed.ring(secret)
    assert (reader.ranges, bool(wanted)) == ([], True)


def test_a_deletion_that_is_found_in_the_log_forgets_the_bytes_before_it_too() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    with feed.recording():
        log.say("secret")
        feed.ring(log.doorbells(1, 1)[0])
        log.delete(1)
        feed.apply(log.segments(2, 2))
        late = ToyReader(feed, "late", position=0, policy_version=0)
        assert not feed.attach(late, late.push)


def test_deleting_a_channel_raises_the_policy_so_that_nobody_attaches_who_does_not_know() -> None:
    log = MemoryLog()
    feed, _ = _feed(log)
    log.delete_channel()
    feed.ring(log.doorbells(1, 1)[0])
    late = ToyReader(feed, "late", position=1, policy_version=0)
    assert not feed.attach(late, late.push)


class FeedMachine(RuleBasedStateMachine):
    """Doorbells are lost, doubled and come in any order; readers come and go; reads may be old."""

    bells = Bundle("bells")
    reads = Bundle("reads")

    def __init__(self) -> None:
        super().__init__()
        self.log = MemoryLog()
        self.feed, self.wanted = _feed(self.log)
        self.readers: list[ToyReader] = []
        self.removed: dict[str, int] = {}
        self.names = 0

    @rule(target=bells, count=st.integers(1, 4), remove=st.booleans())
    def append(self, count: int, remove: bool) -> object:
        begin = self.log.head + 1
        for _ in range(count):
            self.log.say()
        here = [reader for reader in self.readers if not reader.closed and reader.user_id not in self.removed]
        if remove and here:
            self.log.change(removed=[here[0].user_id])
            self.removed[here[0].user_id] = self.log.head
        return multiple(*self.log.doorbells(begin, self.log.head))

    @rule(target=bells, data=st.data())
    def amend(self, data: st.DataObject) -> object:
        if not self.log.messages:
            return multiple()
        target = data.draw(st.sampled_from(self.log.messages))
        begin = self.log.head + 1
        data.draw(st.sampled_from([self.log.react, self.log.delete]))(target)
        return multiple(*self.log.doorbells(begin, self.log.head))

    @rule(bell=bells)
    def ring(self, bell: Segment) -> None:
        self.feed.ring(bell)

    @rule(bell=consumes(bells))
    def lose(self, bell: Segment) -> None:
        """The bus drops one."""

    @rule()
    def digest(self) -> None:
        self.feed.check(self.log.head)

    @rule(target=reads)
    def read(self) -> object:
        return self.log.segments(self.feed.cursor + 1, max(self.feed.head, 1)) if self.feed.behind() else []

    @rule(segments=consumes(reads))
    def apply(self, segments: list[Segment]) -> None:
        self.feed.apply(segments)

    @rule(back=st.integers(0, 3))
    def join(self, back: int) -> None:
        self.names += 1
        position = max(self.feed.cursor - back, 0)
        reader = ToyReader(self.feed, f"user{self.names}", position, self.feed.policy_version)
        with self.feed.recording():
            if not self.feed.attach(reader, reader.push):
                for segment in self.log.segments(position + 1, self.feed.cursor):
                    reader.take(segment)
                assert self.feed.attach(reader, reader.push)
        self.readers.append(reader)

    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        if not self.readers:
            return
        reader = data.draw(st.sampled_from(self.readers))
        if reader.closed:
            return
        self.feed.detach(reader)
        for segment in self.log.segments(reader.position + 1, self.feed.cursor):
            if not reader.closed:
                reader.take(segment)
        attached = self.feed.attach(reader, reader.push)
        assert attached != reader.closed

    @invariant()
    def every_reader_is_contiguous(self) -> None:
        for reader in self.readers:
            last = reader.began_at
            for from_seq, to_seq in reader.ranges:
                assert from_seq <= last + 1, f"{last} is followed by {from_seq}"
                last = max(last, to_seq)
            if reader.closed:
                assert last == self.removed[reader.user_id], "it ends with its removal"
            else:
                assert last == max(self.feed.cursor, reader.began_at), "it has all that was passed on"

    @invariant()
    def what_is_lacking_has_been_asked_for(self) -> None:
        assert not self.feed.behind() or self.wanted

    def teardown(self) -> None:
        self.digest()
        while self.feed.behind():
            self.feed.apply(self.log.segments(self.feed.cursor + 1, self.feed.head))
        self.every_reader_is_contiguous()
        assert self.feed.cursor == self.log.head, "after a digest nothing is missing"


TestFeedMachine = FeedMachine.TestCase
TestFeedMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
