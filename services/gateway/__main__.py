"""`python -m services.gateway`."""

from libs.runtime.process import run_service
from services.gateway.main import run
from services.gateway.settings import GatewaySettings

if __name__ == "__main__":
    run_service(GatewaySettings, run)
