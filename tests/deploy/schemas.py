"""Kubernetes' own schemas of what is applied, strict: a field that does not exist is a fault.

They come with kubernetes-validate, so no cluster and no network is needed. Of custom resources see `tests.deploy.custom_resources`.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.deploy.documents import Documents, Manifest, told

KUBERNETES = "1.33"
"""The oldest version that we say we run on."""

CUSTOM = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1", "gateway.networking.k8s.io/v1"}
"""Of operators that a cluster may have."""

Schema = bool | Mapping[str, Any]
"""As the library has it."""

_FOLDER = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"


def manifests_follow_their_schemas(documents: Documents) -> Iterator[str]:
    for document in documents.all:
        if document["apiVersion"] in CUSTOM:
            continue
        yield from (f"{told(document)}: {fault}" for fault in _faults(json.dumps(document, sort_keys=True)))


@functools.cache
def _faults(text: str) -> tuple[str, ...]:
    """Most documents are the same in most renderings."""
    document: Manifest = json.loads(text)
    name = f"{document['kind'].lower()}-{_group_and_version(document['apiVersion'])}"
    if not (_FOLDER / f"{name}.json").is_file():
        return (f"there is no {document['apiVersion']} {document['kind']} in Kubernetes {KUBERNETES}",)
    return tuple(f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(document))


def _group_and_version(api_version: str) -> str:
    group, _, version = api_version.rpartition("/")
    return f"{group.partition('.')[0]}-{version}".lstrip("-")


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_schema(name), registry=_definitions())


@functools.cache
def _definitions() -> "Registry[Schema]":
    definitions: Resource[Schema] = Resource.from_contents(_schema("_definitions"))
    registry: Registry[Schema] = Registry()
    return definitions @ registry


def _schema(name: str) -> Schema:
    schema: Schema = json.loads((_FOLDER / f"{name}.json").read_text())
    return schema
