"""What every answer of a hub's says in its head, and how it says what it says: JSON, pages, refusals."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def refusal(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    """An error, and the end of the connection: what was not read of the body would be taken for the next request."""
    return answer({"error": why}, status, {**(headers or {}), "Connection": "close"})


def with_headers(response: Response) -> Response:
    """With HEADERS, where it does not say something else itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
