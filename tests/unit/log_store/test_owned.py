"""What the owner has to write about its logs, and when it is sure enough to do so."""

import pytest

from libs.log_store import EMPTY_HEAD, Head, LogKey, Seq
from libs.log_store.cassandra.owned import OwnedLog, OwnedLogs


def head(seq: int) -> Head:
    return EMPTY_HEAD._replace(seq=Seq(seq))


@pytest.fixture
def log() -> OwnedLog:
    return OwnedLog(LogKey("app", bytes(16)), EMPTY_HEAD, marked=Seq(0), chain=None, sealed=True)


@pytest.fixture
def logs() -> OwnedLogs:
    return OwnedLogs(1 << 20)


def test_what_is_appended_while_a_barrier_is_under_way_is_confirmed_by_the_next(logs: OwnedLogs, log: OwnedLog) -> None:
    logs.became_durable(log, head(1))
    passed = logs.begin_barrier()
    logs.became_durable(log, head(2))
    passed()
    assert logs.unmarked() == [(log, head(1))]
    logs.begin_barrier()()
    assert logs.unmarked() == [(log, head(2))]
    logs.begin_barrier()()
    assert logs.unmarked() == []


def test_a_barrier_that_is_given_up_leaves_its_work_to_the_next(logs: OwnedLogs, log: OwnedLog) -> None:
    logs.became_durable(log, head(3))
    logs.begin_barrier()
    logs.begin_barrier()()
    assert logs.unmarked() == [(log, head(3))]


def test_a_log_that_is_being_appended_to_is_not_forgotten(log: OwnedLog) -> None:
    others = [
        OwnedLog(LogKey("app", bytes([number] * 16)), EMPTY_HEAD, marked=Seq(0), chain=None, sealed=True)
        for number in (1, 2, 3)
    ]
    logs = OwnedLogs(2 * log.size_bytes)
    logs.keep(log)
    with logs.held([log.key]), logs.held([log.key]):
        for other in others:
            logs.keep(other)
        assert logs.get(log.key) is log
        assert logs.get(others[0].key) is None
    for other in others:
        logs.keep(other)
    assert logs.get(log.key) is None
