"""`python -m services.web`."""

from libs.runtime.process import run_service
from services.web.main import run
from services.web.settings import WebSettings

if __name__ == "__main__":
    run_service(WebSettings, run)
