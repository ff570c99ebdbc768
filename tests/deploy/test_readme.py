"""deploy/README.md tells of secrets, components and bounds that there are."""

import re

import pytest

from libs.runtime.settings import environment_prefix
from tests.deploy.documents import environment_of, main_of, name_of, pod_of
from tests.deploy.drain import drain_parts
from tests.deploy.rendering import COMPONENTS, DEPLOY, rendered
from tests.deploy.services import SETTINGS, told_by

README = (DEPLOY / "README.md").read_text()


def test_the_secrets_that_production_mounts_are_made_with_settings_that_exist() -> None:
    made = dict(re.findall(r"create secret generic (\S+) ((?:.*\\\n)*.*)", README))
    mounted = {
        volume["secret"]["secretName"]
        for workload in rendered("production").serving()
        for volume in pod_of(workload)["volumes"]
        if "secret" in volume
    }
    assert set(made) == mounted
    for service, words in made.items():
        model = SETTINGS[service]
        for variable in re.findall(r"--from-literal=(\w+)=", words):
            assert variable.removeprefix(environment_prefix(model.service)).lower() in model.model_fields, variable


def test_every_component_is_named() -> None:
    assert [name for name in COMPONENTS if f"(components/{name})" not in README] == []


@pytest.mark.parametrize("service", SETTINGS)
def test_the_table_of_a_pods_life_says_when_it_is_killed(service: str) -> None:
    rows = [line.strip("| ").split(" | ") for line in README.splitlines() if line.startswith("|")]
    [names] = [row for row in rows if "gateway" in row and "presence" in row]
    [killed] = [row for row in rows if row[0].startswith("killed after")]
    [workload] = [w for w in rendered("production").serving() if name_of(w) == service]
    said = int(killed[1 + names.index(service)].removesuffix(" s"))
    assert said == pod_of(workload)["terminationGracePeriodSeconds"]
    parts = drain_parts(service, told_by(service, environment_of(rendered("production"), main_of(workload))))
    assert said > sum(parts.values())
