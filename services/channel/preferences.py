"""How members want to have their channels, and what their devices hear of it."""

from dataclasses import replace

from tertulia.chat.v1 import channel_pb2, error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.channels import Channel
from libs.directory.directory import Directory
from libs.directory.keys import MemberKey, UserKey
from libs.directory.preferences import Preferences
from libs.rpc.caller import Caller
from libs.rpc.errors import ResourceExhausted, Unavailable, channel_not_found
from services.channel.access import Access
from services.channel.entries import preferences_entry
from services.channel.locks import KeyedLocks
from services.channel.logs import Logs
from services.channel.people import People
from services.channel.rules import acting_user

MAX_PINNED = 100
_ATTEMPTS = 10  # how often other processes may be first
_RETRY_MS = 500


class PreferenceChanges:
    """Changes preferences: the row first, then the entry in the user's inbox, under a client id made of the row's version.

    A call that changes nothing appends the entry of the version that is there: after a crash between the two that is what
    its retry has to do, and otherwise message_store finds the entry (I4).
    """

    def __init__(self, directory: Directory, access: Access, people: People, logs: Logs) -> None:
        self._directory = directory
        self._access = access
        self._people = people
        self._logs = logs
        self._locks: KeyedLocks[UserKey] = KeyedLocks()

    async def change(self, caller: Caller, request: channel_pb2.SetChannelPreferencesRequest) -> Preferences:
        """Set what the request sets; return all as they are then.

        Raises:
            FieldsInvalid: there is no acting user.
            NotFound: CHANNEL_NOT_FOUND: the user is no member; PermissionDenied: NOT_JOINED.
            ResourceExhausted: LIMIT_REACHED: too many are pinned.
            Unavailable: UNAVAILABLE: nothing was done. OUTCOME_UNKNOWN: repeat the call.
        """
        user = UserKey(caller.application_id, acting_user(caller))
        standing = await self._access.standing(caller, request.channel_id)
        if standing.member is None:
            raise channel_not_found(request.channel_id)
        [inbox] = await self._people.existing([user])
        async with self._locks.held(user):  # within a process, so that the limit of pinned channels is exact
            preferences = await self._stored(user, standing.channel, request)
        if preferences.version:
            await self._logs.append([preferences_entry(standing.channel, inbox.inbox_log_id, preferences)])
        return preferences

    async def _stored(
        self, user: UserKey, channel: Channel, request: channel_pb2.SetChannelPreferencesRequest
    ) -> Preferences:
        key = MemberKey(*channel.key, user.user_id)
        for _ in range(_ATTEMPTS):
            [present] = await self._directory.preferences.get([key])
            wanted = await self._wanted(channel, present, request)
            if wanted == present:
                return present
            if wanted.pinned and not present.pinned:
                await self._room_for_a_pin(user)
            wanted = replace(wanted, version=present.version + 1)
            if await self._directory.preferences.update(wanted):
                return wanted
        raise Unavailable(
            "too many changes of these preferences at once; try again",
            error_pb2.ERROR_REASON_UNAVAILABLE,
            retry_after_ms=_RETRY_MS,
        )

    async def _wanted(
        self, channel: Channel, present: Preferences, request: channel_pb2.SetChannelPreferencesRequest
    ) -> Preferences:
        wanted = replace(
            present,
            muted=request.muted if request.HasField("muted") else present.muted,
            pinned=request.pinned if request.HasField("pinned") else present.pinned,
            marked_unread=request.marked_unread if request.HasField("marked_unread") else present.marked_unread,
        )
        if not request.HasField("hidden"):
            return wanted
        if not request.hidden:
            return replace(wanted, hidden=False, hidden_message_count=0)
        log = log_pb2.LogKey(application_id=channel.key.application_id, log_id=channel.log_id)
        [head] = await self._logs.heads([log])
        return replace(wanted, hidden=True, hidden_message_count=head.message_count)

    async def _room_for_a_pin(self, user: UserKey) -> None:
        pinned = [p.key for p in await self._directory.preferences.of_user(user) if p.pinned]
        if len(pinned) < MAX_PINNED:
            return
        members = {member.key for member in await self._directory.members.of_user(user)}
        if len(members.intersection(pinned)) >= MAX_PINNED:
            raise ResourceExhausted(
                f"at most {MAX_PINNED} channels of a user are pinned; take one back first",
                error_pb2.ERROR_REASON_LIMIT_REACHED,
                metadata={"limit": str(MAX_PINNED)},
            )
