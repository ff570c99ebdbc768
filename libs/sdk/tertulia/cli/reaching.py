"""Whether there is a server at all: a script is not to wait for one that nobody has started."""

import asyncio
import os
import socket
from collections.abc import Sequence

import tertulia

REFUSED_SECONDS = 1.5
"""For how long a refused connection is tried again: a server that restarts is back by then, as a rule."""

_ATTEMPT_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # with one of them gRPC connects to another place


async def somebody_listens(addresses: Sequence[str]) -> None:
    """Return once one of the addresses takes connections, or may do so for all that can be told from here.

    Raises:
        Unreachable: all of them refuse, or their names are not known.
    """
    if any(os.environ.get(name) for name in _PROXIES):
        return
    clock = asyncio.get_running_loop().time
    deadline = clock() + REFUSED_SECONDS
    while not any([await _may_listen(address) for address in addresses]):
        if clock() > deadline:
            raise tertulia.Unreachable(f"no server answered at {' or '.join(addresses)}")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _may_listen(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or (":" in host.strip("[]") and not host.startswith("[")):
        return True  # of a form that only gRPC knows
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (ConnectionRefusedError, socket.gaierror):
        return False
    except OSError:  # TimeoutError is one: slow is not refused
        return True
    writer.close()
    return True
