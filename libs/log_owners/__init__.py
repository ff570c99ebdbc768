"""Calls to the logs, wherever they are: any number of message_store processes share them, and shards change hands."""

from libs.log_owners.owners import Owners as Owners
from libs.log_owners.owners import message_store_at as message_store_at
from libs.log_owners.router import AppendOutcome as AppendOutcome
from libs.log_owners.router import LogRouter as LogRouter
