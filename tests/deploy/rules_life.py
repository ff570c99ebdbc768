"""Rules for how pods come, go and multiply."""

from collections.abc import Iterator

from tests.deploy.documents import (
    Documents,
    Manifest,
    environment_of,
    labels_of,
    main_of,
    name_of,
    pod_of,
    selects,
    told,
)
from tests.deploy.drain import drain_parts
from tests.deploy.services import told_by

_SINGLE = {"presence"}
"""Of which two would each know half."""

_SLOW_SECONDS = 600
_LOST_SECONDS = 60


def a_drain_ends_before_the_pod_is_killed(documents: Documents) -> Iterator[str]:
    """The grace period counts from the beginning of preStop."""
    for workload in documents.serving():
        sleep = main_of(workload).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if sleep < 2:
            yield f"{told(workload)}: is told to stop while others still find it"
        environment = environment_of(documents, main_of(workload))
        parts = drain_parts(name_of(workload), told_by(name_of(workload), environment))
        grace = pod_of(workload).get("terminationGracePeriodSeconds", 30)
        if grace <= sleep + sum(parts.values()):
            yield f"{told(workload)}: is killed after {grace} s, and may need {sleep} + {dict(parts)}"


def disruptions_take_one_pod_at_a_time_and_never_none(documents: Documents) -> Iterator[str]:
    for workload in documents.serving():
        budgets = [
            budget
            for budget in documents.of("PodDisruptionBudget")
            if selects(budget["spec"]["selector"]["matchLabels"], labels_of(workload))
        ]
        if [budget["spec"].get("maxUnavailable") for budget in budgets] != [1]:
            yield f"{told(workload)}: a drained node takes all of its pods, or waits for ever"


def a_lost_node_is_given_up_soon(documents: Documents) -> Iterator[str]:
    """Its pods are made anew elsewhere; Kubernetes by itself waits for five minutes."""
    for workload in documents.serving():
        waits = {
            toleration["key"]: toleration.get("tolerationSeconds")
            for toleration in pod_of(workload).get("tolerations", [])
            if toleration.get("effect") == "NoExecute"
        }
        for state in ("unreachable", "not-ready"):
            if not 0 < (waits.get(f"node.kubernetes.io/{state}") or 0) <= _LOST_SECONDS:
                yield f"{told(workload)}: stays on a node that is {state}"
        if workload["kind"] != "Deployment":
            yield f"{told(workload)}: is not replaced before its node is back or removed"


def a_rollout_takes_nothing_away_first(documents: Documents) -> Iterator[str]:
    for workload in documents.of("Deployment"):
        strategy, who = workload["spec"].get("strategy", {}), told(workload)
        if name_of(workload) in _SINGLE:
            if strategy.get("type") != "Recreate" or workload["spec"].get("replicas") != 1:
                yield f"{who}: there may be two of them"
        elif strategy.get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{who}: a rollout stops a pod before another one is ready"


def what_grows_shrinks_slowly(documents: Documents) -> Iterator[str]:
    """Each workload has one who says how many; that one adds quickly and takes one at a time away, long after."""
    scalers = [(scaler, *_scaling(scaler)) for scaler in documents.of("HorizontalPodAutoscaler", "ScaledObject")]
    for scaler, target, low, high, behavior in scalers:
        who = told(scaler)
        if (target["kind"], target["name"]) not in {(w["kind"], name_of(w)) for w in documents.serving()}:
            yield f"{who}: scales nothing"
        if not 1 <= low < high:
            yield f"{who}: from {low} to {high}"
        down = behavior.get("scaleDown", {})
        if down.get("stabilizationWindowSeconds", 0) < _SLOW_SECONDS or [
            (policy["type"], policy["value"]) for policy in down.get("policies", [])
        ] != [("Pods", 1)]:
            yield f"{who}: shrinks too fast"
    for workload in documents.serving():
        names = [told(scaler) for scaler, target, *_ in scalers if target["name"] == name_of(workload)]
        if len(names) != (0 if name_of(workload) in _SINGLE else 1):
            yield f"{told(workload)}: is scaled by {names or 'nobody'}"
        if names and "replicas" in workload["spec"]:
            yield f"{told(workload)}: each apply would undo what {names[0]} did"


def _scaling(scaler: Manifest) -> tuple[Manifest, int, int, Manifest]:
    spec = scaler["spec"]
    if scaler["kind"] == "ScaledObject":
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        return spec["scaleTargetRef"], spec["minReplicaCount"], spec["maxReplicaCount"], behavior
    return spec["scaleTargetRef"], spec["minReplicas"], spec["maxReplicas"], spec.get("behavior", {})
