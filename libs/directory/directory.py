"""The stores together."""

from dataclasses import dataclass

from libs.directory.applications import ApplicationStore
from libs.directory.blocks import BlockStore
from libs.directory.channels import ChannelStore
from libs.directory.members import MemberStore
from libs.directory.names import NameStore
from libs.directory.positions import PositionStore
from libs.directory.preferences import PreferenceStore
from libs.directory.revocations import RevocationStore
from libs.directory.users import UserStore


@dataclass(frozen=True, slots=True)
class Directory:
    """The stores of one engine, opened together; each adapter has an async context manager that yields one.

    Every method of every store is safe to repeat with the same arguments, and may raise:

        DirectoryUnavailable: the engine does not answer. Of a method that writes the outcome is unknown: repeat it.
        DirectoryOverloaded: too much is waiting; nothing was done.
    """

    applications: ApplicationStore
    users: UserStore
    channels: ChannelStore
    members: MemberStore
    positions: PositionStore
    preferences: PreferenceStore
    blocks: BlockStore
    names: NameStore
    revocations: RevocationStore
