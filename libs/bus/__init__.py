"""The bus: doorbells and passing notices between processes. It may lose any of them; nothing is kept on it."""

from libs.bus.port import Bus as Bus
from libs.bus.port import Subscription as Subscription
