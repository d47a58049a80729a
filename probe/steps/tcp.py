"""One TCP connect, to an address, or to a name where the path's far end resolves names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.failure import PrivateAddress
from probe.model import Observation, Tcp
from probe.net.address_policy import family_of, literal
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec

if TYPE_CHECKING:
    from probe.net.streams import ByteStream

PACKET_BYTES = 60
"""An empty packet with its headers."""
CONNECTION_BYTES = 7 * PACKET_BYTES
"""Three packets to open a connection, four to close it."""

SPEC = StepSpec(
    name="tcp",
    order=20,
    detail=Tcp,
    begins="address",
    schemes={"tcp": None},
    answer="connected",
    failures={
        "generic_timeout_error": "tcp.timeout",
        "connection_refused": "tcp.refused",
        "connection_reset": "tcp.refused",
        "connection_aborted": "tcp.refused",
        "host_unreachable": "tcp.unreachable",
        "network_unreachable": "tcp.unreachable",
    },
    methods=(
        MethodSpec("tcp.timeout"),
        MethodSpec("tcp.refused"),
        MethodSpec("tcp.unreachable"),
    ),
    traffic_bytes=lambda _: CONNECTION_BYTES,
    one_packet=True,
)


async def connect(
    log: Log, about: StepContext, settings: Settings, max_segment: int | None = None
) -> tuple[Observation, ByteStream | None]:
    """Connect to `about.address` (None: to `about.host` by name); the stream is None where that failed."""
    where = about.address or about.host
    detail = Tcp(family=family_of(where) if literal(where) else None, max_segment=max_segment)
    pending = log.begin(SPEC, about)
    try:
        if about.port is None:
            raise PrivateAddress("no port")
        if about.address:
            settings.gate.check(about.address)
        else:
            settings.gate.check_name(about.host)
        stream = await log.network.connect(where, about.port, settings.timeout_s, max_segment=max_segment)
    except (OSError, TimeoutError, EOFError) as error:
        return pending.end(detail, error), None
    return pending.end(detail), stream
