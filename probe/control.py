"""The same target at the same moment from a place that is not censored: here, by another path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from probe.measure import measure
from probe.model import Measurement
from probe.session import Session, no_follow_up

ControlSource = Callable[[Measurement], Awaitable[Sequence[Measurement]]]
"""Asked for the controls of a measurement: made for it (`control_of` names it), or found in a record. Never raises."""


def by_path(control: Session) -> ControlSource:
    """The same target at the same moment by another path."""

    async def source(measurement: Measurement) -> Sequence[Measurement]:
        return (await measure_control(measurement, control),)

    return source


async def measure_control(measurement: Measurement, control: Session) -> Measurement:
    """The measurement's target by the control's path, without follow-ups; `control_of` names the measurement."""
    return await measure(
        measurement.target,
        msgspec.structs.replace(control, follow_up=no_follow_up),
        control_of=measurement.id,
    )
