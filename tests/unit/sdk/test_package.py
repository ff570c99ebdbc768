"""What `import tertulia` loads, and what it offers."""

import re
import subprocess
import sys
from pathlib import Path

import tertulia

CONTRACT_ONLY = """
import sys
from tertulia.chat.v1 import channel_pb2, event_pb2, message_pb2, presence_pb2, session_pb2, user_pb2
print(*sorted(name for name in sys.modules if name.startswith("tertulia.") and not name.startswith("tertulia.chat")))
"""


def test_the_contract_is_loaded_without_the_client() -> None:
    done = subprocess.run([sys.executable, "-c", CONTRACT_ONLY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_name_that_is_offered_is_there_and_known_to_type_checkers() -> None:
    source = Path(tertulia.__file__).read_text()
    typed = {name: module for module, name in re.findall(r"from ([\w.]+) import (\w+) as \2", source)}
    assert typed == tertulia._MODULE_OF
    for name in typed:
        assert getattr(tertulia, name) is not None
        assert name in dir(tertulia)
