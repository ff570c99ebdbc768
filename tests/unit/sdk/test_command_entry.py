"""How the command begins."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, sys

class Spy:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "grpc":
            print(os.environ.get("GRPC_VERBOSITY"))

sys.meta_path.insert(0, Spy)
atexit.register(lambda: print(os.environ.get("GRPC_VERBOSITY")))
sys.argv = ["tertulia", "--version"]
import tertulia_command
tertulia_command.main()
"""


@pytest.mark.parametrize(
    ("given", "on_loading_grpc", "for_children"),
    [({}, "NONE", "None"), ({"GRPC_VERBOSITY": "INFO"}, "INFO", "INFO")],
)
def test_grpc_is_told_to_be_silent_before_it_is_loaded_unless_the_user_wants_it_otherwise(
    given: dict[str, str], on_loading_grpc: str, for_children: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment | given, capture_output=True, text=True, check=True
    )
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == (on_loading_grpc, for_children)


def test_the_command_begins_there() -> None:
    [entry] = importlib.metadata.entry_points(group="console_scripts", name="tertulia")
    assert entry.value == "tertulia_command:main"
