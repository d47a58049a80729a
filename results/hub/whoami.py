"""Tells a member from which network its request comes. What is looked at for that is kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from results.hub.request_body import BadBody
from results.hub.responses import answer
from results.hub.routes import Served

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from results.hub.membership import Member
    from results.hub.routes import Hub

Told = Callable[[str], tuple[int | None, str | None]]
"""An address's ASN and country, by a database on the hub's machine."""


def served(told: Told | None) -> tuple[Served, ...]:
    """GET /v1/whoami; `told` is None where the hub has no such database."""

    async def whoami(hub: Hub, request: Request, member: Member | None) -> Response:
        if told is None:
            raise BadBody("this hub has no database of networks: [asn] mmdb", 404)
        asn, country = told(hub.address(request))
        return answer({"asn": asn, "country": country})

    return (Served("GET", "/v1/whoami", whoami, "members"),)
