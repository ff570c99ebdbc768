"""The bench must notice what it promises to notice."""

from tests.bench.ledger import Delivery, Ledger

LOG = b"l" * 16
OTHER = b"o" * 16


def _ledger(head_seq: int = 4) -> Ledger:
    """Two messages, with seqs 5 and 6, sent and acknowledged."""
    ledger = Ledger()
    ledger.begin(LOG, head_seq)
    for request_id in (1, 2):
        ledger.sent(request_id, LOG, intended_ns=0)
        ledger.acked(request_id, head_seq + request_id, now_ns=1_000_000)
    return ledger


def _deliver(ledger: Ledger, *ranges: tuple[int, int], cursor: int = 4, received_ns: int = 2_000_000) -> int:
    for from_seq, to_seq in ranges:
        delivery = Delivery(LOG, from_seq, to_seq, received_ns)
        cursor = ledger.delivered(cursor, delivery, to_seq - from_seq + 1)
    return cursor


def test_nothing_is_wrong_when_every_reader_got_every_message_once() -> None:
    ledger = _ledger()
    cursors = [_deliver(ledger, (5, 5), (6, 6)), _deliver(ledger, (5, 6))]
    assert ledger.judge((LOG, cursor) for cursor in cursors) == []
    assert ledger.deliveries == 4


def test_a_message_that_was_skipped_is_lost() -> None:
    ledger = _ledger()
    cursor = _deliver(ledger, (6, 6))
    assert "something was lost" in ledger.judge([(LOG, cursor)])[0]


def test_a_message_that_came_twice_is_doubled() -> None:
    ledger = _ledger()
    cursor = _deliver(ledger, (5, 6), (6, 6))
    assert "delivered again" in ledger.judge([(LOG, cursor)])[0]


def test_a_last_message_that_did_not_come_is_lost() -> None:
    ledger = _ledger()
    cursor = _deliver(ledger, (5, 5))
    assert ledger.behind(LOG, cursor)
    assert "a reader ended at 5, the last acknowledged seq is 6" in ledger.judge([(LOG, cursor)])[0]


def test_a_range_without_its_events_is_a_loss() -> None:
    ledger = _ledger()
    cursor = ledger.delivered(4, Delivery(LOG, 5, 6, 0), events=1)
    assert "came with 1 events" in ledger.judge([(LOG, cursor)])[0]


def test_a_send_without_an_answer_is_told() -> None:
    ledger = _ledger()
    ledger.sent(3, LOG, intended_ns=0)
    assert "1 sends were never answered" in ledger.judge([(LOG, _deliver(ledger, (5, 6)))])[0]


def test_an_acknowledgement_that_came_twice_is_told() -> None:
    ledger = _ledger()
    ledger.acked(2, 6, now_ns=0)
    assert "acknowledged twice" in ledger.judge([(LOG, _deliver(ledger, (5, 6)))])[0]


def test_one_seq_for_two_messages_is_told() -> None:
    ledger = _ledger()
    ledger.sent(3, LOG, intended_ns=0)
    ledger.acked(3, 6, now_ns=0)
    assert "given to two messages" in ledger.judge([(LOG, _deliver(ledger, (5, 6)))])[0]


def test_a_seq_that_was_acknowledged_to_nobody_is_told() -> None:
    ledger = _ledger()
    ledger.sent(3, LOG, intended_ns=0)
    ledger.acked(3, 8, now_ns=0)
    assert "the logs grew by 4" in ledger.judge([(LOG, _deliver(ledger, (5, 8)))])[0]


def test_all_faults_are_counted_and_some_are_told() -> None:
    ledger = Ledger()
    for _ in range(100):
        ledger.fault("broken")
    told = ledger.judge([])
    assert told[-1] == "100 faults in all"
    assert len(told) < 30


def test_a_log_is_judged_by_its_own_end() -> None:
    ledger = _ledger()
    ledger.begin(OTHER, 9)
    assert ledger.judge([(LOG, _deliver(ledger, (5, 6))), (OTHER, 9)]) == []


def test_latency_counts_from_when_a_message_was_to_be_sent() -> None:
    ledger = _ledger()
    _deliver(ledger, (5, 6), received_ns=3_000_000)
    histogram = ledger.delivery_latency()
    assert histogram.get_total_count() == 2
    assert abs(histogram.get_value_at_percentile(50) - 3_000) <= 3
    assert abs(ledger.ack_latency.get_value_at_percentile(99) - 1_000) <= 1
