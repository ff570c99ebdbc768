"""`make deploy-check`: has a real API server look at every manifest of every combination, and at broken ones, which it must refuse.

It asks the cluster that kubectl asks (KUBECONFIG), and applies nothing but the namespace, which is removed afterwards if it was not
there: `--dry-run=server` goes through defaulting, validation and admission. A server finds what no schema says: a selector that
does not fit its pods, a request above its limit, a port that has no such name. Custom resources are looked at where the cluster
has their definitions; the others are named.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

import yaml

from tests.deploy.documents import Manifest, main_of, pod_of, told
from tests.deploy.rendering import OVERLAYS, combinations, rendered

NAMESPACE = "tertulia"
_SECONDS = 300


def manifests() -> list[Manifest]:
    """Each once, however many combinations have it."""
    found = {
        json.dumps(document, sort_keys=True): document
        for overlay in OVERLAYS
        for components in combinations()
        for document in rendered(overlay, components).all
    }
    return list(found.values())


def _selector(document: Manifest) -> None:
    document["spec"]["selector"]["matchLabels"] = {"app": "another"}


def _more_than_allowed(document: Manifest) -> None:
    main_of(document)["resources"]["requests"]["memory"] = "64Gi"


def _restarts(document: Manifest) -> None:
    pod_of(document)["restartPolicy"] = "Always"


def _upside_down(document: Manifest) -> None:
    document["spec"] |= {"minReplicas": 9, "maxReplicas": 1}


def _both(document: Manifest) -> None:
    document["spec"]["minAvailable"] = 1


def _port_of_no_name(document: Manifest) -> None:
    document["spec"]["ports"][0]["targetPort"] = "not a name"


def _peer(document: Manifest) -> None:
    document["spec"]["podSelector"] = {"matchLabels": {"not a label": "x"}}


def _path(document: Manifest) -> None:
    document["spec"]["rules"][0]["http"]["paths"][0]["path"] = "relative"


def _key(document: Manifest) -> None:
    document["data"] = {"not a key": "x"}


def _secret(document: Manifest) -> None:
    document["data"] = {"key": "not base64!"}


def _value(document: Manifest) -> None:
    document["value"] = 2_000_000_000


def _name(document: Manifest) -> None:
    document["metadata"]["name"] = "Not A Name"


def _no_class(document: Manifest) -> None:
    del document["spec"]["gatewayClassName"]


def _hostname(document: Manifest) -> None:
    document["spec"]["hostnames"] = ["not a name"]


def _no_target(document: Manifest) -> None:
    document["spec"]["scaleTargetRef"] = {}


def _no_endpoints(document: Manifest) -> None:
    del document["spec"]["endpoints"]


BROKEN: Mapping[str, Callable[[Manifest], None]] = {
    "Deployment": _more_than_allowed,
    "StatefulSet": _selector,  # a server does not look at the resources of its pods before it makes them
    "Job": _restarts,
    "HorizontalPodAutoscaler": _upside_down,
    "PodDisruptionBudget": _both,
    "Service": _port_of_no_name,
    "NetworkPolicy": _peer,
    "Ingress": _path,
    "ConfigMap": _key,
    "Secret": _secret,
    "PriorityClass": _value,
    "ServiceAccount": _name,
    "Namespace": _name,
    "Gateway": _no_class,
    "GRPCRoute": _hostname,
    "HTTPRoute": _hostname,
    "ScaledObject": _no_target,
    "ServiceMonitor": _no_endpoints,
}
"""What a server refuses of each kind."""


def kubectl(*words: str, documents: Iterable[Manifest] = ()) -> "subprocess.CompletedProcess[str]":
    said = yaml.safe_dump_all(documents) if documents else None
    return subprocess.run(
        ["kubectl", *words], input=said, capture_output=True, text=True, timeout=_SECONDS, check=False
    )


def dry_run(*documents: Manifest) -> str:
    """What the server has against them; empty: nothing. A warning is something."""
    done = kubectl("apply", "--server-side", "--dry-run=server", "--warnings-as-errors", "-f", "-", documents=documents)
    return done.stderr if done.returncode else ""


def check(found: list[Manifest]) -> list[str]:
    """The faults, a line each."""
    versions = set(kubectl("api-versions").stdout.split())
    known = [document for document in found if document["apiVersion"] in versions]
    for kind in sorted({d["kind"] for d in found} - {d["kind"] for d in known}):
        print(f"not looked at, the cluster has no definition of it: {kind}")
    faults = [dry_run(*known)]
    for kind in sorted({document["kind"] for document in known}):
        broken = copy.deepcopy(next(document for document in known if document["kind"] == kind))
        if kind not in BROKEN:
            print(f"not broken for a trial: {kind}")
            continue
        BROKEN[kind](broken)
        if not dry_run(broken):
            faults.append(f"a broken {told(broken)} was accepted")
    print(f"{len(known)} manifests of {len({document['kind'] for document in known})} kinds looked at")
    return [fault for fault in faults if fault]


def main() -> int:
    namespace = rendered("dev").get("Namespace", NAMESPACE)
    there = kubectl("get", "namespace", NAMESPACE).returncode == 0
    applied = kubectl("apply", "--server-side", "-f", "-", documents=[namespace])
    if applied.returncode:
        print(applied.stderr, file=sys.stderr)
        return 1
    try:
        faults = check(manifests())
    finally:
        if not there:
            kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    print(
        "\n".join(faults) or "every one is good, and every broken one was refused",
        file=sys.stderr if faults else sys.stdout,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
