"""Prints what an image holds as CycloneDX 1.5: the Python packages of the interpreter that runs this, and Debian's.

It is run while the image is built, by its own interpreter. The same image gives the same text: there is no time and no serial
number in it.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

_DPKG_STATUS = Path("/var/lib/dpkg/status")


def python_packages() -> Iterator[dict[str, object]]:
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        package: dict[str, object] = component(name, distribution.version, f"pkg:pypi/{name}@{distribution.version}")
        if expression := distribution.metadata.get("License-Expression"):
            package["licenses"] = [{"expression": expression}]
        yield package


def debian_packages(status: str) -> Iterator[dict[str, object]]:
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            yield component(name, version, f"pkg:deb/debian/{name}@{version}?arch={fields['Architecture']}")


def component(name: str, version: str, purl: str) -> dict[str, object]:
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def bill_of(kind: str, version: str, packages: list[dict[str, object]]) -> dict[str, object]:
    """The document. `kind`: what of CycloneDX's holds these packages."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": kind, "name": "tertulia", "version": version, "bom-ref": "tertulia"}},
        "components": sorted(packages, key=lambda package: str(package["bom-ref"])),
    }


def bill(version: str) -> dict[str, object]:
    """All of it."""
    status = _DPKG_STATUS.read_text(encoding="utf-8") if _DPKG_STATUS.exists() else ""
    return bill_of("container", version, [*python_packages(), *debian_packages(status)])


if __name__ == "__main__":
    json.dump(bill(sys.argv[1]), sys.stdout, indent=1)
