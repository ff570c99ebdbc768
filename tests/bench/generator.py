"""The load generator's process: `python -m tests.bench.generator JOB`, with the job and the outcome as JSON."""

import asyncio
import dataclasses
import json
import sys

import uvloop

from tests.bench.job import Job, Outcome
from tests.bench.rows import row


async def _carry_out(job: Job) -> Outcome:
    return await row(job.row)(job)


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(_carry_out(job))
    print(json.dumps(dataclasses.asdict(outcome)))


if __name__ == "__main__":
    main()
