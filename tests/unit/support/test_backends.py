"""The ladder takes the first way to a server that is open, and says why each of them is closed when none is."""

import pytest

from tests.support import backends
from tests.support.backends import NoBackend, Rung, choose, skip_without


def open_rung(name: str) -> Rung:
    return Rung(name, lambda: None)


def closed_rung(name: str, reason: str) -> Rung:
    return Rung(name, lambda: reason)


def test_the_first_open_rung_is_taken() -> None:
    assert (
        choose("NATS", [closed_rung("address", "not set"), open_rung("container"), open_rung("process")]) == "container"
    )


def test_rungs_behind_the_chosen_one_are_not_even_asked() -> None:
    def never() -> str | None:
        raise AssertionError("asked although an earlier rung holds")

    assert choose("NATS", [open_rung("address"), Rung("container", never)]) == "address"


def test_without_an_open_rung_every_reason_is_told() -> None:
    with pytest.raises(NoBackend) as caught:
        choose("NATS", [closed_rung("container", "no Docker daemon answers"), closed_rung("process", "no java")])
    assert str(caught.value) == "no NATS to test with; container: no Docker daemon answers; process: no java"


def test_a_test_without_its_server_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(backends.REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no java"):
        skip_without(NoBackend("no java"))


def test_where_servers_are_required_a_test_without_its_server_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backends.REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match="no java"):
        skip_without(NoBackend("no java"))
