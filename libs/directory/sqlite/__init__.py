"""The directory on SQLite: the embedded default."""

from libs.directory.sqlite.directory import sqlite_directory as sqlite_directory
