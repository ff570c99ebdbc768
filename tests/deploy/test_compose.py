"""compose.yaml names settings that exist, in order of what needs what, and opens nothing to the network."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.runtime.settings import environment_prefix, load_settings
from tests.deploy.services import SETTINGS
from tests.support.images import CASSANDRA, NATS

DEPLOY = Path(__file__).parents[2] / "deploy"
Container = dict[str, Any]


@pytest.fixture(scope="module")
def containers() -> Mapping[str, Container]:
    services: Mapping[str, Container] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def addresses(containers: Mapping[str, Container]) -> Iterator[tuple[str, str]]:
    """What containers are told of others: the setting, and the address without a scheme."""
    for container in containers.values():
        for name, value in container.get("environment", {}).items():
            if name.endswith(("_BUS_ADDRESS", "_NODES", "_MESSAGE_STORE", "_CHANNEL", "_PRESENCE", "_GATEWAY")):
                yield name, value.removeprefix("nats://")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_service_is_told_what_it_must_know_and_nothing_that_is_no_setting(
    name: str, containers: Mapping[str, Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, environment = SETTINGS[name], containers[name]["environment"]
    for variable, value in environment.items():
        setting = variable.removeprefix(environment_prefix(settings.service)).lower()
        assert setting in settings.model_fields, f"{variable} is no setting of {name}"
        monkeypatch.setenv(variable, value)
    load_settings(settings)


def test_addresses_lead_to_containers_that_listen_there(containers: Mapping[str, Container]) -> None:
    listening = {
        f"{name}:{value.rpartition(':')[2]}"
        for name, container in containers.items()
        for variable, value in container.get("environment", {}).items()
        if variable.endswith("_LISTEN")
    }
    for name, address in addresses(containers):
        assert address in {*listening, "nats:4222", "cassandra"}, name


def test_health_checks_ask_where_the_service_listens(containers: Mapping[str, Container]) -> None:
    for name, settings in SETTINGS.items():
        listen = containers[name]["environment"][f"{environment_prefix(settings.service)}LISTEN"]
        assert (
            containers[name]["healthcheck"]["test"][-1].removeprefix("http://")
            == f"127.0.0.1:{listen.rpartition(':')[2]}"
        )


def test_the_schema_is_made_before_what_needs_it_and_one_command_at_a_time(containers: Mapping[str, Container]) -> None:
    def needs(name: str) -> Mapping[str, Mapping[str, str]]:
        conditions: Mapping[str, Mapping[str, str]] = containers[name]["depends_on"]
        return conditions

    done, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert needs("migrate-logs")["cassandra"] == healthy
    assert needs("migrate-directory")["migrate-logs"] == done
    assert needs("message-store")["migrate-logs"] == done
    assert needs("channel")["migrate-directory"] == done
    for name in ("migrate-logs", "migrate-directory"):
        assert containers[name]["restart"] == "no"


def test_images_are_those_that_are_tested_and_only_loopback_is_published(containers: Mapping[str, Container]) -> None:
    assert {container["image"] for container in containers.values()} == {"tertulia", CASSANDRA, NATS}
    ports = [port for container in containers.values() for port in container.get("ports", [])]
    assert ports == ["127.0.0.1:7420:7420", "127.0.0.1:7480:7480"]


def test_cassandra_writes_before_it_acknowledges() -> None:
    settings = yaml.safe_load((DEPLOY / "overlays/dev/cassandra.yaml").read_text())
    assert settings["commitlog_sync"] == "batch"
    assert settings["paxos_variant"] == "v2"
