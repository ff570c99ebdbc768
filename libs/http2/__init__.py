"""gRPC on asyncio: HTTP/2 by the `h2` library, payloads written and read directly.

    server.py      handlers by path, listening, the drain
    admission.py   how many connections there may be, and of whom
    door.py        one from when TCP has it until it has shaken hands
    connection.py  one connection: frames in and out, limits, keepalive
    call.py        one call as its handler sees it: `libs.rpc.transport.Transport`, with metadata
    messages.py    DATA to messages
    request.py     what a call's headers say
    ending.py      what a call's last headers say
    standard.py    health and reflection
    services.py    services of generated code as handlers, and many calls on one stream
    link.py        a client that calls them so, as stubs want it
    client.py      its connection

Why beside grpcio: there a write costs 47 µs whatever it holds, half of it to wake threads; here a third. h2 keeps headers,
settings, resets and what the peer's windows allow; the payload of DATA frames never passes through it, for it takes 20 to
40 µs per frame. A gRPC call needs no more of HTTP/2 than that.
"""

from libs.http2.call import Call
from libs.http2.limits import Limits
from libs.http2.server import Handler, Server

__all__ = ["Call", "Handler", "Limits", "Server"]
