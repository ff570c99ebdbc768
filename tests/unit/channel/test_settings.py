"""Settings of the channel service."""

import pytest
from pydantic import ValidationError

from libs.cassandra import parse_contact_points
from services.channel.settings import DEVELOPMENT_SECRET, ChannelSettings


def settings(**values: object) -> ChannelSettings:
    return ChannelSettings.model_validate(
        {
            "listen": "unix:/tmp/channel.sock",
            "database": "channel.sqlite",
            "message_store": "unix:/tmp/m",
            **values,
        }
    )


def test_the_development_key_is_known_only_in_development() -> None:
    assert settings().development_key is None
    key = settings(development=True).development_key
    assert key is not None
    assert f"sk.{key.application_id}.{key.key_id}.{key.secret.decode()}" == DEVELOPMENT_SECRET


@pytest.mark.parametrize("listen", ["unix:/run/c.sock", "127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_development_is_for_one_machine(listen: str) -> None:
    settings(development=True, listen=listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "channel:1", "127.example.org:1"])
def test_development_is_refused_where_others_could_reach_it(listen: str) -> None:
    with pytest.raises(ValidationError, match="well-known secret"):
        settings(development=True, listen=listen, trust_network=True)


def test_a_malformed_development_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(ValidationError) as refusal:
        settings(development=True, development_secret="sk.nonsense")  # noqa: S106
    assert "has the form" in str(refusal.value)
    assert "nonsense" not in str(refusal.value.errors(include_input=False, include_context=False))


def test_nodes_of_cassandra_are_named_with_or_without_a_port() -> None:
    assert parse_contact_points(settings(cassandra_nodes="a, b:9043").cassandra_nodes) == [("a", 9042), ("b", 9043)]


@pytest.mark.parametrize("nodes", ["", ",", "a:b", "a:0", ":9042"])
def test_nodes_that_are_none_are_refused(nodes: str) -> None:
    with pytest.raises(ValidationError, match="cassandra_nodes"):
        settings(cassandra_nodes=nodes)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in ChannelSettings.model_fields.values())
