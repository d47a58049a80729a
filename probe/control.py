"""The same target at the same moment from a place that is not censored: here, by another path."""

from __future__ import annotations

import msgspec

from probe.means import Means, no_follow_up
from probe.measure import measure
from probe.model import Measurement


async def measure_control(measurement: Measurement, control: Means) -> Measurement:
    """The measurement's target by the control's path, without follow-ups; `control_of` names the measurement."""
    return await measure(
        measurement.target,
        msgspec.structs.replace(control, follow_up=no_follow_up),
        control_of=measurement.id,
    )
