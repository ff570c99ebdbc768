"""What `tertulia serve` would run."""

from pathlib import Path

import pytest

from services.serve.places import Places
from services.serve.plan import Ports, plan

PLACES = Places(data=Path("/data"), sockets=Path("/data/run"), logs=Path("/data/logs"), lock=3)


@pytest.mark.parametrize("first_metrics", [None, 9_400])
def test_nothing_listens_beyond_this_machine(first_metrics: int | None) -> None:
    parts = plan(PLACES, Ports(gateway=7420, nats=4222, first_metrics=first_metrics), verbose=False)
    for part in parts:
        for name, value in part.environment.items():
            if name.endswith("LISTEN"):
                assert value.startswith(("unix:/data/run/", "127.0.0.1:")), f"{name}={value}"
    assert "127.0.0.1" in parts[0].command, "nats-server listens everywhere unless told otherwise"


def test_parts_come_after_what_they_need() -> None:
    seen: set[str] = set()
    for part in plan(PLACES, Ports(7420, 4222, None), verbose=False):
        assert set(part.needs) <= seen
        seen.add(part.name)
    assert seen == {"nats-server", "message_store", "channel", "presence", "gateway"}


def test_metrics_ports_follow_one_another() -> None:
    parts = plan(PLACES, Ports(7420, 4222, 9_400), verbose=False)
    ports = [value for part in parts for name, value in part.environment.items() if name.endswith("METRICS_LISTEN")]
    assert ports == [f"127.0.0.1:{port}" for port in range(9_400, 9_404)]


def test_verbose_parts_log_to_standard_error() -> None:
    ports = Ports(7420, 4222, None)
    assert {part.log for part in plan(PLACES, ports, verbose=True)} == {None}
    assert {part.log for part in plan(PLACES, ports, verbose=False)} == {
        Path(f"/data/logs/{name}.log") for name in ("nats-server", "message_store", "presence", "channel", "gateway")
    }
