"""SQLite as the embedded default uses it: one writer with group commit, readers beside it, one process at a time."""

from libs.sqlite.database import Database as Database
from libs.sqlite.database import DatabaseLocked as DatabaseLocked
from libs.sqlite.database import DatabaseOverloaded as DatabaseOverloaded
from libs.sqlite.database import open_database as open_database
