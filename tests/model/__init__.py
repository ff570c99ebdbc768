"""The protocol of §4 of the design (ordering and durability on Cassandra) as a randomized simulation.

Three replicas, a network that delays and loses, two shards, three logs. Processes share the shards: they take over, hand
over, pause, crash, and go on when stale; clients send, edit, delete and retry; others read history, memory and dirty windows.
A checker asserts I1, I2, I4, I5 and I6 all the time, and again when all that was late has arrived. A seed decides all.

To be read in this order; the Cassandra adapter and the owner are written after `takeover` to `memory_reads`:

- `vocabulary`     the words, rows, seals and the chain
- `protocol`       the safety steps, why each is needed, and how soon its absence must be noticed
- `schedule`       how likely each misfortune is
- `replicas`       tables, QUORUM reads and writes, the shard row and its CAS
- `process`        what the parts of a message-store process, one for each shard, share; its barrier
- `reads`          mark, chain, rows; readers of history and consumers
- `takeover`       fence, CAS, recover: read, repair, seal, barrier, overlays again
- `rows`, `appends`, `overlays`, `memory_reads`   serving
- `owner`          a process's life with a shard, its tasks, the planned handover
- `clients`, `checker`, `simulation`

Each module says which reading it took where §4 leaves one open. Not in the model: live delivery
(publishing is being shown to somebody), authorised appends, retention, heartbeats (suspicion is chance: liveness only).
"""
