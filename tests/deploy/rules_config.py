"""Rules for what services are told: settings, secrets, and the schema that they wait for."""

import re
from collections.abc import Iterator

from pydantic import SecretStr, ValidationError

from libs.runtime.settings import SECRETS_VARIABLE, environment_prefix
from tests.deploy.documents import (
    Documents,
    Manifest,
    containers_of,
    environment_of,
    main_of,
    name_of,
    pod_of,
    told,
)
from tests.deploy.services import SETTINGS, told_by

_HASHED = re.compile(r".+-[a-z0-9]{10}")
_FOR_OTHERS = 0o007


def settings_exist_and_ports_are_where_they_say(documents: Documents) -> Iterator[str]:
    for workload in documents.serving():
        environment = environment_of(documents, main_of(workload))
        prefix = environment_prefix(SETTINGS[name_of(workload)].service)
        try:
            told_by(name_of(workload), environment)
        except ValidationError as error:
            yield f"{told(workload)}: {error}"
        ports = {port["name"]: str(port["containerPort"]) for port in main_of(workload)["ports"]}
        for setting, port in (("LISTEN", ports.get("grpc", ports.get("http"))), *_OWN_PORTS):
            expected = f"0.0.0.0:{ports.get(port, port)}" if port else ""
            if environment.get(prefix + setting) != expected:
                yield f"{told(workload)}: {prefix}{setting} is not {expected}"


_OWN_PORTS = (("PROBES_LISTEN", "probes"), ("METRICS_LISTEN", "metrics"))


def secrets_are_files_that_only_the_service_reads(documents: Documents) -> Iterator[str]:
    secret = {
        environment_prefix(model.service) + name.upper()
        for model in SETTINGS.values()
        for name, field in model.model_fields.items()
        if field.annotation is SecretStr
    }
    for config in documents.of("ConfigMap"):
        for key, value in config.get("data", {}).items():
            if key in secret or re.search(r"//[^/\s]*:[^/\s]*@", value):
                yield f"{told(config)}: {key} shows a secret"
    for workload in documents.ours():
        for container in containers_of(workload):
            shown = [v for v in container.get("env", []) if "valueFrom" in v or v["name"] in secret]
            if shown or any("secretRef" in source for source in container.get("envFrom", [])):
                yield f"{told(workload)}: {container['name']} has secrets in its environment"
            if environment_of(documents, container).get(SECRETS_VARIABLE) not in _mounts(container):
                yield f"{told(workload)}: {container['name']} reads its secrets where none are mounted"
        for volume in pod_of(workload)["volumes"]:
            source = volume.get("secret") or volume.get("projected")
            if source and source.get("defaultMode", 0o644) & _FOR_OTHERS:
                yield f"{told(workload)}: everybody may read {volume['name']}"


def _mounts(container: Manifest) -> set[str]:
    return {mount["mountPath"] for mount in container.get("volumeMounts", []) if mount.get("readOnly")}


def a_changed_setting_restarts_who_has_it(documents: Documents) -> Iterator[str]:
    for workload in documents.ours():
        for container in containers_of(workload):
            for source in container.get("envFrom", []):
                if not _HASHED.fullmatch(source["configMapRef"]["name"]):
                    yield f"{told(workload)}: would not hear of a change of {source['configMapRef']['name']}"


def pods_wait_for_their_schema_and_one_job_makes_it(documents: Documents) -> Iterator[str]:
    """One service's tables after the other's, by the image that will use them."""
    for workload in documents.serving():
        environment = environment_of(documents, main_of(workload))
        if "cassandra" not in environment.values():
            continue
        [command, *_] = main_of(workload)["args"]
        waiting = [
            container
            for container in pod_of(workload).get("initContainers", [])
            if container["args"] == [f"{command}.migrate", "--wait"]
            and container["image"] == main_of(workload)["image"]
            and container["envFrom"] == main_of(workload)["envFrom"]
        ]
        if not waiting:
            yield f"{told(workload)}: does not wait for its schema"
    jobs = [job for job in documents.of("Job") if name_of(job) == "migration"]
    steps = [container["args"][0] for job in jobs for container in containers_of(job)]
    if steps != ["services.message_store.migrate", "services.channel.migrate"]:
        yield f"the migration does {steps}"
    for job in jobs:
        if len(pod_of(job)["containers"]) != 1:
            yield f"{told(job)}: two change the schema at a time"
        if "ttlSecondsAfterFinished" not in job["spec"]:
            yield f"{told(job)}: stays for ever, and a new version cannot be applied over it"
