"""The port of the logs, and its engines: SQLite embedded, Cassandra in a cluster.

An engine passes tests/conformance/log_store; nothing outside of this package knows which one it has.
"""

from libs.log_store.errors import Fenced as Fenced
from libs.log_store.errors import LogDamaged as LogDamaged
from libs.log_store.errors import LogStoreError as LogStoreError
from libs.log_store.errors import NotOwner as NotOwner
from libs.log_store.errors import SeqTaken as SeqTaken
from libs.log_store.errors import StoreUnavailable as StoreUnavailable
from libs.log_store.port import LogStore as LogStore
from libs.log_store.ring import Ring as Ring
from libs.log_store.shards import Shards as Shards
from libs.log_store.types import EMPTY_HEAD as EMPTY_HEAD
from libs.log_store.types import NO_AMENDMENTS as NO_AMENDMENTS
from libs.log_store.types import SHARDS as SHARDS
from libs.log_store.types import Amendments as Amendments
from libs.log_store.types import Changes as Changes
from libs.log_store.types import Entry as Entry
from libs.log_store.types import Head as Head
from libs.log_store.types import Kind as Kind
from libs.log_store.types import LogBatch as LogBatch
from libs.log_store.types import LogKey as LogKey
from libs.log_store.types import LogPosition as LogPosition
from libs.log_store.types import Mention as Mention
from libs.log_store.types import MentionQuery as MentionQuery
from libs.log_store.types import Millis as Millis
from libs.log_store.types import Overlay as Overlay
from libs.log_store.types import Recovered as Recovered
from libs.log_store.types import Redaction as Redaction
from libs.log_store.types import Row as Row
from libs.log_store.types import SendId as SendId
from libs.log_store.types import Sent as Sent
from libs.log_store.types import Seq as Seq
from libs.log_store.types import Shown as Shown
from libs.log_store.types import shard_of as shard_of
