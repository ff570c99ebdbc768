"""The services, and the models of what each can be told."""

from collections.abc import Mapping

from libs.runtime.settings import SECRETS_VARIABLE, ServiceSettings, environment_prefix
from services.channel.settings import ChannelSettings
from services.gateway.settings import GatewaySettings
from services.message_store.settings import MessageStoreSettings
from services.presence.settings import PresenceSettings
from services.web.settings import WebSettings

SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "message-store": MessageStoreSettings,
    "channel": ChannelSettings,
    "presence": PresenceSettings,
    "gateway": GatewaySettings,
    "web": WebSettings,
}
"""By the name of the container, Service and workload."""


def told_by(service: str, environment: Mapping[str, str]) -> ServiceSettings:
    """The settings of a service with this environment.

    Raises:
        ValidationError: one is missing or wrong, or there is no such setting.
    """
    model = SETTINGS[service]
    prefix = environment_prefix(model.service)
    return model.model_validate(
        {
            variable.removeprefix(prefix).lower(): value
            for variable, value in environment.items()
            if variable != SECRETS_VARIABLE
        }
    )
