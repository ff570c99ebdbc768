"""Rules for every pod. A rule looks at rendered manifests and says what is wrong with them, a line a fault."""

from collections.abc import Iterator
from fractions import Fraction

from tests.deploy.documents import Documents, Manifest, containers_of, main_of, name_of, pod_of, told

_WRITES_ITS_ROOT = {"cassandra"}
"""Whose images write beside their configuration at the start. Only the dev overlay has such a one."""

_UNITS = {"m": Fraction(1, 1000), "": Fraction(1), "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30)}
_SPREAD_BY = ["app.kubernetes.io/name", "pod-template-hash"]
_QUESTIONS = {"startupProbe": "startup", "readinessProbe": "readiness", "livenessProbe": "liveness"}


def pods_may_do_nothing_that_they_need_not(documents: Documents) -> Iterator[str]:
    """Pod Security Standards, restricted, and a root file system that nobody writes to."""
    for workload in documents.workloads():
        pod, who = pod_of(workload), told(workload)
        security = pod.get("securityContext", {})
        if not (security.get("runAsNonRoot") and security.get("runAsUser", 0) > 0):
            yield f"{who}: may run as root"
        if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{who}: seccomp is off"
        for shared in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(shared):
                yield f"{who}: {shared}"
        for volume in pod.get("volumes", []):
            if "hostPath" in volume:
                yield f"{who}: reaches into its node by {volume['name']}"
        for container in containers_of(workload):
            yield from _locked(who, container)


def _locked(who: str, container: Manifest) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield f"{who}: {container['name']} may gain privileges"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{who}: {container['name']} has capabilities"
    if not security.get("readOnlyRootFilesystem") and container["name"] not in _WRITES_ITS_ROOT:
        yield f"{who}: {container['name']} may write to its root file system"


def pods_have_no_token_of_the_cluster(documents: Documents) -> Iterator[str]:
    """Nobody who gets into a pod can ask the API server anything; each service has an account of its own all the same."""
    accounts = {name_of(account): account for account in documents.of("ServiceAccount")}
    for account in accounts.values():
        if account.get("automountServiceAccountToken") is not False:
            yield f"{told(account)}: its token is mounted"
    for workload in documents.workloads():
        if pod_of(workload).get("automountServiceAccountToken") is not False:
            yield f"{told(workload)}: a token is mounted"
    for workload in documents.ours():
        if pod_of(workload).get("serviceAccountName") != name_of(workload) or name_of(workload) not in accounts:
            yield f"{told(workload)}: has no account of its own"


def probes_ask_three_questions_and_none_about_others(documents: Documents) -> Iterator[str]:
    """Each question at the port where only the process itself answers; a process that starts is given minutes, one that hangs is not."""
    for workload in documents.serving():
        container, who = main_of(workload), told(workload)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe, question in _QUESTIONS.items():
            if container.get(probe, {}).get("grpc") != {"port": ports.get("probes"), "service": question}:
                yield f"{who}: {probe} does not ask for {question!r} at the port of probes"
        startup, liveness = (container.get(probe, {}) for probe in ("startupProbe", "livenessProbe"))
        if startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3) < 180:
            yield f"{who}: is killed while it waits for what it needs to start"
        if liveness.get("periodSeconds", 10) * liveness.get("failureThreshold", 3) > 60:
            yield f"{who}: hangs for more than a minute before it is killed"


def resources_are_said(documents: Documents) -> Iterator[str]:
    """What a pod needs, and the memory that it must not pass. No limit of CPU: it makes a loop stand still that others wait for."""
    for workload in documents.workloads():
        for container in containers_of(workload):
            resources, who = container.get("resources", {}), f"{told(workload)}: {container['name']}"
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            if not {"cpu", "memory"} <= set(requests):
                yield f"{who} does not say what it needs"
            if set(limits) != {"memory"}:
                yield f"{who} must have a limit of memory and no other"
            elif amount(requests.get("memory", "0")) > amount(limits["memory"]):
                yield f"{who} needs more memory than it may have"


def amount(quantity: str) -> Fraction:
    """Of Kubernetes' quantities, those that we use."""
    number = quantity.rstrip("mKMGi")
    return Fraction(number) * _UNITS[quantity[len(number) :]]


def pods_are_spread(documents: Documents) -> Iterator[str]:
    """Over zones and nodes, each service by itself, and of it each revision: what a rollout makes is not spread by what it takes away."""
    for workload in documents.serving():
        spread = {rule["topologyKey"]: rule for rule in pod_of(workload).get("topologySpreadConstraints", [])}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
            rule = spread.get(key, {})
            if rule.get("matchLabelKeys") != _SPREAD_BY or rule.get("maxSkew") != 1:
                yield f"{told(workload)}: is not spread over {key}"


def pods_have_a_priority_that_exists(documents: Documents) -> Iterator[str]:
    classes = {name_of(found) for found in documents.of("PriorityClass")}
    for workload in documents.ours():
        if pod_of(workload).get("priorityClassName") not in classes:
            yield f"{told(workload)}: has no priority"


def images_are_named_with_their_version(documents: Documents) -> Iterator[str]:
    for workload in documents.workloads():
        for container in containers_of(workload):
            _, _, tag = container["image"].rpartition("/")[2].partition(":")
            if tag in {"", "latest"} and "@sha256:" not in container["image"]:
                yield f"{told(workload)}: the image {container['image']} may be another one tomorrow"
    if len({main_of(workload)["image"] for workload in documents.ours()}) != 1:
        yield "services of different versions"
