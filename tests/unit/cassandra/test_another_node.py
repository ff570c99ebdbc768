"""What is asked of a second node where one fails by itself: only what may be done twice, and only once."""

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import NoHostAvailable
from cassandra.policies import RetryPolicy
from cassandra.query import SimpleStatement

from libs.cassandra.driver import AnotherNodeOnce

FAILED = NoHostAvailable("its connection broke", {})


@pytest.mark.parametrize(
    ("harmless", "earlier_tries", "decision"),
    [
        (True, 0, RetryPolicy.RETRY_NEXT_HOST),
        (True, 1, RetryPolicy.RETHROW),
        (False, 0, RetryPolicy.RETHROW),
    ],
)
def test_the_next_node_is_asked_once_if_that_is_harmless(harmless: bool, earlier_tries: int, decision: int) -> None:
    query = SimpleStatement("SELECT", is_idempotent=harmless)
    found, _ = AnotherNodeOnce().on_request_error(query, ConsistencyLevel.QUORUM, FAILED, earlier_tries)
    assert found == decision


def test_what_the_replicas_answer_is_told_at_once() -> None:
    query = SimpleStatement("SELECT", is_idempotent=True)
    policy, quorum = AnotherNodeOnce(), ConsistencyLevel.QUORUM
    decisions = (
        policy.on_read_timeout(query, quorum, 2, 1, True, 0),
        policy.on_write_timeout(query, quorum, "SIMPLE", 2, 1, 0),
        policy.on_unavailable(query, quorum, 2, 1, 0),
    )
    assert {decision for decision, _ in decisions} == {RetryPolicy.RETHROW}
