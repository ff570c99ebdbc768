"""message_store: owns the logs. It numbers events, makes them durable, and rings the doorbell.

The path of an append: `handlers` → `items` → `look_back` → `committer` (with `sequencer`) → `publisher`.
"""
