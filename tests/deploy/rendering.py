"""Manifests as kustomize renders them."""

import functools
import itertools
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from tests.deploy.documents import Documents
from tests.support.kubectl import kustomize_command

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = ("dev", "production")
COMPONENTS = tuple(sorted(path.name for path in (DEPLOY / "components").iterdir()))

_SECONDS = 60


def combinations() -> Iterator[tuple[str, ...]]:
    """No component, each, each two, and all that go together: what one of them breaks, it breaks beside some other one."""
    for count in (0, 1, 2):
        yield from itertools.combinations(COMPONENTS, count)
    for edge in ("gateway-api", "ingress"):
        yield tuple(name for name in COMPONENTS if name == edge or name not in {"gateway-api", "ingress"})


@functools.cache
def rendered(overlay: str, components: Sequence[str] = ()) -> Documents:
    """An overlay with components."""
    with tempfile.TemporaryDirectory(
        dir=DEPLOY, prefix=".rendering-"
    ) as folder:  # kustomize follows relative paths only
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "tertulia",
            "resources": [f"../overlays/{overlay}"],
            "components": [f"../components/{name}" for name in components],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return Documents.parse(kustomize(Path(folder)))


def kustomize(folder: Path) -> str:
    """What the kustomization of a folder makes, as YAML.

    Raises:
        AssertionError: it cannot be built; kustomize's words are in the text.
    """
    done = subprocess.run(
        [*kustomize_command(), str(folder)], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
