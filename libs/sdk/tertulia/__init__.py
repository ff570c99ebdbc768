"""Tertulia: in-app messaging. The Python SDK.

    async with tertulia.connect("chat.example.com:7420", token_provider=ask_our_back_end) as client:
        await client.send("team", "hello")
        async for event in client.events():
            if isinstance(event, tertulia.MessageReceived):
                print(event.message.author, event.message.text)

`connect` is the door; `Client` and `Actor` say what can be done, `tertulia.events` what happens, `tertulia.models` what is
handed out, `tertulia.errors` what can go wrong, `tertulia.tokens` who a client is.

What is named here is loaded when it is first used: services import only `tertulia.chat.v1`, and need no client for it.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tertulia.actor import Actor as Actor
    from tertulia.client import Client as Client
    from tertulia.client import connect as connect
    from tertulia.errors import Aborted as Aborted
    from tertulia.errors import AlreadyExists as AlreadyExists
    from tertulia.errors import ClientClosed as ClientClosed
    from tertulia.errors import FailedPrecondition as FailedPrecondition
    from tertulia.errors import InvalidArgument as InvalidArgument
    from tertulia.errors import NotFound as NotFound
    from tertulia.errors import OutcomeUnknown as OutcomeUnknown
    from tertulia.errors import OutOfRange as OutOfRange
    from tertulia.errors import PermissionDenied as PermissionDenied
    from tertulia.errors import Refused as Refused
    from tertulia.errors import ResourceExhausted as ResourceExhausted
    from tertulia.errors import SecretInvalid as SecretInvalid
    from tertulia.errors import ServerFault as ServerFault
    from tertulia.errors import SessionEnded as SessionEnded
    from tertulia.errors import TertuliaError as TertuliaError
    from tertulia.errors import Unauthenticated as Unauthenticated
    from tertulia.errors import Unavailable as Unavailable
    from tertulia.errors import Unimplemented as Unimplemented
    from tertulia.errors import Unreachable as Unreachable
    from tertulia.events import ChannelChanged as ChannelChanged
    from tertulia.events import ChannelDeleted as ChannelDeleted
    from tertulia.events import ChannelJoined as ChannelJoined
    from tertulia.events import ChannelLeft as ChannelLeft
    from tertulia.events import ClientEvent as ClientEvent
    from tertulia.events import ConnectionChanged as ConnectionChanged
    from tertulia.events import ConnectionState as ConnectionState
    from tertulia.events import DeliveredChanged as DeliveredChanged
    from tertulia.events import LogEvent as LogEvent
    from tertulia.events import MembershipChanged as MembershipChanged
    from tertulia.events import MessageDeleted as MessageDeleted
    from tertulia.events import MessageEdited as MessageEdited
    from tertulia.events import MessageReceived as MessageReceived
    from tertulia.events import PreferencesChanged as PreferencesChanged
    from tertulia.events import PresenceChanged as PresenceChanged
    from tertulia.events import ReactionChanged as ReactionChanged
    from tertulia.events import ReadChanged as ReadChanged
    from tertulia.events import SignalRefused as SignalRefused
    from tertulia.events import TypingChanged as TypingChanged
    from tertulia.models import Changed as Changed
    from tertulia.models import Channel as Channel
    from tertulia.models import ChannelKind as ChannelKind
    from tertulia.models import Member as Member
    from tertulia.models import MemberRole as MemberRole
    from tertulia.models import Message as Message
    from tertulia.models import MyChannel as MyChannel
    from tertulia.models import Permissions as Permissions
    from tertulia.models import Preferences as Preferences
    from tertulia.models import Presence as Presence
    from tertulia.models import Reaction as Reaction
    from tertulia.models import Sent as Sent
    from tertulia.models import User as User
    from tertulia.tokens import Secret as Secret

_MODULES = {
    "tertulia.actor": "Actor",
    "tertulia.client": "Client connect",
    "tertulia.errors": "Aborted AlreadyExists ClientClosed FailedPrecondition InvalidArgument NotFound OutcomeUnknown OutOfRange PermissionDenied Refused ResourceExhausted SecretInvalid ServerFault SessionEnded TertuliaError Unauthenticated Unavailable Unimplemented Unreachable",
    "tertulia.events": "ChannelChanged ChannelDeleted ChannelJoined ChannelLeft ClientEvent ConnectionChanged ConnectionState DeliveredChanged LogEvent MembershipChanged MessageDeleted MessageEdited MessageReceived PreferencesChanged PresenceChanged ReactionChanged ReadChanged SignalRefused TypingChanged",
    "tertulia.models": "Changed Channel ChannelKind Member MemberRole Message MyChannel Permissions Preferences Presence Reaction Sent User",
    "tertulia.tokens": "Secret",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
