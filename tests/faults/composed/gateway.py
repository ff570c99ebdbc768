"""The gateway, composed otherwise."""

from libs.runtime.process import run_service
from services.gateway import main
from services.gateway.feed import Feed
from services.gateway.hub import Hub
from services.gateway.settings import GatewaySettings
from tests.faults.composed.root import Parts, compose


class _NeverFetches(Hub):
    """What precedes a doorbell and was not heard is not fetched: the feed goes on from there as if nothing were missing."""

    def _fill(self, feed: Feed) -> None:
        if feed._held:
            feed.cursor = min(feed._held) - 1
            feed.apply([])


_COMPOSITIONS: dict[str, Parts] = {"no gap fetch": {(main, "Hub"): _NeverFetches}}

if __name__ == "__main__":
    compose(_COMPOSITIONS)
    run_service(GatewaySettings, main.run)
