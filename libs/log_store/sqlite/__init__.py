"""The logs on SQLite: one writer, and a file lock in the place of fences."""

from libs.log_store.sqlite.store import SqliteLogStore as SqliteLogStore
from libs.log_store.sqlite.store import sqlite_log_store as sqlite_log_store
