"""Runs a composition root with other parts."""

import os
from collections.abc import Mapping
from types import ModuleType

from tests.faults.composed import COMPOSITION

Parts = Mapping[tuple[ModuleType, str], object]
"""What a module names → what it is to be instead."""


def compose(compositions: Mapping[str, Parts]) -> None:
    """Put the parts of the composition that the environment names into their places."""
    for (module, name), part in compositions[os.environ[COMPOSITION]].items():
        assert hasattr(module, name), f"{module.__name__} has no {name} any more"
        setattr(module, name, part)
