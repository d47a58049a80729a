"""The checks of `doctor` without network access: files, database, schedule, registers, extras, hubs, exclusions."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from probe.text import safe
from probe.timestamps import epoch
from results.db import upload_queue
from results.db.history import last_round
from results.db.notification_queue import receivers, waiting_counts
from results.db.retention import NEEDED_BYTES, used_bytes
from results.judge.traffic import month_of, spent_in
from results.registers.statistics import newest_versions, statistics
from schedules.config.toml import ConfigError
from schedules.install import install
from schedules.install.units import BadSchedule
from schedules.location.location import Locator
from schedules.metrics import metrics
from schedules.notify import apprise_client
from schedules.plan.due import due_now
from schedules.plan.model import BadChoice
from schedules.plan.selection import unmeasured
from schedules.render.text import age, how_many
from schedules.round import consent
from schedules.round.unattended import reason_to_skip
from schedules.runtime import lock

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.install.install import Installed

State = Literal["fine", "worth knowing", "wrong"]
BAD_SETUP, NO_NETWORK = 2, 69
SOON_FULL_BYTES = 16 * NEEDED_BYTES
GROUP_OR_OTHERS = 0o077
FAILURES_WORTH_KNOWING = 3
LATE_S = 3600
"""A round is late if something has been due and none ran for this long."""
LINGER = Path("/var/lib/systemd/linger")
ASN_SOURCES = {
    "mmdb": "by this machine's public address and [asn]",
    "declared": "as [vantage] declares, wherever it is",
    "echoed": "as the group's hub sees it",
}


class CheckResult(msgspec.Struct, frozen=True):
    """The result of one check; `exit_code` is the one the command should end with because of it."""

    about: str
    state: State
    says: str
    exit_code: int = 0


def state_folder(folder: Path) -> CheckResult:
    if folder.exists() and not os.access(folder, os.W_OK):
        return CheckResult(
            "state folder", "wrong", f"{folder} cannot be written; set STATE_DIRECTORY or --db", BAD_SETUP
        )
    return CheckResult("state folder", "fine", str(folder))


def database(store: Store) -> CheckResult:
    """The integrity (quick_check) and size of the database."""
    broken = store.db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if broken != "ok":
        return CheckResult("database", "wrong", f"{store.path} is damaged ({broken}); restore a backup", BAD_SETUP)
    count, newest = store.db.execute("SELECT count(*), max(started_at) FROM findings").fetchone()
    size = store.path.stat().st_size / 1e6
    newest = f", the newest of {newest}" if newest else ""
    return CheckResult("database", "fine", f"{store.path}, {size:.1f} MB, {count} measurements{newest}")


def disk(store: Store, config: Config | None) -> Iterator[CheckResult]:
    """The free space, and the database size against its limit."""
    free = shutil.disk_usage(store.path.parent).free
    says = f"{free / 1e9:.1f} GB free" if free >= 1e9 else f"{free / 1e6:.0f} MB free"
    if free < NEEDED_BYTES:
        says += ", so nothing is measured; make room, or set STATE_DIRECTORY or --db"
        yield CheckResult("disk", "wrong", says, BAD_SETUP)
    elif free < SOON_FULL_BYTES:
        yield CheckResult("disk", "worth knowing", f"{says}; make room, or let less be kept: [store] max_mb, keep_days")
    else:
        yield CheckResult("disk", "fine", says)
    if config is None or config.store.max_bytes is None:
        return
    used = used_bytes(store.db)
    says = f"{used / 1e6:.1f} of {config.store.max_mb} MB that [store] max_mb allows"
    if used > config.store.max_bytes:
        says += "; what is left is the last week, and registers: allow more, or measure less often"
        yield CheckResult("size", "worth knowing", says)
    else:
        yield CheckResult("size", "fine", says)


def recorded_consent(environ: Mapping[str, str], store: Store) -> CheckResult:
    """Whether consent is recorded, since when, and to which text."""
    row = store.db.execute("SELECT text_version, given_at FROM consents ORDER BY text_version DESC, id DESC").fetchone()
    if row is None:
        if consent.agreed(environ, store):
            return CheckResult("consent", "fine", "by REACHPROBE_CONSENT, not recorded")
        return CheckResult("consent", "worth knowing", "not recorded; `reachprobe init` explains and asks")
    says = f"given on {row[1][:10]} to text {row[0]}"
    if row[0] < consent.TEXT_VERSION:
        says += f"; text {consent.TEXT_VERSION} speaks of more, `reachprobe init` asks again"
    return CheckResult("consent", "fine", says)


def schedules(environ: Mapping[str, str], config: Config, store: Store) -> Iterator[CheckResult]:
    """Whether a schedule is installed and active, and whether rounds run on time."""
    try:
        found = install.installed(Path(environ.get("HOME") or Path.home()))
    except BadSchedule as error:
        yield CheckResult("schedule", "worth knowing", str(error))
        return
    agent = _agent(store.path)
    for one in found:
        yield _installed_schedule(one)
    if agent is not None:
        yield CheckResult("schedule", "fine", agent)
    if not found and agent is None:
        says = "none, so nothing is measured by itself; `reachprobe schedule install`"
        yield CheckResult("schedule", "worth knowing", says)
    yield _rounds(config, store, time.time(), scheduled=bool(found) or agent is not None)


def _installed_schedule(one: Installed) -> CheckResult:
    if one.kind == "cron":
        return CheckResult("schedule", "fine", "lines in your crontab")
    where, unit = str(one.paths[0].parent), one.paths[0].name
    user = "--user " if one.kind == "user" else ""
    if one.active != "active":
        says = f"{unit} in {where} is {one.active or 'unknown to systemd'}; `systemctl {user}enable --now {unit}`"
        return CheckResult("schedule", "worth knowing", says)
    fired = f", fired last {one.last}" if one.last else ""
    if one.kind == "user" and not _lingers():
        says = f"{unit} in {where}{fired}; it runs only while you are logged in: `loginctl enable-linger`"
        return CheckResult("schedule", "worth knowing", says)
    return CheckResult("schedule", "fine", f"{unit} in {where}{fired}")


def _lingers() -> bool:
    """Whether this user's units run while the user is not logged in (logind lingering)."""
    try:
        return (LINGER / pwd.getpwuid(os.getuid()).pw_name).exists()
    except KeyError:
        return False


def _agent(database: Path) -> str | None:
    """A sentence if an agent holds the lock of this database."""
    if not database.with_name(f"{database.name}.agent.lock").exists():
        return None
    try:
        with lock.held(database, "agent"):
            return None
    except lock.Locked:
        return "`reachprobe agent` is running"


def _rounds(config: Config, store: Store, now: float, *, scheduled: bool) -> CheckResult:
    waiting, ran = due_now(config, store, now).count, last_round(store.db)
    due = f"{how_many(waiting, 'target')} due now" if waiting else "nothing is due now"
    if ran is None:
        return CheckResult("rounds", "worth knowing", f"none yet, {due}; `reachprobe run` is one")
    ago_s = now - epoch(ran)
    says = f"the last one {age(max(0.0, ago_s) / 86400)}, {due}"
    if scheduled and waiting and ago_s > LATE_S:
        says += "; the schedule is late, `journalctl -t reachprobe` or cron's mail may say why"
        return CheckResult("rounds", "worth knowing", says)
    return CheckResult("rounds", "fine", says)


def registers(config: Config, store: Store) -> Iterator[CheckResult]:
    country = config.vantage.country
    if country is None:
        says = "no country is set, so no register applies; set [vantage] country"
        yield CheckResult("registers", "worth knowing", says)
        return
    waiting = config.not_imported(newest_versions(store.db), country)
    found = [one for one in statistics(store.db, datetime.now(UTC), config.max_age_days) if one.country == country]
    if not found and not waiting:
        yield CheckResult(
            "registers", "worth knowing", f"none of {country} is stored; `reachprobe register import FILE`"
        )
    for table in waiting:
        says = f"{table.name} is configured, not imported; `{table.import_command}`"
        yield CheckResult("registers", "worth knowing", says)
    ways_out = {table.name: table.import_command for table in config.register}
    for one in found:
        way_out = ways_out.get(one.register, f"reachprobe register import FILE --as {one.register}")
        says = f"{age(one.age_days)}, {how_many(one.entries, 'entry', 'entries')}"
        says += f"; too old to decide, `{way_out}`" if one.stale else ""
        yield CheckResult(f"register {one.register}", "worth knowing" if one.stale else "fine", says)


def notifications(
    environ: Mapping[str, str], config: Config, config_file: Path | None, store: Store
) -> Iterator[CheckResult]:
    if find_spec("apprise") is None:
        yield CheckResult("notify", "wrong", apprise_client.MISSING, BAD_SETUP)
        return
    known = {receiver.name: receiver for receiver in receivers(store.db)}
    waiting = waiting_counts(store.db)
    for name, address in apprise_client.notify_urls(config).items():
        receiver = known.get(name)
        if (why := apprise_client.problem_of(address)) is not None:
            yield CheckResult("notify", "wrong", f"{name}: {why}; its URL is in [[notify]]", BAD_SETUP)
        elif receiver is not None and receiver.failures:
            often = how_many(receiver.failures, "time")
            says = f"{name}: failed {often} in a row, {waiting[name]} wait; `reachprobe notify --test {name}` says why"
            yield CheckResult("notify", "worth knowing", says)
        else:
            told = f"told last {receiver.told_at}" if receiver and receiver.told_at else "not told anything yet"
            yield CheckResult("notify", "fine", f"{name}: {told}")
    if (why := consent.reason_not_to_notify(environ, store)) is not None:
        yield CheckResult("notify", "worth knowing", why)
    if config_file is not None and config_file.stat().st_mode & GROUP_OR_OTHERS:
        says = f"others may read {config_file}, and the passwords in it; `chmod 600 {config_file}`"
        yield CheckResult("notify", "worth knowing", says)


def metrics_output(config: Config) -> CheckResult:
    if find_spec("prometheus_client") is None:
        return CheckResult("metrics", "wrong", metrics.MISSING, BAD_SETUP)
    folder = Path(config.metrics.textfile or "/").parent
    if config.metrics.textfile is not None and not os.access(folder, os.W_OK):
        says = f"{config.metrics.textfile}: {folder} is not there or cannot be written; name another [metrics] textfile"
        return CheckResult("metrics", "wrong", says, BAD_SETUP)
    places = filter(None, (config.metrics.textfile, config.metrics.listen and f"the agent's {config.metrics.listen}"))
    return CheckResult("metrics", "fine", " and ".join(places))


def hubs(environ: Mapping[str, str], config: Config, store: Store) -> Iterator[CheckResult]:
    """Whether this vantage is enrolled with the configured hubs, and whether uploads to them succeed."""
    named = dict.fromkeys((*((config.hub.url,) if config.hub.url is not None else ()), *config.control.all_hubs))
    enrolled = {hub.url: hub for hub in upload_queue.hubs(store.db)}
    for url in named:
        if url not in enrolled:
            says = f"{safe(url)}: not enrolled there; `reachprobe init --hub URL --invitation TOKEN`"
            yield CheckResult("hub", "worth knowing", says)
            continue
        hub = enrolled[url]
        waits, refused = upload_queue.counts(store.db, url)
        says = f"{safe(url)}, as {safe(hub.name)}: {waits} waiting, {hub.sent} sent, {refused} refused"
        if hub.failures >= FAILURES_WORTH_KNOWING and hub.said:
            says += f"; not taken {hub.failures} times in a row: {safe(hub.said)}"
        troubled = hub.failures >= FAILURES_WORTH_KNOWING or refused > 0
        yield CheckResult("hub", "worth knowing" if troubled else "fine", says)
    if named and (why := consent.reason_not_to_upload(environ, store)) is not None:
        yield CheckResult("hub", "worth knowing", why)


def limits(config: Config, store: Store) -> Iterator[CheckResult]:
    """Pauses, the data cap, exclusions, tunnels, and the ASN."""
    try:
        here = Locator(b"").locate(config)
    except ConfigError as error:
        yield CheckResult("asn", "wrong", str(error), BAD_SETUP)
        return
    if (why := reason_to_skip(here, store, time.time())) is not None:
        yield CheckResult("rounds", "worth knowing", why)
    if config.care.cap_bytes is not None:
        month = month_of(datetime.now(UTC))
        says = f"{spent_in(store.db, month) / 1e6:.1f} of {config.care.data_cap_mb} MB in {month}"
        yield CheckResult("data cap", "fine", says)
    try:
        for sentence in unmeasured(here, store):
            yield CheckResult("campaigns", "worth knowing", sentence)
    except BadChoice:
        pass  # reported by `schedules`
    place, vantage = here.place("direct"), here.vantage_by("direct")
    for sentence in place.sentences:
        yield CheckResult("tunnel", "worth knowing", sentence)
    if vantage.asn is not None:
        yield CheckResult("asn", "fine", f"AS{vantage.asn}, {ASN_SOURCES.get(place.asn_source or '', 'declared')}")
