"""The data itself, for who asks questions of their own: Datasette under `/data`, read only, where it is installed.

It comes by the same door as every page. Its own pages need scripts and styles in the page, so its policy lets these be,
from nowhere but here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response

from results.hub.responses import HEADERS
from results.hub.web.context import Asking, missing

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from results.hub.read_pool import Reading

BASE = "/data/"
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
OWN = f"{BASE}-/"
"""Where Datasette tells of itself, of its files too; nothing but its stylesheets and scripts is for readers."""
STATIC = (f"{OWN}static/", f"{OWN}static-plugins/")
OURS = {**HEADERS, "Content-Security-Policy": POLICY, "Cache-Control": "private, no-store"}


class _Passed(Response):
    """An answer that another application gives."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_ours(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name.lower().encode(): value.encode() for name, value in OURS.items()}
                kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
                message = {**message, "headers": [*kept, *ours.items()]}
            await send(message)

        await self._app(scope, receive, with_ours)


class Data(Asking):
    """Hands on what is asked of it."""

    app: Any = None

    async def home(self, request: Request, reading: Reading) -> Response:
        """The address without its last stroke."""
        return RedirectResponse(BASE)

    async def data(self, request: Request, reading: Reading) -> Response:
        path = request.scope["path"]
        if self.app is None or (path.startswith(OWN) and not path.startswith(STATIC)):
            return missing(self.asked(request))
        return _Passed(self.app)
