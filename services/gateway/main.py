"""The composition root of the gateway."""

import asyncio

from tertulia_internal.channel.v1 import access_pb2_grpc
from tertulia_internal.presence.v1 import presence_pb2_grpc

from libs.bus.nats import nats_bus
from libs.log_owners import LogRouter, message_store_at
from libs.rpc.callers import CHANNEL, PRESENCE
from libs.rpc.peers import open_service
from libs.runtime.memory import keep_memory_settled, settle_memory
from libs.runtime.metrics import metrics_served, new_registry
from libs.runtime.process import every, running
from services.gateway.appender import Appender
from services.gateway.blocks import Blocks
from services.gateway.commands import Handlers
from services.gateway.deliveries import Deliveries
from services.gateway.edge import edge_served
from services.gateway.grants import Grants
from services.gateway.hub import Hub
from services.gateway.inboxes import Inboxes
from services.gateway.keys import Keys
from services.gateway.log_client import LogClient
from services.gateway.message_service import MessageMethods
from services.gateway.methods import passed_on
from services.gateway.online import Online
from services.gateway.page_tokens import PageTokens
from services.gateway.positions import Positions
from services.gateway.presence_service import PresenceMethods
from services.gateway.rate_limits import Rate, RateLimits
from services.gateway.revocations import Revocations
from services.gateway.session_logs import Sources
from services.gateway.sessions import LOOK_SECONDS, Sessions
from services.gateway.settings import GatewaySettings
from services.gateway.stats import Stats, StatsCollector, batch_sizes
from services.gateway.tokens import Tokens
from services.gateway.typing_signals import TypingSignals
from services.gateway.watches import Watches


async def run(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Serve clients until `stop` is set; then say goodbye to each, answer what is open, and end.

    Raises:
        CannotStart: an address is taken, or the certificate cannot be used.
    """
    registry = new_registry()
    certificates = settings.certificates()
    stats = Stats()
    registry.register(StatsCollector(stats))
    async with (
        open_service(settings.channel, CHANNEL, certificates) as channel,
        message_store_at(settings.message_store, certificates) as owners,
        open_service(settings.presence, PRESENCE, certificates) as presence,
        nats_bus(settings.bus_address, "gateway", registry, certificates) as bus,
    ):
        access = access_pb2_grpc.AccessServiceStub(channel)
        presence_service = presence_pb2_grpc.PresenceServiceStub(presence)

        # a token is believed for `key_cache_seconds`, and then its client may take `hello_seconds` for its first frame
        heard_seconds = 2 * (settings.key_cache_seconds + settings.hello_seconds)
        revocations = Revocations(access, bus, heard_seconds, stats)
        keys = Keys(access, settings.key_cache_seconds)
        tokens = Tokens(keys, revocations, settings.key_cache_seconds, settings.max_user_token_seconds)
        bus.on_disturbance(tokens.forget)
        router = LogRouter(owners)
        logs = LogClient(router)
        hub = Hub(bus, logs, settings.max_delta_events, stats)
        grants = Grants(access, settings.access_cache_seconds, hub.policy_version)
        limits = RateLimits(
            user_writes=Rate(settings.user_writes_per_second, settings.user_writes_burst),
            channel_writes=Rate(settings.channel_writes_per_second, settings.channel_writes_burst),
            user_calls=Rate(settings.user_calls_per_second, settings.user_calls_burst),
        )
        appender = Appender(router, grants, limits, settings.send_seconds, stats, batch_sizes(registry))
        positions = Positions(access, settings.send_seconds)
        deliveries = Deliveries(access, settings.receipts_max_members)
        typing = TypingSignals(presence_service, settings.typing_max_members)
        watches = Watches(bus, presence_service, Blocks(access), stats)
        online = Online(presence_service)

        page_tokens = PageTokens(settings.page_token_secret.get_secret_value())
        methods = {
            **passed_on(channel),
            **MessageMethods(appender, grants, limits, logs, page_tokens).table(),
            **PresenceMethods(grants, typing, watches).table(),
        }
        handlers = Handlers(appender, grants, limits, positions, deliveries, typing, watches, methods)
        opening = asyncio.Semaphore(settings.opening_sessions)
        sources = Sources(hub, logs, Inboxes(access), grants, settings.max_delta_events, opening, stats)
        sessions = Sessions(settings, tokens, revocations, sources, handlers, online, stats)

        async with (
            metrics_served(settings.metrics_listen, registry),
            running(
                hub.run(),
                appender.run(),
                positions.run(),
                deliveries.run(),
                typing.run(),
                watches.run(),
                online.run(),
                sessions.watch_over(),
                every(LOOK_SECONDS, sessions.cut_withdrawn),
                revocations.run(sessions.identities),
                keep_memory_settled(),
            ),
            edge_served(settings, sessions, tokens, limits, methods, registry, stats),
        ):
            settle_memory()
            await stop.wait()
