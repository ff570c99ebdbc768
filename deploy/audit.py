"""Asks what is known against the locked packages: of Python's by pip-audit, of npm's by npm itself.

What is known makes it fail. Where nobody can be asked, as on a machine without a network, it says so and does not: the locks are the
same as yesterday, and whoever has a network asks again.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

ACCEPTED: Mapping[str, str] = {}
"""Advisories that are known and do not concern us: their ids (PYSEC-…, GHSA-…, CVE-…), and why."""
_UNREACHED = re.compile(r"requests\.exceptions|ServiceError|vulnerability feed|not redirecting|may be blocking")
"""How pip-audit ends without a network."""
_PATIENCE_SECONDS = 180
"""For all packages together: two hundred are asked for, one after the other."""


class Audit(NamedTuple):
    """What one of the two said."""

    advisories: Sequence[str]
    packages: int
    """That were looked up."""
    missing: int = 0
    """That could not be."""


class NoAnswer(Exception):
    """The advisories could not be reached."""


class CannotAudit(Exception):
    """The tool is missing, or refuses our lock."""


_BROKEN = (CannotAudit, OSError, ValueError, LookupError, TypeError, AttributeError)
"""There is no tool, our lock is refused, or what the tool printed has another shape than it ever had."""


def of_python(run: subprocess.CompletedProcess[str]) -> Audit:
    """What pip-audit printed. It passes over what it cannot look up, and ends well even if that was everything."""
    if not run.stdout:
        if _UNREACHED.search(run.stderr):
            raise NoAnswer(f"the advisories for Python could not be reached: {run.stderr.strip().splitlines()[-1]}")
        raise CannotAudit(run.stderr.strip())
    packages = json.loads(run.stdout)["dependencies"]
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        raise NoAnswer(f"none of {len(packages)} packages could be looked up")
    found = [
        f"{package['name']} {package['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'none'}"
        for package in asked
        for known in package["vulns"]
        if not ACCEPTED.keys() & {known["id"], *known["aliases"]}
    ]
    return Audit(found, len(asked), len(packages) - len(asked))


def of_npm(run: subprocess.CompletedProcess[str]) -> Audit:
    """What npm printed."""
    told = json.loads(run.stdout or "{}")
    if "vulnerabilities" not in told:
        if "message" in told:  # its endpoint's: of a lock that it cannot read it has a code
            raise NoAnswer("npm's advisories could not be reached")
        raise CannotAudit(run.stdout + run.stderr)
    found = {line for package in told["vulnerabilities"].values() for line in _advisories(package)}
    return Audit(sorted(found), told["metadata"]["dependencies"]["total"])


def _advisories(package: Mapping[str, Any]) -> Iterator[str]:
    """Those of the package itself; where it only needs another one that has some, they are said there."""
    for known in package["via"]:
        if not isinstance(known, str) and (identifier := known["url"].rpartition("/")[2]) not in ACCEPTED:
            yield f"{known['name']} {known['range']}: {identifier} ({known['severity']}), {known['title']}"


TOOLS: Mapping[str, tuple[Sequence[str], Callable[[subprocess.CompletedProcess[str]], Audit]]] = {
    "requirements.txt": (
        ("pip-audit", "--requirement=requirements.txt", "--require-hashes", "--disable-pip", "--format=json",
         "--progress-spinner=off"),
        of_python,
    ),
    "package-lock.json": (("npm", "audit", "--package-lock-only", "--no-offline", "--include=dev", "--json"), of_npm),
}  # fmt: skip


def audited(lock: str) -> bool:
    """Print what there is against what a lock names. False: something."""
    command, read = TOOLS[lock]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)  # noqa: S603 - words of ours, no shell
        audit = read(run)
    except (NoAnswer, subprocess.TimeoutExpired) as error:
        reason = str(error) if isinstance(error, NoAnswer) else f"no answer in {_PATIENCE_SECONDS} s"
        print(f"{lock}: not audited: {reason}")  # noqa: T201 - its output
        return True
    except _BROKEN as error:
        print(f"{lock}: cannot be audited: {error!r}", file=sys.stderr)  # noqa: T201 - its output
        return False
    missing = f", {audit.missing} could not be looked up" if audit.missing else ""
    said = f"{lock}: {len(audit.advisories) or 'no'} advisories against {audit.packages} packages{missing}"
    print("\n  ".join([said, *audit.advisories]))  # noqa: T201 - its output
    return not audit.advisories


if __name__ == "__main__":
    failed = [lock for lock in TOOLS if not audited(lock)]
    sys.exit(1 if failed else 0)
