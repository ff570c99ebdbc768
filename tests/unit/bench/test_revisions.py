"""Another revision must not run this checkout's code."""

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.revisions import ROOT, Revision


def _where_services_come_from(revision: Revision) -> Path:
    found = subprocess.run(
        [sys.executable, "-P", "-c", "import services; print(services.__file__)"],
        env={**os.environ, **revision.environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(found.stdout.strip()).parent


def test_code_comes_from_the_revisions_checkout(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").touch()
    assert _where_services_come_from(Revision("other", tmp_path)) == tmp_path / "services"
    assert _where_services_come_from(Revision("this", ROOT)) == ROOT / "services"
