"""Rules for who reaches whom: network policies and Services, held against the addresses that services are told."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.deploy.documents import (
    Documents,
    Manifest,
    containers_of,
    environment_of,
    labels_of,
    main_of,
    name_of,
    selects,
    told,
)

_DOORS = {"gateway": "grpc", "web": "http"}
"""Where clients come in, and at which port."""

_AMONG_THEMSELVES = {"message-store"}
"""Whose pods find each other's addresses in the database."""

_CASSANDRA, _NATS = 9042, 4222
_DATABASE = ("_NODES",)  # of what it is told, all that the migration uses
_ADDRESSES = (*_DATABASE, "_BUS_ADDRESS", "_MESSAGE_STORE", "_CHANNEL", "_PRESENCE", "_GATEWAY")


class Flow(NamedTuple):
    """A workload connects to a port of another."""

    client: str
    server: str
    port: int


class Address(NamedTuple):
    """What a workload is told of another."""

    workload: Manifest
    setting: str
    scheme: str
    host: str
    port: int


def addresses(documents: Documents) -> Iterator[Address]:
    for workload in documents.ours():
        used = _DATABASE if workload["kind"] == "Job" else _ADDRESSES
        for container in containers_of(workload):
            for setting, value in environment_of(documents, container).items():
                if setting.endswith(used):
                    scheme, _, rest = value.rpartition("//")
                    host, _, port = rest.partition(":")
                    yield Address(workload, setting, scheme, host.strip("/"), int(port or _CASSANDRA))


def nothing_goes_in_or_out_that_no_policy_names(documents: Documents) -> Iterator[str]:
    """One policy denies everything; no other opens a door to nobody in particular, the two public ones excepted."""
    denying = [
        policy
        for policy in documents.of("NetworkPolicy")
        if policy["spec"].get("podSelector") == {}
        and set(policy["spec"].get("policyTypes", [])) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    ]
    if not denying:
        yield "no policy denies everything"
    for policy in documents.of("NetworkPolicy"):
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction) or []:
                if not rule.get("ports"):
                    yield f"{told(policy)}: {direction} at any port"
                if not rule.get(peers):
                    yield f"{told(policy)}: {direction} {peers} anybody"
                for peer in rule.get(peers) or []:
                    yield from _named(policy, direction, rule, peer)


def _named(policy: Manifest, direction: str, rule: Manifest, peer: Manifest) -> Iterator[str]:
    if "ipBlock" in peer:
        door = _DOORS.get(name_of(policy))
        if direction != "ingress" or [port["port"] for port in rule["ports"]] != [door]:
            yield f"{told(policy)}: {direction} for addresses that nobody knows"
        return
    for selector in ("podSelector", "namespaceSelector"):
        if selector in peer and not peer[selector].get("matchLabels"):
            yield f"{told(policy)}: {direction} for all that is in a namespace, or in all of them"


def what_services_need_is_allowed_and_nothing_else(documents: Documents) -> Iterator[str]:
    """Between the workloads of the namespace; both ends must allow it. Of what is elsewhere: that one may go there."""
    needed = set(_needed(documents))
    allowed = set(_allowed(documents))
    for client, server, port in sorted(needed - allowed):
        yield f"{client} cannot reach {server}:{port}"
    for client, server, port in sorted(allowed - needed):
        yield f"{client} may reach {server}:{port}, and need not"
    for workload in documents.ours():
        environment = environment_of(documents, main_of(workload))
        wanted = {_CASSANDRA for value in environment.values() if value == "cassandra"}
        wanted |= {
            _NATS for key in environment if key.endswith("_LISTEN") and name_of(workload) not in {"web", "migration"}
        }
        out = {port for policy in _of(documents, workload, "egress") for _, port in _ends(policy, "egress", "to", {})}
        for port in sorted(wanted - out):
            yield f"{told(workload)}: cannot reach port {port} anywhere"


def _needed(documents: Documents) -> Iterator[Flow]:
    for address in addresses(documents):
        for server in _behind(documents, address.host):
            yield Flow(name_of(address.workload), name_of(server), address.port)
            if name_of(server) in _AMONG_THEMSELVES:
                yield Flow(name_of(server), name_of(server), address.port)


def _behind(documents: Documents, host: str) -> list[Manifest]:
    """The workloads that a Service's name leads to."""
    return [
        workload
        for service in documents.of("Service")
        if name_of(service) == host
        for workload in documents.workloads()
        if selects(service["spec"]["selector"], labels_of(workload))
    ]


def _allowed(documents: Documents) -> Iterator[Flow]:
    for client in documents.workloads():
        for server in documents.workloads():
            named = {port["name"]: port["containerPort"] for port in main_of(server).get("ports", [])}
            into, out = (
                {
                    port
                    for policy in _of(documents, at, direction)
                    for peer, port in _ends(policy, direction, word, named)
                    if "namespaceSelector" not in peer
                    and "podSelector" in peer
                    and selects(peer["podSelector"]["matchLabels"], labels_of(other))
                }
                for at, other, direction, word in (
                    (server, client, "ingress", "from"),
                    (client, server, "egress", "to"),
                )
            )
            yield from (Flow(name_of(client), name_of(server), port) for port in into & out & set(named.values()))


def _of(documents: Documents, workload: Manifest, direction: str) -> list[Manifest]:
    """The policies that hold for a workload's pods."""
    return [
        policy
        for policy in documents.of("NetworkPolicy")
        if selects(policy["spec"]["podSelector"].get("matchLabels", {}), labels_of(workload))
        and policy["spec"].get(direction)
    ]


def _ends(
    policy: Manifest, direction: str, word: str, named: Mapping[str, int]
) -> Iterator[tuple[dict[str, Any], int]]:
    """Peers and ports."""
    for rule in policy["spec"][direction]:
        for peer in rule.get(word) or []:
            for port in rule.get("ports") or []:
                yield peer, named.get(port["port"], 0) if isinstance(port["port"], str) else port["port"]


def names_lead_to_pods(documents: Documents) -> Iterator[str]:
    """Each address is a Service with that port, whose pods listen there; of gRPC one without an address of its own (round robin)."""
    services = {name_of(service): service for service in documents.of("Service")}
    for address in addresses(documents):
        if "." in address.host:
            continue  # in another namespace, whose operator sees to it
        who = f"{told(address.workload)}: {address.setting}"
        service = services.get(address.host)
        if service is None or address.port not in {port["port"] for port in service["spec"]["ports"]}:
            yield f"{who} leads nowhere"
        elif address.scheme == "dns:/" and service["spec"].get("clusterIP") != "None":
            yield f"{who} is one address for all pods, so every call would go to one of them"
    for service in services.values():
        behind = _behind(documents, name_of(service))
        if not behind:
            yield f"{told(service)}: leads to no pod"
        for workload in behind:
            listening = {port["name"] for port in main_of(workload).get("ports", [])}
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in listening:
                    yield f"{told(service)}: {name_of(workload)} has no port {port['targetPort']}"
