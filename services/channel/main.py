"""The composition root of the channel service."""

import asyncio
from contextlib import suppress

from tertulia.chat.v1 import channel_pb2, channel_pb2_grpc, user_pb2, user_pb2_grpc
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.bus.nats import nats_bus
from libs.log_owners import LogRouter, message_store_at
from libs.rpc.errors import TertuliaError
from libs.rpc.server import new_server, served
from libs.runtime.memory import settle_memory
from libs.runtime.metrics import metrics_served, new_registry
from libs.runtime.process import every, running
from services.channel.access import Access
from services.channel.access_service import AccessService
from services.channel.applications import Applications
from services.channel.blocks import Blocks
from services.channel.changes import Changes
from services.channel.channel_service import ChannelService
from services.channel.channels import Channels
from services.channel.clock import now_ms
from services.channel.listings import Listings
from services.channel.lists import Lists
from services.channel.logs import Logs
from services.channel.memberships import Memberships
from services.channel.people import People
from services.channel.positions import Positions
from services.channel.preferences import PreferenceChanges
from services.channel.revocations import Revocations
from services.channel.seats import Seats
from services.channel.settings import ChannelSettings
from services.channel.stores import open_directory
from services.channel.user_service import UserService

SERVICES = tuple(
    descriptor.services_by_name[name].full_name
    for descriptor, name in (
        (user_pb2.DESCRIPTOR, "UserService"),
        (channel_pb2.DESCRIPTOR, "ChannelService"),
        (access_pb2.DESCRIPTOR, "AccessService"),
    )
)


async def run(settings: ChannelSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        CannotStart: the directory cannot be opened, a certificate cannot be used, or an address cannot be listened on.
    """
    registry = new_registry()
    certificates = settings.certificates()
    async with (
        metrics_served(settings.metrics_listen, registry),
        open_directory(settings) as directory,
        nats_bus(settings.bus_address, "channel", registry, certificates) as bus,
        message_store_at(settings.message_store, certificates) as owners,
    ):
        logs = Logs(LogRouter(owners))
        applications = Applications(directory.applications, now_ms, settings.development_key)
        await applications.seed_development()
        access = Access(directory)
        people = People(directory, now_ms)
        changes = Changes(directory, logs, registry, max_members=settings.max_channel_members)
        blocks = Blocks(directory, people, changes, bus)
        seats = Seats(directory, logs, blocks)
        channels = Channels(directory, access, people, changes, blocks, now_ms)
        memberships = Memberships(directory, access, people, changes, blocks, now_ms)
        lists = Lists(directory, applications, access, seats)
        listings = Listings(directory, applications)
        positions = Positions(directory, logs, bus, registry, pushed_up_to_members=settings.receipts_max_members)
        preferences = PreferenceChanges(directory, access, people, logs)
        revocations = Revocations(directory.revocations, bus, now_ms)

        server = new_server(registry)
        user_pb2_grpc.add_UserServiceServicer_to_server(UserService(people, listings, blocks, revocations), server)
        channel_pb2_grpc.add_ChannelServiceServicer_to_server(
            ChannelService(channels, memberships, lists, listings, access, positions, preferences, seats), server
        )
        access_pb2_grpc.add_AccessServiceServicer_to_server(
            AccessService(applications, access, people, seats, positions, blocks, revocations), server
        )
        async with (
            running(_sweep(changes, settings.sweep_seconds)),
            served(server, settings.listen, SERVICES, settings.drain_seconds, certificates),
        ):
            settle_memory()
            await stop.wait()


async def _sweep(changes: Changes, seconds: float) -> None:
    """Look at once, for what a crash left, and then again and again."""
    with suppress(TertuliaError):  # a store that does not answer yet is tried again
        await changes.sweep()
    await every(seconds, changes.sweep)
