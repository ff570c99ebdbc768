"""The methods that the door serves."""

from pathlib import Path

import grpc
from connectrpc.code import Code

from services.web.errors import HTTP_STATUS
from services.web.methods import public_methods

PROTOS = Path(__file__).parents[3] / "protos" / "tertulia" / "chat" / "v1"


def test_every_rpc_in_the_protos_is_served() -> None:
    written = {
        line.split()[1].split("(")[0]
        for file in PROTOS.glob("*.proto")
        for line in file.read_text().splitlines()
        if line.startswith("  rpc ")
    }
    assert {method.descriptor.name for method in public_methods()} == written
    assert all(method.path.startswith("/tertulia.chat.v1.") for method in public_methods())


def test_every_code_of_grpc_has_one_of_connect_and_a_status() -> None:
    assert {code.name for code in grpc.StatusCode} - {"OK", "CANCELLED"} == {code.name for code in Code} - {"CANCELED"}
    assert set(HTTP_STATUS) == set(Code)
