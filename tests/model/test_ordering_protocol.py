"""The protocol of §4 keeps its promises on every schedule, and breaks one as soon as one of its steps is removed."""

import pytest

from tests.model.protocol import STEPS, WHOLE, needed, without
from tests.model.schedule import SCHEDULES, Schedule
from tests.model.simulation import Simulation, violation

SEEDS_PER_CHUNK = 500  # two to five seconds
SEEDS = {
    "late-writes": 10_000,
    "bursts": 2_000,
    "takeovers": 2_000,
    "pauses": 1_000,
    "deletions": 2_000,
    "handovers": 2_000,
    "slow-cas": 1_000,
}
CHUNKS = [
    pytest.param(SCHEDULES[name], range(first, first + SEEDS_PER_CHUNK), id=f"{name}-{first}")
    for name, seeds in SEEDS.items()
    for first in range(0, seeds, SEEDS_PER_CHUNK)
]


def test_at_least_20_000_seeds_are_run_and_every_schedule_has_some() -> None:
    assert sum(SEEDS.values()) >= 20_000
    assert SEEDS.keys() == SCHEDULES.keys()
    assert sum(SEEDS_PER_CHUNK for _ in CHUNKS) == sum(SEEDS.values())


@pytest.mark.parametrize(("schedule", "seeds"), CHUNKS)
def test_no_seed_breaks_an_invariant(schedule: Schedule, seeds: range) -> None:
    for seed in seeds:
        broken = violation(seed, schedule, WHOLE)
        assert broken is None, f"{broken}\nreplay: {command(seed, schedule)}"


@pytest.mark.parametrize("step", STEPS)
def test_without_a_step_an_invariant_breaks(step: str) -> None:
    shown = needed(step)
    protocol = without([step])
    assert any(violation(seed, shown.on, protocol) for seed in range(shown.within)), (
        f"{shown.within} seeds on {shown.on.name} without {step} broke nothing; expected: {shown.without_it}"
    )


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_is_not_empty_of_what_it_is_to_disturb(schedule: Schedule) -> None:
    runs = [Simulation(seed, schedule) for seed in range(50)]
    for run in runs:
        run.run()
    acknowledged = sum(operation.seq is not None for run in runs for operation in run.clients.operations)
    deleted = sum(len(deleted) for run in runs for deleted in run.world.checker.deleted.values())
    epochs = sum(shard.now.epoch for run in runs for shard in run.world.shards.values())
    handed_over = sum(shard.handovers for run in runs for shard in run.world.shards.values())
    assert acknowledged / len(runs) > 2, "acknowledged operations"
    assert deleted > 0, "acknowledged deletions"
    assert epochs / len(runs) > 2, "takeovers"
    assert handed_over > 0, "handovers"


def test_a_seed_can_be_replayed() -> None:
    shown = needed("fence")
    protocol = without(["fence"])
    first, second = ([str(violation(seed, shown.on, protocol)) for seed in range(20)] for _ in range(2))
    assert first == second


def command(seed: int, schedule: Schedule) -> str:
    return f"python -m tests.model --seed {seed} --schedule {schedule.name} --trace"
