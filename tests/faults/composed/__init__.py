"""Services composed otherwise: from parts that stop at a given place, lose what they are given, or are broken on purpose.

A module here is a process: `python -m tests.faults.composed.<service>` runs the composition root of a service with some of
the parts that it names replaced; COMPOSITION in the environment says which composition. Nothing under services/ or libs/
knows of it.
"""

COMPOSITION = "FAULTS_COMPOSITION"
"""The variable."""

STOP_AFTER_APPEND = "stop-after-append"
STOP_AFTER_BARRIER = "stop-after-barrier"
"""Files beside the settings' log: an owner composed so stops itself there once, and removes the file first."""

FOLDER = "FAULTS_FOLDER"
"""The variable that says where these files are looked for."""

CLOCK = "clock"
"""A file beside the settings' log: what the clock of a process that is composed so shows; see `clock`."""
