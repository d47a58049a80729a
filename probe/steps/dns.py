"""One question to one resolver, and every answer that comes to it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from probe.failure import RCODE_FAILURES, Malformed
from probe.model import Answer, Dns, Observation
from probe.net.address_policy import is_public
from probe.net.deadline import Deadline
from probe.net.resolver import filter_at
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec
from probe.steps.tcp import CONNECTION_BYTES
from probe.steps.tls import HANDSHAKE_BYTES

if TYPE_CHECKING:
    from probe.dns import client
    from probe.dns.message import DnsAnswer
    from probe.net.resolver import DnsResolver

LATE_S = 0.3
"""How long after the question a second answer is still waited for: an injector's comes before the honest one."""
OVERDUE_TIMEOUTS = 2
"""For how many timeouts after an unanswered question its answer is listened for, while the follow-ups run."""
OVERDUE_LOOK_S = 0.25
"""How often it is looked for at their end."""
OWN_ROLES = ("main", "again")
"""In which the network's own resolvers are asked."""
MAX_OVERDUE = 8
"""Unanswered questions whose sockets are kept open."""
QUESTION_BYTES, RECORD_BYTES = 80, 16
ENCRYPTED_BYTES = CONNECTION_BYTES + HANDSHAKE_BYTES + 4000
"""A connection of its own to a resolver over TLS or HTTPS, its certificates included."""


def _traffic_bytes(detail: Dns) -> int:
    if detail.resolver == "getaddrinfo":
        return 2 * QUESTION_BYTES
    records = sum(RECORD_BYTES + len(answer.value) for answer in detail.answers)
    encrypted = ENCRYPTED_BYTES if detail.resolver.startswith(("https://", "tls://")) else 0
    return encrypted + (max(detail.sendings or 1, 1) + 1) * QUESTION_BYTES + records


SPEC = StepSpec(
    name="dns",
    order=10,
    detail=Dns,
    begins="name",
    failures={
        "dns_nxdomain_error": "dns.nxdomain",
        "dns_no_answer": "dns.empty",
        "android_dns_cache_no_data": "dns.empty",
        "dns_refused_error": "dns.refused",
        "dns_servfail_error": "dns.servfail",
        "dns_server_misbehaving": "dns.servfail",
        "dns_non_recoverable_failure": "dns.servfail",
        "dns_bogon_error": "dns.forged",
        "dns_reply_with_wrong_query_id": "dns.forged",
        "dns_temporary_failure": "dns.timeout",
        "generic_timeout_error": "dns.timeout",
        "connection_refused": "dns.timeout",
        "connection_reset": "dns.timeout",
        "eof_error": "dns.timeout",
        "host_unreachable": "dns.timeout",
    },
    methods=(
        MethodSpec("dns.nxdomain"),
        MethodSpec("dns.forged"),
        MethodSpec("dns.empty"),
        MethodSpec("dns.refused"),
        MethodSpec("dns.servfail"),
        MethodSpec("dns.timeout"),
    ),
    traffic_bytes=_traffic_bytes,
    one_packet=True,
)


class AnsweredQuestion(msgspec.Struct, frozen=True):
    """A question over UDP whose socket is still open for further answers, and until when."""

    about: StepContext
    detail: Dns
    query: client.DnsQuery
    socket: socket.socket
    until_s: float

    def close(self) -> None:
        self.socket.close()


class UnansweredQuestion(msgspec.Struct, frozen=True):
    """A question over UDP that timed out, and whose first answer may still come until then."""

    question: AnsweredQuestion

    def close(self) -> None:
        self.question.close()


async def ask(log: Log, about: StepContext, resolver: DnsResolver, query_type: str, settings: Settings) -> Observation:
    """Ask `resolver` for `about.host`; the failure is None only where an address came that may be connected to."""
    from probe.dns import client

    pending = log.begin(SPEC, about)
    chosen = filter_at(resolver.address, resolver.server_name)
    asked = detail = Dns(resolver=resolver.text, query_type=query_type, filter=chosen)
    try:
        if resolver.transport == "getaddrinfo":
            async with Deadline(settings.timeout_s):
                detail = await _getaddrinfo(log, about.host, detail)
        else:
            reply = await client.ask(log.network.lookups, about.host, resolver, query_type, settings)
            asked = msgspec.structs.replace(asked, sendings=reply.sendings)
            if reply.socket is not None:
                log.hold(AnsweredQuestion(about, asked, reply.query, reply.socket, log.elapsed() + LATE_S))
            detail = _read(reply.answer, asked)
        _check(detail, settings)
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        if isinstance(error, client.NoAnswer):
            until_s = log.elapsed() + (OVERDUE_TIMEOUTS - 1) * settings.timeout_s
            unanswered = UnansweredQuestion(AnsweredQuestion(about, asked, error.query, error.socket, until_s))
            if about.role in OWN_ROLES and log.holds(UnansweredQuestion) < MAX_OVERDUE:
                log.hold(unanswered)
            else:
                unanswered.close()
        return pending.end(detail, error, code=detail.rcode)
    return pending.end(detail)


async def hear_overdue(log: Log, settings: Settings) -> None:
    """Record the first answer to each question that had timed out (role `late`), and close their sockets.

    Waits until OVERDUE_TIMEOUTS after each question, or for one answer: its resolver is slow, and not silent.
    """
    from probe.dns import client

    with ExitStack() as stack:
        held = [unanswered.question for unanswered in log.take_held(UnansweredQuestion)]
        for asked in held:
            stack.callback(asked.close)
        while held:
            answers = [(asked, client.waiting(asked.socket, asked.query)) for asked in held]
            for asked, found in answers:
                if found:
                    _record_late(log, asked, found[0], settings)
            left_s = max(asked.until_s for asked in held) - log.elapsed()
            if left_s <= 0 or any(found for _, found in answers):
                return
            await log.network.sleep(min(OVERDUE_LOOK_S, left_s))


async def hear_late(log: Log, settings: Settings, *, wait: bool) -> None:
    """Record further answers to the questions answered so far (role `late`), and close their sockets.

    Without `wait` only what has already arrived; with it what comes until LATE_S after each question.
    """
    from probe.dns import client

    with ExitStack() as stack:
        held = log.take_held(AnsweredQuestion)
        for answered in held:
            stack.callback(answered.close)
        for answered in held:
            if wait and (left := answered.until_s - log.elapsed()) > 0:
                await asyncio.sleep(left)
            for answer in client.waiting(answered.socket, answered.query):
                _record_late(log, answered, answer, settings)


def _record_late(log: Log, answered: AnsweredQuestion, answer: DnsAnswer, settings: Settings) -> None:
    pending = log.begin(SPEC, msgspec.structs.replace(answered.about, role="late"))
    detail = _read(answer, answered.detail)
    try:
        _check(detail, settings)
    except Malformed as error:
        pending.end(detail, error, code=detail.rcode)
    else:
        pending.end(detail)


async def _getaddrinfo(log: Log, host: str, detail: Dns) -> Dns:
    from probe.dns.message import MAX_ANSWERS

    found = await log.network.getaddrinfo(host)
    return msgspec.structs.replace(
        detail, answers=tuple(Answer(type="AAAA" if ":" in a else "A", value=a) for a in found[:MAX_ANSWERS])
    )


def _read(answer: DnsAnswer, detail: Dns) -> Dns:
    return msgspec.structs.replace(
        detail,
        rcode=answer.rcode,
        answers=answer.answers,
        authenticated=answer.authenticated,
        truncated=answer.truncated,
        extended_errors=answer.extended_errors,
    )


def _check(detail: Dns, settings: Settings) -> None:
    """A reply that gives nothing to connect to is a failure with a name."""
    if detail.rcode:
        raise Malformed(RCODE_FAILURES.get(detail.rcode, "dns_server_misbehaving"), f"rcode {detail.rcode}")
    if not detail.addresses:
        raise Malformed("dns_no_answer", "no address in the answer")
    if not settings.allow_private and not any(is_public(address) for address in detail.addresses):
        raise Malformed("dns_bogon_error", "only addresses that are not public")
