"""Clients send, edit and delete; they retry until answered, sometimes after that too, and requests arrive in any order.

Reading taken: every operation carries the highest seq that its client had seen when it first tried, the first try too.
A few clients leave it out; for them I4 holds only within the remembered tail.
"""

from collections.abc import Sequence

from tests.model.appends import admit
from tests.model.checker import Operation
from tests.model.owner import Owner
from tests.model.process import World
from tests.model.vocabulary import LOGS, Event, Kind, LogId, Seq, shard_of

RETRY_OF_ANSWERED = 0.2


class Clients:
    def __init__(self, world: World, owners: Sequence[Owner]) -> None:
        self.world = world
        self.random = world.rng.random
        self.owners = owners
        self.operations: list[Operation] = []
        self.requests: list[tuple[Operation, Seq | None]] = []

    def act(self) -> None:
        schedule, turn = self.world.schedule, self.random()
        if turn < schedule.sends and len(self.operations) < schedule.operations:
            self.send()
        elif turn < schedule.sends + schedule.retries and self.operations:
            operation = self.operations[int(self.random() * len(self.operations))]
            if operation.seq is None or self.random() < RETRY_OF_ANSWERED:
                self.requests.append((operation, operation.after_seq))
        elif self.requests:
            self.request_arrives()

    def send(self) -> None:
        checker, schedule = self.world.checker, self.world.schedule
        log = LOGS[int(self.random() * len(LOGS))]
        event = self.new_event(log)
        after_seq = max(checker.shown[log], default=0) if self.random() >= schedule.without_after_seq else None
        operation = Operation(log, event, after_seq, checker.head[log])
        self.operations.append(operation)
        checker.operations[event.client_id] = operation
        first_try = after_seq if self.world.protocol.after_seq_on_first_try else None
        self.requests.append((operation, first_try))

    def new_event(self, log: LogId) -> Event:
        client_id = len(self.operations) + 1
        targets = [
            operation.seq
            for operation in self.operations
            if operation.log == log and operation.event.kind is Kind.MESSAGE and operation.seq is not None
        ]
        if not targets or self.random() >= self.world.schedule.not_a_message:
            return Event(client_id, Kind.MESSAGE, None)
        kind = Kind.DELETION if self.random() < self.world.schedule.deletion else Kind.EDIT
        return Event(client_id, kind, targets[int(self.random() * len(targets))])

    def request_arrives(self) -> None:
        operation, after_seq = self.requests.pop(int(self.random() * len(self.requests)))
        shard = shard_of(operation.log)
        serving = [owner for owner in self.owners if owner.shard == shard and owner.serving and owner.alive]
        if serving:
            stale = self.random() >= self.world.schedule.to_newest
            owner = serving[int(self.random() * len(serving))] if stale else serving[-1]
            admit(owner, operation, after_seq)
