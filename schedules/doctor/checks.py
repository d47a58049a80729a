"""The checks of `doctor` without network access: files, database, schedule, registers, extras, hubs, exclusions."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from gettext import gettext as _
from gettext import ngettext
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import msgspec

from probe.text import safe
from probe.timestamps import epoch, rfc3339
from results.db import upload_queue
from results.db.notification_queue import receivers, waiting_counts
from results.db.read import last_round
from results.db.retention import NEEDED_BYTES, used_bytes
from results.db.store import Store
from results.fingerprints import collection
from results.fingerprints.fingerprint import FingerprintError
from results.judge.signals.context import INTERNAL_ERROR
from results.judge.traffic import month_of, spent_in
from results.judge.verdict import evidence_from
from results.judge.wording import sentences
from results.registers.statistics import newest_versions, statistics
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from schedules.install import install
from schedules.install.install import BadSchedule, Installed
from schedules.location.location import Locator
from schedules.metrics import metrics
from schedules.notify import apprise_client
from schedules.plan.due import due_now
from schedules.plan.model import BadChoice
from schedules.plan.selection import unmeasured
from schedules.render.text import age, how_many, words
from schedules.round import consent
from schedules.round.unattended import reason_to_skip
from schedules.runtime import lock

State = Literal["fine", "worth knowing", "wrong"]
BAD_SETUP, NO_NETWORK = 2, 69
SOON_FULL_BYTES = 16 * NEEDED_BYTES
GROUP_OR_OTHERS = 0o077
FAILURES_WORTH_KNOWING = 3
OLD_LISTS_DAYS = 365
ERROR_DAYS = 30
"""For how long an internal error is worth knowing."""
LATE_S = 3600
"""A round is late if something has been due and none ran for this long."""
LINGER = Path("/var/lib/systemd/linger")


class CheckResult(msgspec.Struct, frozen=True):
    """The result of one check, and the exit code that it calls for."""

    about: str
    state: State
    says: str
    exit_code: int = 0

    @property
    def title(self) -> str:
        """`about` in the reader's language."""
        say = words()
        kind, _space, name = self.about.partition(" ")
        return say.say("check.register", name=name) if kind == "register" else say.term("check", self.about)


def fine(about: str, says: str) -> CheckResult:
    return CheckResult(about, "fine", says)


def worth_knowing(about: str, says: str) -> CheckResult:
    return CheckResult(about, "worth knowing", says)


def wrong(about: str, says: str) -> CheckResult:
    """A broken setup."""
    return CheckResult(about, "wrong", says, BAD_SETUP)


def state_folder(folder: Path) -> CheckResult:
    if folder.exists() and not os.access(folder, os.W_OK):
        return wrong("state folder", _("{folder} is not writable; set STATE_DIRECTORY or --db").format(folder=folder))
    return fine("state folder", str(folder))


def database(store: Store) -> CheckResult:
    """The integrity (quick_check) and size of the database."""
    broken = store.db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if broken != "ok":
        says = _("{path} is damaged ({error}); restore a backup").format(path=store.path, error=broken)
        return wrong("database", says)
    count, newest = store.db.execute("SELECT count(*), max(started_at) FROM findings").fetchone()
    says = ngettext("{path}, {size} MB, {count} measurement", "{path}, {size} MB, {count} measurements", count).format(
        path=store.path, size=words().number(round(store.path.stat().st_size / 1e6, 1)), count=count
    )
    last = [_("newest {time}").format(time=words().when(newest))] if newest else []
    return fine("database", ", ".join((says, *last)))


def internal_errors(store: Store) -> Iterator[CheckResult]:
    """How many measurements of the last days a bug of ours ended."""
    since = rfc3339(datetime.now(UTC) - timedelta(days=ERROR_DAYS))
    count, newest, evidence = store.db.execute(
        "SELECT count(*), max(started_at), evidence FROM verdicts WHERE rules = ? AND started_at > ?",
        [json.dumps([INTERNAL_ERROR]), since],
    ).fetchone()
    if count:
        says = ngettext(
            "{count} measurement in {days} days, newest at {time}: {error}; please report it",
            "{count} measurements in {days} days, newest at {time}: {error}; please report it",
            count,
        )
        error = safe(sentences(evidence_from(evidence), words())[0])
        yield worth_knowing(
            "internal errors", says.format(count=count, days=ERROR_DAYS, time=words().when(newest), error=error)
        )


def disk(store: Store, config: Config | None) -> Iterator[CheckResult]:
    """The free space, and the database size against its limit."""
    free = shutil.disk_usage(store.path.parent).free
    says = (_("{size} GB free") if free >= 1e9 else _("{size} MB free")).format(
        size=words().number(round(free / 1e9, 1)) if free >= 1e9 else f"{free / 1e6:.0f}"
    )
    if free < NEEDED_BYTES:
        way_out = _("too little, so nothing is measured; free some space, or set STATE_DIRECTORY or --db")
        yield wrong("disk", f"{says}: {way_out}")
    elif free < SOON_FULL_BYTES:
        yield worth_knowing("disk", "; ".join((says, _("free some space, or lower [store] max_mb or keep_days"))))
    else:
        yield fine("disk", says)
    if config is None or config.store.max_bytes is None:
        return
    used = used_bytes(store.db)
    says = _("{used} of {limit} MB allowed by [store] max_mb").format(
        used=words().number(round(used / 1e6, 1)), limit=config.store.max_mb
    )
    if used > config.store.max_bytes:
        way_out = _("only the last week and the registers are left: raise the limit, or measure less often")
        yield worth_knowing("size", f"{says}; {way_out}")
    else:
        yield fine("size", says)


def recorded_consent(environ: Mapping[str, str], store: Store) -> CheckResult:
    """Whether consent is recorded, since when, and to which text."""
    row = store.db.execute("SELECT text_version, given_at FROM consents ORDER BY text_version DESC, id DESC").fetchone()
    if row is None:
        if consent.agreed(environ, store):
            return fine("consent", _("given by REACHPROBE_CONSENT, not recorded"))
        return worth_knowing("consent", _("not recorded; `reachprobe init` explains and asks"))
    says = _("given on {date} (version {version})").format(date=words().when(row[1][:10]), version=row[0])
    if row[0] < consent.TEXT_VERSION:
        more = _("version {version} covers more; `reachprobe init` asks again").format(version=consent.TEXT_VERSION)
        says = f"{says}; {more}"
    return fine("consent", says)


def schedules(environ: Mapping[str, str], config: Config, store: Store) -> Iterator[CheckResult]:
    """Whether a schedule is installed and active, and whether rounds run on time."""
    try:
        found = install.installed(Path(environ.get("HOME") or Path.home()))
    except BadSchedule as error:
        yield worth_knowing("schedule", str(error))
        return
    agent = _agent(store.path)
    for one in found:
        yield _installed_schedule(one)
    if agent is not None:
        yield fine("schedule", agent)
    if not found and agent is None:
        yield worth_knowing(
            "schedule", _("none, so nothing is measured automatically; use `reachprobe schedule install`")
        )
    yield _rounds(config, store, time.time(), scheduled=bool(found) or agent is not None)


def _installed_schedule(one: Installed) -> CheckResult:
    if one.kind == "cron":
        return fine("schedule", _("in your crontab"))
    where, unit = str(one.paths[0].parent), one.paths[0].name
    user = "--user " if one.kind == "user" else ""
    if one.active != "active":
        says = _("{unit} in {folder} is {state}; use `systemctl {user}enable --now {unit}`")
        state = one.active or _("unknown to systemd")
        return worth_knowing("schedule", says.format(unit=unit, folder=where, state=state, user=user))
    says = _("{unit} in {folder}").format(unit=unit, folder=where)
    if one.last:
        says = _("{unit} in {folder}, last started {time}").format(unit=unit, folder=where, time=one.last)
    if one.kind == "user" and not _lingers():
        linger = _("it runs only while you are logged in; use `loginctl enable-linger`")
        return worth_knowing("schedule", f"{says}; {linger}")
    return fine("schedule", says)


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
        return _("`reachprobe agent` is running")


def _rounds(config: Config, store: Store, now: float, *, scheduled: bool) -> CheckResult:
    waiting, ran = due_now(config, store, now).count, last_round(store.db)
    due = ngettext("{count} target due now", "{count} targets due now", waiting).format(count=waiting)
    due = due if waiting else _("nothing due now")
    if ran is None:
        return worth_knowing("rounds", _("none yet, {due}; use `reachprobe run`").format(due=due))
    ago_s = now - epoch(ran)
    says = _("last one {age}, {due}").format(age=age(max(0.0, ago_s) / 86400), due=due)
    if scheduled and waiting and ago_s > LATE_S:
        late = _("the schedule is late, see `journalctl -t reachprobe` or cron's mail")
        return worth_knowing("rounds", f"{says}; {late}")
    return fine("rounds", says)


def registers(config: Config, store: Store) -> Iterator[CheckResult]:
    country = config.vantage.country
    if country is None:
        yield worth_knowing("registers", _("country not set, so no register applies; set [vantage] country"))
        return
    waiting = config.not_imported(newest_versions(store.db), country)
    found = [one for one in statistics(store.db, datetime.now(UTC), config.max_age_days) if one.country == country]
    if not found and not waiting:
        says = _("none imported for {country}; use `reachprobe register import FILE`").format(country=country)
        yield worth_knowing("registers", says)
    for table in waiting:
        says = _("{register} is configured but not imported; use `{command}`")
        yield worth_knowing("registers", says.format(register=table.name, command=table.import_command))
    ways_out = {table.name: table.import_command for table in config.register}
    for one in found:
        way_out = ways_out.get(one.register, f"reachprobe register import FILE --as {one.register}")
        says = f"{age(one.age_days)}, {how_many(one.entries, 'entry')}"
        if one.stale:
            says = "; ".join((says, _("too old to use, run `{command}`").format(command=way_out)))
        yield CheckResult(f"register {one.register}", "worth knowing" if one.stale else "fine", says)


def block_page_lists(config: Config, store: Store) -> CheckResult:
    """Whether published lists of block pages are loaded, and how old they are."""
    source = "" if config.fingerprints.sources else " --published"
    command = f"`reachprobe fingerprints update{source}`"
    try:
        found = collection.load(collection.place(store.path))
    except FingerprintError as error:
        return wrong("fingerprints", str(error))
    if found is None:
        says = _("no published lists of block pages; download them with {command}").format(command=command)
        return worth_knowing("fingerprints", says)
    age_days = (time.time() - epoch(found.updated)) / 86400
    count = len(found.sources)
    says = ngettext("{prints} from {count} list", "{prints} from {count} lists", count)
    says = ", ".join((says.format(prints=len(found.prints), count=count), age(max(0.0, age_days))))
    if age_days > OLD_LISTS_DAYS:
        return worth_knowing("fingerprints", "; ".join((says, _("update them with {command}").format(command=command))))
    return fine("fingerprints", says)


def notifications(
    environ: Mapping[str, str], config: Config, config_file: Path | None, store: Store
) -> Iterator[CheckResult]:
    if find_spec("apprise") is None:
        yield wrong("notify", apprise_client.missing())
        return
    known = {receiver.name: receiver for receiver in receivers(store.db)}
    waiting = waiting_counts(store.db)
    for name, address in apprise_client.notify_urls(config).items():
        receiver = known.get(name)
        if (why := apprise_client.problem_of(address)) is not None:
            says = _("{recipient}: {reason}; its URL is in [[notify]]").format(recipient=name, reason=why)
            yield wrong("notify", says)
        elif receiver is not None and receiver.failures:
            says = ngettext(
                "{name}: failed {count} time, {queued} queued; see `reachprobe notify --test {name}`",
                "{name}: failed {count} times in a row, {queued} queued; see `reachprobe notify --test {name}`",
                receiver.failures,
            ).format(name=name, count=receiver.failures, queued=waiting[name])
            yield worth_knowing("notify", says)
        elif receiver is not None and receiver.told_at:
            says = _("{recipient}: last sent {time}").format(recipient=name, time=words().when(receiver.told_at))
            yield fine("notify", says)
        else:
            yield fine("notify", _("{recipient}: nothing sent yet").format(recipient=name))
    if (why := consent.reason_not_to_notify(environ, store)) is not None:
        yield worth_knowing("notify", why)
    if config_file is not None and config_file.stat().st_mode & GROUP_OR_OTHERS:
        says = _("other users can read {path} and the passwords in it; use `chmod 600 {path}`")
        yield worth_knowing("notify", says.format(path=config_file))


def metrics_output(config: Config) -> CheckResult:
    if find_spec("prometheus_client") is None:
        return wrong("metrics", metrics.missing())
    folder = Path(config.metrics.textfile or "/").parent
    if config.metrics.textfile is not None and not os.access(folder, os.W_OK):
        says = _("{path}: {folder} does not exist or is not writable; change [metrics] textfile")
        return wrong("metrics", says.format(path=config.metrics.textfile, folder=folder))
    places = [config.metrics.textfile] if config.metrics.textfile is not None else []
    if config.metrics.listen is not None:
        places.append(_("{address} of the agent").format(address=config.metrics.listen))
    return fine("metrics", ", ".join(places))


def hubs(environ: Mapping[str, str], config: Config, store: Store) -> Iterator[CheckResult]:
    """Whether this vantage is enrolled with the configured hubs, and whether uploads to them succeed."""
    named = dict.fromkeys((*((config.hub.url,) if config.hub.url is not None else ()), *config.control.all_hubs))
    enrolled = {hub.url: hub for hub in upload_queue.hubs(store.db)}
    for url in named:
        if url not in enrolled:
            says = _("{url}: not enrolled; use `reachprobe init --hub URL --invitation TOKEN`")
            yield worth_knowing("hub", says.format(url=safe(url)))
            continue
        hub = enrolled[url]
        waits, refused = upload_queue.counts(store.db, url)
        says = _("{url}, as {name}: {queued} queued, {sent} uploaded, {refused} refused").format(
            url=safe(url), name=safe(hub.name), queued=waits, sent=hub.sent, refused=refused
        )
        if hub.failures >= FAILURES_WORTH_KNOWING and hub.said:
            failed = ngettext("failed {count} time: {reason}", "failed {count} times in a row: {reason}", hub.failures)
            says = f"{says}; {failed.format(count=hub.failures, reason=safe(hub.said))}"
        troubled = hub.failures >= FAILURES_WORTH_KNOWING or refused > 0
        yield CheckResult("hub", "worth knowing" if troubled else "fine", says)
    if named and (why := consent.reason_not_to_upload(environ, store)) is not None:
        yield worth_knowing("hub", why)


def limits(config: Config, store: Store) -> Iterator[CheckResult]:
    """Pauses, the data cap, exclusions, tunnels, and the ASN."""
    try:
        here = Locator(b"").locate(config)
    except ConfigError as error:
        yield wrong("asn", str(error))
        return
    if (why := reason_to_skip(here, store, time.time())) is not None:
        yield worth_knowing("rounds", why)
    if config.care.cap_bytes is not None:
        month = month_of(datetime.now(UTC))
        says = _("{used} of {limit} MB used in {month}")
        used = words().number(round(spent_in(store.db, month) / 1e6, 1))
        yield fine("data cap", says.format(used=used, limit=config.care.data_cap_mb, month=month))
    try:
        for sentence in unmeasured(here, store):
            yield worth_knowing("campaigns", sentence)
    except BadChoice:
        pass  # reported by `schedules`
    place, vantage = here.place("direct"), here.vantage_by("direct")
    for sentence in place.sentences:
        yield worth_knowing("tunnel", sentence)
    if vantage.asn is not None:
        yield fine("asn", _asn_source(place.asn_source).format(asn=f"AS{vantage.asn}"))


def _asn_source(source: str | None) -> str:
    if source == "mmdb":
        return _("{asn}, from this machine's public address and [asn]")
    return _("{asn}, as seen by the group's hub") if source == "echoed" else _("{asn}, declared in [vantage]")
