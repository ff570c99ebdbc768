"""What the support of Cassandra derives without starting one."""

from itertools import pairwise

import pytest

from tests.support.cassandra import ADDRESS, contact_points, shared_cassandra
from tests.support.cassandra_config import CommitLog, NodeConfig, token, yaml
from tests.support.cassandra_jars import java_version
from tests.support.cql import ContactPoint


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("no such thing", None),
    ],
)
def test_the_java_version_is_read_from_every_form_of_banner(banner: str, version: int | None) -> None:
    assert java_version(banner) == version


@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 7])
def test_the_tokens_of_a_ring_are_distinct_even_and_inside_the_murmur3_range(nodes: int) -> None:
    tokens = [token(index, nodes) for index in range(nodes)]
    steps = {after - before for before, after in pairwise(tokens)}
    assert len(set(tokens)) == nodes
    assert len(steps) <= 1
    assert min(tokens) > -(2**63)
    assert max(tokens) < 2**63


@pytest.mark.parametrize("commit_log", ["batch", "group"])
def test_no_node_is_configured_to_acknowledge_before_it_writes(commit_log: CommitLog) -> None:
    text = yaml(NodeConfig("127.0.0.1", "127.0.0.1", 0, 1, commit_log, "/data"))
    assert f"commitlog_sync: {commit_log}" in text.splitlines()
    assert "periodic" not in text


def test_an_address_may_leave_its_port_out() -> None:
    assert contact_points("10.0.0.1, db.example:19042") == (
        ContactPoint("10.0.0.1", 9042),
        ContactPoint("db.example", 19042),
    )


def test_an_address_of_the_environment_comes_before_every_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "192.0.2.1:9999")
    with shared_cassandra() as points:
        assert points == (ContactPoint("192.0.2.1", 9999),)
