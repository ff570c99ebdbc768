"""`python -m services.presence`."""

from libs.runtime.process import run_service
from services.presence.main import run
from services.presence.settings import PresenceSettings

if __name__ == "__main__":
    run_service(PresenceSettings, run)
