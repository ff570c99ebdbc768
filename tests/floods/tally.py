"""What a flood is, and how much of it there was."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.floods.servers import Target


@dataclass
class Tally:
    """Of all workers of a flood."""

    made: int = 0
    """Connections, frames, calls or sends, as the flood has it."""
    ended: int = 0
    """How often a worker was hung up on, and began anew."""


Attack: TypeAlias = Callable[[Target, Tally], Awaitable[None]]
"""One worker's, until it is hung up on."""
