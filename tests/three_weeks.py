"""Three weeks at five vantages whose truth is known: real measurements, judged by the real rules and a real register.

The register lists WeChat on 5 May 2017. Two networks block it on the 6th, a third on the 9th, a fourth never, and by
a VPN it stays open. Beside it stand a service that all four networks have blocked since long before, one that nobody
lists and one network blocks all the same, one that nobody blocks, and one that is down.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from probe import target as targets
from probe.model import Measurement, Target, Vantage
from results.db.store import Store
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context, Verdict
from results.registers.importing import ImportOptions, import_register
from schedules.config.load import load
from schedules.round.judge import judge_again
from tests.scenarios.builder import measurement as built

START = datetime(2017, 5, 1, tzinfo=UTC)
DAYS, A_DAY = 21, 4
MOSCOW = timedelta(hours=3)
LISTED = datetime(2017, 5, 5, 7, 30, tzinfo=UTC)
"""When the register began to list WeChat, in its own words 10:30 in Moscow."""
HOME, MOBILE, OFFICE, VILLAGE, VPN = vantages = (
    Vantage(name="home", country="RU", asn=12389, network_name="Rostelecom"),
    Vantage(name="mobile", country="RU", asn=8402, network_name="Corbina"),
    Vantage(name="office", country="RU", asn=3216, network_name="Sovam"),
    Vantage(name="village", country="RU", asn=25513, network_name="MGTS"),
    Vantage(name="home", country="NL", asn=1136, path="vpn"),
)
CONTROL = Vantage(name="control", country="SE", asn=1257, path="control")
BLOCKED_SINCE = {
    HOME: datetime(2017, 5, 6, 8, tzinfo=UTC),
    MOBILE: datetime(2017, 5, 6, 15, tzinfo=UTC),
    OFFICE: datetime(2017, 5, 9, 11, tzinfo=UTC),
}
"""When each network really began to block WeChat; the others never did."""
WECHAT = tuple(
    targets.parse(text, service="wechat", required=True)
    for text in ("https://www.wechat.com/", "https://web.wechat.com/")
)
LINKEDIN, LINE, SIGNAL, BBM = (
    targets.parse(text, service=service, required=True)
    for text, service in (
        ("https://www.linkedin.com/", "linkedin"),
        ("https://line.example/", "line"),
        ("https://signal.example/", "signal"),
        ("https://bbm.example/", "bbm"),
    )
)
UNJUDGED = Verdict(outcome="inconclusive", rules=(), evidence=(), rules_version="")
OPEN = {"main": ["dns 23.10.1.1", "tcp ok", "tls ok", "http 200 title=Hello"]}
RESET = {
    "main": ["dns 23.10.1.1", "tcp ok", "tls reset"],
    "trusted": ["dns 23.10.1.1"],
    "innocent": ["tcp ok", "tls ok"],
    "again": ["tcp ok", "tls reset"],
    "elsewhere_innocent": ["tcp ok @198.41.3.3", "tls ok"],
    "elsewhere": ["tcp ok @198.41.3.3", "tls reset"],
}
DENIED_NAME = {"main": ["dns nxdomain"], "again": ["dns nxdomain"], "trusted": ["dns 23.10.1.1", "tcp ok", "tls ok"]}
REFUSED = {"main": ["dns 23.10.1.1", "tcp refused"], "again": ["tcp refused"], "trusted": ["dns 23.10.1.1"]}
FLAKE = {"main": ["dns 23.10.1.1", "tcp ok", "tls reset"], "again": ["tcp ok", "tls ok"], "trusted": ["dns 23.10.1.1"]}
METHODS = {HOME: RESET, MOBILE: RESET, OFFICE: DENIED_NAME, VILLAGE: RESET}
"""By what each network blocks: two of them by the same box."""


def moments() -> Iterator[datetime]:
    """When the rounds begin: every six hours."""
    for number in range(DAYS * A_DAY):
        yield START + timedelta(hours=24 // A_DAY * number, minutes=7)


def is_blocked(target: Target, vantage: Vantage, at: datetime) -> bool:
    """The truth."""
    if vantage == VPN:
        return False
    if target in WECHAT:
        return vantage in BLOCKED_SINCE and at >= BLOCKED_SINCE[vantage]
    return target == LINKEDIN or (target == LINE and vantage == OFFICE)


def make(folder: Path, *, together: bool = False) -> list[Path]:
    """The databases, one for each vantage or one of all; every measurement is stored, judged and held against the
    register."""
    made = []
    for number, vantage in enumerate(vantages):
        path = folder / ("all.db" if together else f"{number}-{vantage.name}-{vantage.path}.db")
        store = Store.open(path)
        if path not in made:
            made.append(path)
            _import_registers(store, folder)
        _fill(store, vantage, random.Random(vantage.asn))
        store.close()
    return made


def _fill(store: Store, vantage: Vantage, chance: random.Random) -> None:
    judge = judge_again(store, load(None, {"REACHPROBE_VANTAGE_COUNTRY": "RU"}, {}))
    found = []
    for at in moments():
        round_ = RoundRecord(id=f"{vantage.name}-{vantage.path}-{at:%d%H}", started_at=_instant(at), network="online")
        store.save_round(round_)
        for number, target in enumerate((*WECHAT, LINKEDIN, LINE, SIGNAL, BBM)):
            began = at + timedelta(seconds=number)
            found.append(judge(_finished(target, vantage, began, round_.id, chance)))
    store.save(found)


def _finished(
    target: Target, vantage: Vantage, at: datetime, round_id: str, chance: random.Random
) -> JudgedMeasurement:
    name = f"{vantage.asn}{vantage.path}{at:%d%H%M%S}x"
    what, control = _what_happens(target, vantage, at, chance), []
    if target == BBM:
        control = [_measured(REFUSED, target, CONTROL, at, f"{name}c", name)]
    measured = _measured(what, target, vantage, at, name)
    context = Context(country=vantage.country)
    return JudgedMeasurement(
        measurement=measured,
        controls=tuple(control),
        context=context,
        verdict=UNJUDGED,
        agreement="undecided",
        round_id=round_id,
    )


def _what_happens(target: Target, vantage: Vantage, at: datetime, chance: random.Random) -> dict[str, Any]:
    """What the network does; one try in thirty fails once, which is no block, and one in fifty slips through one."""
    if target == BBM:
        return REFUSED
    settled = (START + timedelta(days=DAYS) - at) > timedelta(hours=13)
    luck = chance.random()
    if not is_blocked(target, vantage, at):
        return FLAKE if settled and luck < 1 / 30 else OPEN
    return OPEN if settled and luck < 1 / 50 else METHODS[vantage]


def _measured(
    what: dict[str, Any], target: Target, vantage: Vantage, at: datetime, name: str, control_of: str | None = None
) -> Measurement:
    made = built(what, target, 0)
    observations = tuple(
        msgspec.structs.replace(o, id=f"{name}.{n}", started_at=_instant(at))
        for n, o in enumerate(made.observations, 1)
    )
    return msgspec.structs.replace(
        made, id=name, vantage=vantage, started_at=_instant(at), observations=observations, control_of=control_of
    )


def _import_registers(store: Store, folder: Path) -> None:
    """Every day's version of the register, as an agent would have fetched it."""
    for day in range(-1, DAYS + 1):
        updated = START + timedelta(days=day, hours=9)
        file = folder / "dump.xml"
        file.write_bytes(_dump(updated).encode("cp1251"))
        import_register(store.db, [file], ImportOptions(name="rkn", country="RU", now=updated))
    file.unlink()


def _dump(updated: datetime) -> str:
    contents = _content("1", "2016-11-17T10:00:00", "суд", "2-1", "www.linkedin.com")
    if updated >= LISTED:
        contents += "".join(
            _content(
                str(number), f"{LISTED + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}", "Роскомнадзор", "3-1", target.host
            )
            for number, target in enumerate(WECHAT, 2)
        )
    moscow = updated + MOSCOW
    return (
        '<?xml version="1.0" encoding="windows-1251"?><reg:register xmlns:reg="http://rsoc.ru" '
        f'updateTime="{moscow:%Y-%m-%dT%H:%M:%S}+03:00" formatVersion="2.4">{contents}</reg:register>'
    )


def _content(number: str, included: str, authority: str, decision: str, host: str) -> str:
    return (
        f'<content id="{number}" includeTime="{included}" entryType="4" blockType="domain">'
        f'<decision date="{included[:10]}" number="{decision}" org="{authority}"/>'
        f"<domain><![CDATA[{host}]]></domain></content>"
    )


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
