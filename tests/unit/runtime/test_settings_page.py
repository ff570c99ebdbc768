"""`docs/settings.md` is what the settings models say. `python -m tests.unit.runtime.test_settings_page` writes it anew."""

from pathlib import Path

from libs.runtime.settings_page import settings_page
from services.channel.settings import ChannelSettings
from services.gateway.settings import GatewaySettings
from services.message_store.settings import MessageStoreSettings
from services.presence.settings import PresenceSettings
from services.web.settings import WebSettings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
SERVICES = (GatewaySettings, ChannelSettings, MessageStoreSettings, PresenceSettings, WebSettings)


def test_the_documentation_of_the_settings_is_current() -> None:
    assert PAGE.read_text() == settings_page(SERVICES), f"write it anew: python -m {__spec__.name}"


def test_every_setting_is_described() -> None:
    for service in SERVICES:
        for name, field in service.model_fields.items():
            assert field.description, f"{service.__name__}.{name} has no description"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(settings_page(SERVICES))
