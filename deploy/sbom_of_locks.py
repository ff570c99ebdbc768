"""Prints what the locks name as CycloneDX 1.5: every package of requirements.txt and package-lock.json, with its hashes.

What a checkout is built and tested with. An image's own bill (sbom.py) says what of it, and of Debian, is in there.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sbom import bill_of, component

ROOT = Path(__file__).parent.parent
_PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; [^\\]*)?((?:\s*\\\n +--hash=\w+:[0-9a-f]+)+)", re.MULTILINE)
_ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def of_requirements(lock: str) -> Iterator[dict[str, object]]:
    """One for each pin; its hashes are those of all its files, of which a machine takes one."""
    for name, version, hashes in _PINNED.findall(lock):
        known = [_hash(algorithm, digest) for algorithm, digest in re.findall(r"--hash=(\w+):([0-9a-f]+)", hashes)]
        yield component(name, version, f"pkg:pypi/{name}@{version}") | {"hashes": known}


def of_package_lock(lock: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """One for each package and version, however often it is installed; our own have no hash and are left out."""
    found: dict[str, dict[str, object]] = {}
    for path, package in lock["packages"].items():
        if "integrity" in package:
            name, version = package.get("name") or path.rpartition("node_modules/")[2], package["version"]
            purl = f"pkg:npm/{quote(name, safe='/')}@{version}"
            known = [each.partition("-") for each in package["integrity"].split()]
            hashes = [_hash(algorithm, base64.b64decode(digest).hex()) for algorithm, _, digest in known]
            found[purl] = component(name, version, purl) | {"hashes": hashes}
    yield from found.values()


def _hash(algorithm: str, digest: str) -> dict[str, str]:
    return {"alg": _ALGORITHMS[algorithm], "content": digest}


def main(version: str) -> None:
    python = of_requirements((ROOT / "requirements.txt").read_text("utf-8"))
    npm = of_package_lock(json.loads((ROOT / "package-lock.json").read_text("utf-8")))
    json.dump(bill_of("application", version, [*python, *npm]), sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
