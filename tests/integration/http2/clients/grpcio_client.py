"""The scenario of test_clients.py, by grpcio. Prints "waiting" when the last call has begun, then its findings as JSON."""

import asyncio
import json
import sys
from typing import TypeAlias

import grpc

Stream: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"


async def main(address: str) -> None:
    found: dict[str, object] = {}
    small, large = b"a" * 1_000, b"b" * 200_000
    async with grpc.aio.insecure_channel(address) as channel:

        def stream(method: str) -> Stream:
            made: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/test.Echo/{method}")
            return made()

        async def unary(
            method: str, request: bytes, timeout: float = 60, compression: grpc.Compression | None = None
        ) -> bytes | grpc.aio.AioRpcError:
            made: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/test.Echo/{method}")
            try:
                return await made(request, timeout=timeout, compression=compression)
            except grpc.aio.AioRpcError as error:
                return error

        async def refused(method: str, request: bytes, **more: object) -> grpc.aio.AioRpcError:
            error = await unary(method, request, **more)  # type: ignore[arg-type]
            assert isinstance(error, grpc.aio.AioRpcError)
            return error

        async def code(call: Stream) -> int:
            return int((await call.code()).value[0])

        found["small"] = await unary("echo", small) == small
        found["large"] = await unary("echo", large) == large
        texts = [f"message {number}".encode() for number in range(500)]
        echo = stream("echo")

        async def say() -> None:
            for text in texts:
                await echo.write(text)
            await echo.done_writing()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(say())
            found["stream"] = [data async for data in echo] == texts
        found["stream_status"] = await code(echo)
        flood = stream("flood")
        await flood.done_writing()
        await asyncio.sleep(0.2)  # the windows fill up
        found["flood"] = [data async for data in flood] == [bytes([number]) * 65_536 for number in range(64)]
        found["flood_status"] = await code(flood)
        error = await refused("refuse", small)
        found["refused"] = [error.code().value[0], error.details()]
        found["details"] = any(b"CHANNEL_NOT_FOUND" in value for _, value in error.trailing_metadata())
        found["unknown"] = (await refused("nothing", small)).code().value[0]
        found["compressed"] = (await refused("echo", large, compression=grpc.Compression.Gzip)).code().value[0]
        found["deadline"] = (await refused("wait", small, timeout=0.2)).code().value[0]
        found["too_large"] = (await refused("echo", b"c" * 300_000)).code().value[0]
        cancelled = stream("wait")
        await cancelled.read()
        cancelled.cancel()
        found["cancelled"] = await code(cancelled)
        found["after"] = await unary("echo", small) == small
        last = stream("wait")
        await last.read()
        print("waiting", flush=True)
        found["drained"] = await code(last)
    print(json.dumps(found))


asyncio.run(main(sys.argv[1]))
