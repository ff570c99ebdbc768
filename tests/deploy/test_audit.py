"""`make audit` fails by what is known against a locked package, and by nothing else that it is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.rendering import DEPLOY

FINE = {"name": "fine", "version": "1", "vulns": []}
SICK = {"name": "sick", "version": "2", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
NPM_FINE = {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 3}}}
ADVISORY = {"name": "ill", "range": "<2", "url": "https://example.org/GHSA-1", "severity": "low", "title": "it hurts"}
NPM_SICK = {
    "vulnerabilities": {"ill": {"via": [ADVISORY]}, "above": {"via": ["ill"]}},
    "metadata": {"dependencies": {"total": 3}},
}
NPM_UNREACHED = {"message": "request failed", "error": {"summary": "", "detail": ""}}
NPM_NO_LOCK = {"error": {"code": "ENOLOCK", "summary": "This command requires an existing lockfile."}}


def python(*packages: object) -> str:
    return json.dumps({"dependencies": packages})


def audit(folder: Path, pip_audit: tuple[str, str], npm: object) -> tuple[int, str]:
    """Its exit code and what it said, with tools that print what pip-audit (standard output and error) and npm do."""
    for name, out, err in (("pip-audit", *pip_audit), ("npm", json.dumps(npm), "")):
        (folder / name).write_text(
            f"#!{sys.executable}\nimport sys\nsys.stdout.write({out!r})\nsys.stderr.write({err!r})"
        )
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, DEPLOY / "audit.py"], env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("pip_audit", "npm", "code", "said"),
    [
        ((python(FINE), ""), NPM_FINE, 0, "no advisories against 1 packages\n"),
        ((python(FINE, SICK), ""), NPM_FINE, 1, "sick 2: PYSEC-1, mended in 2.1"),
        ((python(FINE), ""), NPM_SICK, 1, "ill <2: GHSA-1 (low), it hurts"),
        ((python(FINE, UNKNOWN), ""), NPM_FINE, 0, "1 could not be looked up"),
        ((python(UNKNOWN), ""), NPM_FINE, 0, "requirements.txt: not audited: none of 1"),
        (("", "requests.exceptions.ConnectionError: no route"), NPM_FINE, 0, "requirements.txt: not audited"),
        ((python(FINE), ""), NPM_UNREACHED, 0, "package-lock.json: not audited"),
        (("", "ERROR: requirement does not contain a hash"), NPM_FINE, 1, "does not contain a hash"),
        ((python(FINE), ""), NPM_NO_LOCK, 1, "ENOLOCK"),
    ],
    ids=["nothing", "Python's", "npm's", "one unknown", "all unknown", "no network", "npm: no network", "no hash", "no lock"],
)  # fmt: skip
def test_only_what_is_known_and_what_is_broken_fails(
    tmp_path: Path, pip_audit: tuple[str, str], npm: object, code: int, said: str
) -> None:
    ended, out = audit(tmp_path, pip_audit, npm)
    assert (ended, said in out) == (code, True), out
