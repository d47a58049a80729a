"""One DNS query over UDP to a resolver that is itself the target; a second answer that differs shows injection."""

from __future__ import annotations

from contextlib import closing

import msgspec

from probe.failure import PrivateAddress, ProxyUnusable
from probe.model import Attempt, Observation
from probe.net.resolver import DnsResolver
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import StepSpec
from probe.steps.dns import LATE_S, QUESTION_BYTES
from probe.steps.resolver import DEFAULT_NAME, FAILURES, ResolverAnswer, begun, check, read, with_identity


async def attempt(log: Log, about: StepContext, wanted: Attempt, settings: Settings) -> Observation:
    """Ask the resolver at `about.address`, and listen for a second answer to the same question."""
    from probe.dns import client

    pending = log.begin(SPEC, about)
    detail = begun(about, wanted)
    try:
        if about.address is None:
            raise ProxyUnusable("a proxy carries no datagrams")
        if about.port is None:
            raise PrivateAddress("no port")
        settings.gate.check(about.address)
        resolver = DnsResolver(text="udp", transport="udp", address=about.address, port=about.port)
        reply = await client.ask(log.network, detail.name or DEFAULT_NAME, resolver, "A", settings)
        detail = msgspec.structs.replace(read(reply.answer, detail), sendings=reply.sendings)
        if reply.socket is not None:
            with closing(reply.socket) as sock:
                await log.network.sleep(LATE_S)
                detail = _with_second(detail, [read(answer, detail) for answer in client.waiting(sock, reply.query)])
        detail = await with_identity(log, resolver, detail, settings)
        check(detail, settings)
    except client.NoAnswer as error:
        error.socket.close()
        return pending.end(detail, error)
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        return pending.end(detail, error, code=detail.rcode)
    return pending.end(detail)


def _with_second(detail: ResolverAnswer, others: list[ResolverAnswer]) -> ResolverAnswer:
    """The record with the first further answer that says something else, where the question was sent once."""
    said = (detail.rcode, frozenset(detail.addresses))
    second = next((other for other in others if (other.rcode, frozenset(other.addresses)) != said), None)
    if second is None or detail.sendings != 1:
        return detail
    return msgspec.structs.replace(detail, second_rcode=second.rcode, second_answers=second.answers)


SPEC = StepSpec(
    name="udp",
    order=80,
    detail=ResolverAnswer,
    begins="address",
    schemes={"udp": 53},
    answer="responded",
    default_name=DEFAULT_NAME,
    failures=FAILURES,
    traffic_bytes=lambda detail: 4 * QUESTION_BYTES,
    one_packet=True,
    attempt=attempt,
)
