"""Targets that campaigns draw from a register: endpoints for DNS, TCP and TLS, never a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probe.model import Target
from probe.target import BadTarget, parse

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import CampaignTable, Config


def sampled(campaign: CampaignTable, store: Store, leave_out: Collection[str] = ()) -> Iterator[Target]:
    """What the campaign draws from its register today; nothing where no version of it is stored.

    `leave_out`: authorities and articles whose hosts are not drawn.
    """
    from results.registers.records import RegisterError
    from results.registers.samples import drawn

    if campaign.register is None or campaign.sample is None:
        return
    try:
        found = drawn(
            store.db,
            campaign.register,
            size=campaign.sample,
            seed=campaign.seed,
            include=campaign.include,
            leave_out=leave_out,
            now=datetime.now(UTC),
        )
    except RegisterError:
        return
    for text in found.targets:
        try:
            target = parse(text)
        except BadTarget:
            continue  # a name that registers list and nobody can ask for
        if target.scheme == "tls" and target.request_path is None:
            yield target


def waiting(config: Config, store: Store | None) -> list[str]:
    """A sentence for each campaign whose register is not stored yet."""
    stored = "SELECT name FROM registers WHERE id IN (SELECT register_id FROM register_versions)"
    known = {row[0] for row in store.db.execute(stored)} if store is not None else set()
    return [
        f"campaign {campaign.name} waits: no version of register {campaign.register} is stored;"
        " `reachprobe register update` fetches it"
        for campaign in config.campaign
        if campaign.register is not None and campaign.register not in known
    ]
