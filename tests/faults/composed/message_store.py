"""message_store, composed otherwise."""

from libs.runtime.process import run_service
from services.message_store import main, stores
from services.message_store.settings import MessageStoreSettings
from tests.faults.composed import buses, sessions
from tests.faults.composed.clock import wrong_clock
from tests.faults.composed.root import Parts, compose
from tests.faults.composed.stores import AcknowledgesEarly, NoDedup, Stops, opening

_COMPOSITIONS: dict[str, Parts] = {
    # whole, in trouble
    "stops": {(main, "open_log_store"): opening(Stops)},
    "loses doorbells": {(main, "nats_bus"): buses.losing(0.5, heads=False)},
    "wrong clock": wrong_clock(),
    "writes time out": {(stores, "open_session"): sessions.opening(sessions.TimesOut)},
    # broken
    "acknowledges early": {(main, "open_log_store"): opening(AcknowledgesEarly)},
    "no dedup": {(main, "open_log_store"): opening(NoDedup)},
    "no fence check": {(stores, "open_session"): sessions.opening(sessions.NoFenceCheck)},
    "lost doorbells and no heads": {(main, "nats_bus"): buses.losing(0.9, heads=True)},
}

if __name__ == "__main__":
    compose(_COMPOSITIONS)
    run_service(MessageStoreSettings, main.run)
