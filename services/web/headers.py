"""The security headers: of every response, and the content security policy of pages."""

from collections.abc import Sequence
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.web.settings import WebSettings, words

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_HSTS_SECONDS = 365 * 24 * 3600
_NO_POLICY = "default-src 'none'; frame-ancestors 'none'"


def adding(headers: Headers, send: Send) -> Send:
    """`send` for a response that has these headers, too."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return add


def with_headers(app: ASGIApp, headers: Headers) -> ASGIApp:
    """The application, each of its responses with these headers."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, adding(headers, send))

    return application


def common_headers(settings: WebSettings) -> Headers:
    """With every response."""
    headers = [
        (b"server", b"tertulia"),  # else granian says its name, and an attacker knows whose faults to try
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),  # a log-in link must not travel on
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    ]
    if settings.tls_certificate is not None:
        headers.append((b"strict-transport-security", f"max-age={_HSTS_SECONDS}".encode()))
    return headers


API_HEADERS: Headers = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _NO_POLICY.encode()),
    (b"cross-origin-resource-policy", b"cross-origin"),  # who may read it is said by CORS
)


def page_policy(settings: WebSettings) -> str:
    """What the web client's pages may load: their own files, and pictures from the hosts that the operator lists."""
    images = " ".join(["'self'", "data:", "blob:", *(f"https://{host}" for host in words(settings.image_hosts))])
    frames = " ".join(["'self'", *words(settings.allowed_origins)])
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {images}",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {frames}",
        ]
    )
