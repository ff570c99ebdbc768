"""`python -m services.message_store`."""

from libs.runtime.process import run_service
from services.message_store.main import run
from services.message_store.settings import MessageStoreSettings

if __name__ == "__main__":
    run_service(MessageStoreSettings, run)
