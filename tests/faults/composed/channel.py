"""channel, composed otherwise."""

from libs.runtime.process import run_service
from services.channel import main
from services.channel.settings import ChannelSettings
from tests.faults.composed.clock import wrong_clock
from tests.faults.composed.root import Parts, compose

_COMPOSITIONS: dict[str, Parts] = {"wrong clock": wrong_clock()}

if __name__ == "__main__":
    compose(_COMPOSITIONS)
    run_service(ChannelSettings, main.run)
