"""`python -m services.channel`: runs the service, or a command of `admin` if one is named."""

import sys

from libs.runtime.process import run_service
from services.channel.admin import app
from services.channel.main import run
from services.channel.settings import ChannelSettings

if __name__ == "__main__":
    if len(sys.argv) > 1:
        app()
    else:
        run_service(ChannelSettings, run)
