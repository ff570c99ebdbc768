"""What `tertulia serve` would run."""

from pathlib import Path

import pytest

from libs.runtime.errors import CannotStart
from services.serve.places import Places
from services.serve.plan import Elsewhere, Ports, plan

PLACES = Places(data=Path("/data"), sockets=Path("/data/run"), logs=Path("/data/logs"), lock=3)
HERE = Elsewhere()


@pytest.mark.parametrize("first_metrics", [None, 9_400])
def test_nothing_listens_beyond_this_machine(first_metrics: int | None) -> None:
    parts = plan(PLACES, Ports(gateways=[7420], web=7480, nats=4222, first_metrics=first_metrics), HERE, verbose=False)
    for part in parts:
        for name, value in part.environment.items():
            if name.endswith("LISTEN"):
                assert value.startswith(("unix:/data/run/", "127.0.0.1:")), f"{name}={value}"
    assert "127.0.0.1" in parts[0].command, "nats-server listens everywhere unless told otherwise"


def test_channels_whose_logs_are_missing_are_not_begun_anew(tmp_path: Path) -> None:
    places = PLACES._replace(data=tmp_path)
    for name in ("channel/channel.sqlite", "message_store/logs.sqlite"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert plan(places, Ports([7420], 7480, 4222, None), HERE, verbose=False)
    (tmp_path / "message_store" / "logs.sqlite").unlink()
    with pytest.raises(CannotStart, match=r"logs\.sqlite is missing, but .*channel\.sqlite is there"):
        plan(places, Ports([7420], 7480, 4222, None), HERE, verbose=False)
    assert plan(
        places, Ports([7420], 7480, 4222, None), Elsewhere(cassandra="10.0.0.1", keyspace="chat"), verbose=False
    )


def test_parts_come_after_what_they_need() -> None:
    seen: set[str] = set()
    for part in plan(PLACES, Ports([7420], 7480, 4222, None), HERE, verbose=False):
        assert set(part.needs) <= seen
        seen.add(part.name)
    assert seen == {"nats-server", "message_store", "channel", "presence", "gateway", "web"}


def test_metrics_ports_follow_one_another() -> None:
    parts = plan(PLACES, Ports([7420], 7480, 4222, 9_400), HERE, verbose=False)
    ports = [value for part in parts for name, value in part.environment.items() if name.endswith("METRICS_LISTEN")]
    assert ports == [f"127.0.0.1:{port}" for port in range(9_400, 9_405)]


def test_several_gateways_have_names_addresses_and_logs_of_their_own() -> None:
    parts = {part.name: part for part in plan(PLACES, Ports([7420, 7421], 7480, 4222, 9_400), HERE, verbose=False)}
    first, second = parts["gateway"], parts["gateway-2"]
    assert first.command == second.command
    assert second.environment["TERTULIA_GATEWAY_LISTEN"] == "127.0.0.1:7421"
    assert second.environment["TERTULIA_GATEWAY_METRICS_LISTEN"] == "127.0.0.1:9404"
    assert second.log == Path("/data/logs/gateway-2.log")
    assert set(second.needs) == set(first.needs)


def test_several_message_stores_share_the_logs_and_all_of_them_may_be_asked() -> None:
    elsewhere = Elsewhere(cassandra="10.0.0.1", keyspace="chat")
    planned = plan(PLACES, Ports([7420], 7480, 4222, None), elsewhere, message_stores=2, verbose=False)
    parts = {part.name: part for part in planned}
    first, second = (
        parts[name].environment["TERTULIA_MESSAGE_STORE_LISTEN"] for name in ("message_store", "message_store-2")
    )
    assert second == "unix:/data/run/message_store-2.sock"
    assert parts["gateway"].environment["TERTULIA_GATEWAY_MESSAGE_STORE"] == f"{first},{second}"
    assert parts["channel"].environment["TERTULIA_CHANNEL_MESSAGE_STORE"] == f"{first},{second}"


def test_an_sqlite_file_is_not_shared() -> None:
    with pytest.raises(CannotStart, match="--message-stores needs --cassandra"):
        plan(PLACES, Ports([7420], 7480, 4222, None), HERE, message_stores=2, verbose=False)


def test_verbose_parts_log_to_standard_error() -> None:
    ports = Ports([7420], 7480, 4222, None)
    assert {part.log for part in plan(PLACES, ports, HERE, verbose=True)} == {None}
    assert {part.log for part in plan(PLACES, ports, HERE, verbose=False)} == {
        Path(f"/data/logs/{name}.log")
        for name in ("nats-server", "message_store", "presence", "channel", "gateway", "web")
    }


def test_with_servers_elsewhere_none_is_started_and_the_schema_comes_first() -> None:
    elsewhere = Elsewhere(cassandra="10.0.0.1,10.0.0.2", keyspace="chat", nats="nats://10.0.0.3:4222")
    parts = {part.name: part for part in plan(PLACES, Ports([7420], 7480, 4222, None), elsewhere, verbose=False)}
    assert "nats-server" not in parts
    assert parts["channel.migrate"].needs == ["message_store.migrate"], "one at a time"
    for service in ("message_store", "channel"):
        assert f"{service}.migrate" in parts[service].needs
        for name in (service, f"{service}.migrate"):
            environment, prefix = parts[name].environment, f"TERTULIA_{service.upper()}_"
            assert environment[f"{prefix}STORE"] == "cassandra"
            assert environment[f"{prefix}CASSANDRA_NODES"] == elsewhere.cassandra
            assert environment[f"{prefix}CASSANDRA_KEYSPACE"] == "chat"
    for name, part in parts.items():
        addresses = [value for key, value in part.environment.items() if key.endswith("BUS_ADDRESS")]
        assert addresses == ([] if name == "web" or name.endswith(".migrate") else [elsewhere.nats])
