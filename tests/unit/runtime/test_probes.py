"""What a process answers to the three questions of an orchestrator, from its first moment to its last."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from libs.runtime.errors import CannotStart
from libs.runtime.probes import probes_served
from tests.support.ports import free_port

QUESTIONS = ("startup", "readiness", "liveness", "")
_SECONDS = 5.0


@dataclass
class SomeLife:
    started: bool = False
    stopping: bool = False


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'probes.sock'}"


async def ask(address: str, question: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = await check(health_pb2.HealthCheckRequest(service=question), timeout=_SECONDS)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("life", "answers"),
    [
        (SomeLife(), [False, False, True, False]),
        (SomeLife(started=True), [True, True, True, True]),
        (SomeLife(started=True, stopping=True), [True, False, True, False]),
    ],
    ids=["starting", "at work", "draining"],
)
async def test_the_answers_say_how_far_it_is(life: SomeLife, answers: list[bool], address: str) -> None:
    async with probes_served(address, life):
        assert [await ask(address, question) for question in QUESTIONS] == answers


async def test_another_question_has_no_answer(address: str) -> None:
    async with probes_served(address, SomeLife()):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(address, "cassandra")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_taken_address_is_told() -> None:
    taken = f"127.0.0.1:{free_port()}"
    async with probes_served(taken, SomeLife()):
        with pytest.raises(CannotStart, match="cannot answer probes on"):
            async with probes_served(taken, SomeLife()):
                pass


async def test_nothing_is_served_where_no_address_is_set() -> None:
    async with probes_served("", SomeLife()):
        await asyncio.sleep(0)
