"""The bills of materials of the image and of a checkout name everything that is in them, and say the same each time."""

import base64
import json
import runpy
import subprocess
import sys
from importlib.metadata import version
from typing import Any

from tests.deploy.rendering import DEPLOY

SCRIPT = DEPLOY / "sbom.py"

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Description: a library
 with a line of its own: and a colon

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


def printed() -> str:
    return subprocess.run([sys.executable, SCRIPT, "1.2.3"], capture_output=True, text=True, check=True).stdout


def test_every_python_package_is_there_with_its_version() -> None:
    bill: dict[str, Any] = json.loads(printed())
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "1.2.3")
    found = {component["purl"] for component in bill["components"]}
    for name in ("grpcio", "cassandra-driver", "tertulia-server"):
        assert f"pkg:pypi/{name}@{version(name)}" in found


def test_it_says_the_same_each_time() -> None:
    assert printed() == printed()


def test_of_debians_packages_those_that_are_installed_are_there() -> None:
    packages = list(runpy.run_path(str(SCRIPT))["debian_packages"](STATUS))
    assert [package["purl"] for package in packages] == ["pkg:deb/debian/libc6@2.36-9+deb12u14?arch=amd64"]


def test_the_bill_of_a_checkout_names_every_locked_package_with_its_version_and_hashes() -> None:
    script = [sys.executable, str(DEPLOY / "sbom_of_locks.py"), "1.2.3"]
    bill: dict[str, Any] = json.loads(subprocess.run(script, capture_output=True, text=True, check=True).stdout)
    found = {each["purl"]: {known["content"] for known in each["hashes"]} for each in bill["components"]}
    expected: dict[str, set[str]] = {}
    for line in (DEPLOY.parent / "requirements.txt").read_text("utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            name, _, rest = line.partition("==")
            hashes = expected.setdefault(f"pkg:pypi/{name}@{rest.split(' ')[0]}", set())
        elif "--hash=sha256:" in line:
            hashes.add(line.rpartition("--hash=sha256:")[2].removesuffix(" \\"))
    for path, package in json.loads((DEPLOY.parent / "package-lock.json").read_text("utf-8"))["packages"].items():
        if digest := package.get("integrity"):
            purl = f"pkg:npm/{path.rpartition('node_modules/')[2].replace('@', '%40')}@{package['version']}"
            expected[purl] = {base64.b64decode(digest.removeprefix("sha512-")).hex()}
    assert found == expected
