"""Every overlay with every combination of components renders, follows Kubernetes' schemas, and keeps every rule."""

from pathlib import Path

import pytest

from libs.rpc.settings import PeerSettings
from tests.deploy.documents import environment_of, labels_of, main_of, name_of, pod_of, selects
from tests.deploy.rendering import COMPONENTS, OVERLAYS, combinations, rendered
from tests.deploy.rules import RULES
from tests.deploy.services import told_by


@pytest.mark.parametrize("components", list(combinations()), ids="+".join)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_combination_keeps_every_rule(overlay: str, components: tuple[str, ...]) -> None:
    documents = rendered(overlay, components)
    faults = [f"{name}: {fault}" for name, rule in RULES.items() for fault in rule(documents)]
    assert faults == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_changes_what_is_applied(component: str) -> None:
    assert rendered("dev", (component,)).all != rendered("dev").all


def test_restricted_doors_are_open_to_named_namespaces_only() -> None:
    documents = rendered("production", ("gateway-api",))
    for door in ("gateway", "web"):
        [clients, *_] = documents.get("NetworkPolicy", door)["spec"]["ingress"]
        [peer] = clients["from"]
        assert peer["namespaceSelector"]["matchLabels"], door


def test_tls_is_served_and_asked_for() -> None:
    documents = rendered("production", ("tls",))
    settings = {
        key: value
        for config in documents.of("ConfigMap")
        if name_of(config).startswith(("gateway-", "web-"))
        for key, value in config["data"].items()
    }
    assert (
        settings["TERTULIA_GATEWAY_TLS_CERTIFICATE"] == settings["TERTULIA_WEB_TLS_CERTIFICATE"] == "/run/tls/tls.crt"
    )
    assert settings["TERTULIA_WEB_GATEWAY_CA"] == "/run/tls/ca.crt"


def test_services_have_certificates_of_their_own() -> None:
    documents = rendered("production", ("mtls",))
    for workload in documents.serving():
        settings = told_by(name_of(workload), environment_of(documents, main_of(workload)))
        if not isinstance(settings, PeerSettings):
            continue
        [mount] = [mount for mount in main_of(workload)["volumeMounts"] if mount["name"] == "identity"]
        files = (settings.service_certificate, settings.service_key, settings.service_ca)
        assert files == tuple(Path(mount["mountPath"]) / file for file in ("tls.crt", "tls.key", "ca.crt"))
        [volume] = [volume for volume in pod_of(workload)["volumes"] if volume["name"] == "identity"]
        assert volume["secret"]["secretName"] == f"{name_of(workload)}-identity"


def test_metrics_are_scraped_of_every_service_by_prometheus_alone() -> None:
    documents = rendered("production", ("service-monitor",))
    [policy] = [p for p in documents.of("NetworkPolicy") if name_of(p) == "metrics"]
    [rule] = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": "metrics", "protocol": "TCP"}]
    assert [set(peer) for peer in rule["from"]] == [{"namespaceSelector", "podSelector"}]
    [monitor] = documents.of("ServiceMonitor")
    labels = documents.get("Service", "metrics")["metadata"]["labels"]
    assert selects(monitor["spec"]["selector"]["matchLabels"], labels)
    selector = documents.get("Service", "metrics")["spec"]["selector"]
    assert all(selects(selector, labels_of(workload)) for workload in documents.serving())
