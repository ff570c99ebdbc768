"""What a container's health check asks."""

import asyncio

import pytest

from services.serve.ready import ready_at


@pytest.mark.parametrize(("status", "expected"), [(b"200 OK", True), (b"503 Service Unavailable", False)])
async def test_the_web_door_is_asked_over_http(status: bytes, expected: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readline()
        writer.write(b"HTTP/1.1 " + (status if asked.startswith(b"GET /readyz ") else b"404 Not Found") + b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await ready_at(f"http://127.0.0.1:{port}")() is expected
