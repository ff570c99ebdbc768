"""Rendered manifests, and what is asked of them again and again."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import yaml

Manifest = dict[str, Any]

SERVING = ("Deployment", "StatefulSet")
OURS = {"app.kubernetes.io/part-of": "tertulia"}


@dataclass(frozen=True)
class Documents:
    """All manifests of a rendering."""

    all: tuple[Manifest, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(tuple(document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document))

    def copied(self) -> "Documents":
        """To be broken."""
        return Documents(copy.deepcopy(self.all))

    def without(self, *gone: Manifest) -> "Documents":
        return Documents(tuple(document for document in self.all if not any(document is other for other in gone)))

    def of(self, *kinds: str) -> list[Manifest]:
        return [document for document in self.all if document["kind"] in kinds]

    def get(self, kind: str, name: str) -> Manifest:
        [found] = [document for document in self.of(kind) if document["metadata"]["name"] == name]
        return found

    def config(self, name: str) -> dict[str, str]:
        """What a ConfigMap says."""
        return dict(self.get("ConfigMap", name).get("data", {}))

    def ours(self) -> list[Manifest]:
        """Workloads of our image, the migration among them."""
        return [w for w in self.of(*SERVING, "Job") if selects(OURS, labels_of(w))]

    def serving(self) -> list[Manifest]:
        """Those of them that serve."""
        return [workload for workload in self.ours() if workload["kind"] in SERVING]

    def workloads(self) -> list[Manifest]:
        """Every workload, those of others too."""
        return self.of(*SERVING, "Job")


def name_of(document: Manifest) -> str:
    return str(document["metadata"]["name"])


def told(document: Manifest) -> str:
    """How a complaint names it."""
    return f"{document['kind']} {name_of(document)}"


def pod_of(workload: Manifest) -> Manifest:
    """The spec of its pods."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: Manifest) -> Mapping[str, str]:
    """The labels of its pods."""
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers_of(workload: Manifest) -> Iterator[Manifest]:
    """Of its pods, those that only run at the start too."""
    yield from pod_of(workload).get("initContainers", [])
    yield from pod_of(workload)["containers"]


def main_of(workload: Manifest) -> Manifest:
    """The container that serves."""
    container: Manifest = pod_of(workload)["containers"][0]
    return container


def environment_of(documents: Documents, container: Manifest) -> dict[str, str]:
    """What a container's environment holds."""
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environment |= documents.config(source["configMapRef"]["name"])
    for variable in container.get("env", []):
        environment[variable["name"]] = str(variable.get("value", ""))
    return environment


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())
