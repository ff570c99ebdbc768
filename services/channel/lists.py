"""Pages of members and of one's channels."""

from typing import NamedTuple

from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member
from libs.directory.positions import Position
from libs.rpc.caller import Caller
from services.channel.access import Access
from services.channel.applications import Applications
from services.channel.rules import as_changed, is_member
from services.channel.seats import Seat, Seats

MEMBERS_PAGE, MEMBERS_PAGE_MAX = 100, 1_000
CHANNELS_PAGE, CHANNELS_PAGE_MAX = 50, 200
CHANNELS_PAGE_BYTES = 1024 * 1024
"""Last messages make a page long; it is cut here, well below what a gRPC client takes by default (4 MiB)."""


class MembersPage(NamedTuple):
    members: list[tuple[Member, Position]]
    next_page_token: str


class SeatsPage(NamedTuple):
    seats: list[Seat]
    next_page_token: str


class Lists:
    """Reads pages. A forged page token: InvalidArgument, PAGE_TOKEN_INVALID."""

    def __init__(self, directory: Directory, applications: Applications, access: Access, seats: Seats) -> None:
        self._directory = directory
        self._applications = applications
        self._access = access
        self._seats = seats

    async def members(self, caller: Caller, channel_id: str, page_size: int, page_token: str) -> MembersPage:
        """Members in order of user id, with their positions.

        Raises:
            NotFound: CHANNEL_NOT_FOUND.
        """
        standing = await self._access.standing(caller, channel_id)
        tokens = await self._applications.page_tokens(caller, "members", channel_id)
        after = str(tokens.unseal(page_token)[0]) if page_token else ""
        size = min(page_size or MEMBERS_PAGE, MEMBERS_PAGE_MAX)
        key = ChannelKey(caller.application_id, channel_id)
        rows = await self._directory.members.of_channel(key, after, size)
        members = [as_changed(standing.channel, member) for member in rows if is_member(standing.channel, member)]
        positions = await self._directory.positions.get([MemberKey(*key, m.key.user_id) for m in members])
        token = tokens.seal(rows[-1].key.user_id) if len(rows) == size else ""
        return MembersPage(list(zip(members, positions, strict=True)), token)

    async def channels(
        self, caller: Caller, user_id: str, page_size: int, page_token: str, *, include_hidden: bool
    ) -> SeatsPage:
        """The user's channels, the pinned first, then the latest activity, with details."""
        tokens = await self._applications.page_tokens(caller, "channels")
        user = UserKey(caller.application_id, user_id)
        everything = [seat for seat in await self._seats.of_user(user, detailed=0) if include_hidden or not seat.hidden]
        if page_token:
            position = tuple(tokens.unseal(page_token))
            everything = [seat for seat in everything if seat.order < position]
        size = min(page_size or CHANNELS_PAGE, CHANNELS_PAGE_MAX)
        chosen = everything[:size]
        complete = await self._seats.of_user(user, [seat.channel_id for seat in chosen], detailed=size)
        by_id = {seat.channel_id: seat for seat in complete}
        page: list[Seat] = []
        last = None
        page_bytes = 0
        for seat in chosen:  # in the order of the first reading, which the token continues
            read = by_id.get(seat.channel_id)
            if read is not None:
                page_bytes += len(read.head.last_message)
                if page and page_bytes > CHANNELS_PAGE_BYTES:
                    break
                page.append(read)
            last = seat
        more = last is not None and last is not everything[-1]
        return SeatsPage(page, tokens.seal(*last.order) if last is not None and more else "")
