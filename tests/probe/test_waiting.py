"""A follow-up that is to come later: the network's clock is asked to wait, and nobody sleeps here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from probe.measure import measure
from probe.model import Attempt, Lookup, Measurement
from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.target import parse
from schedules.demo import sites
from tests.lab.network import LabNetwork
from tests.probe.loopback import session_in


class Patient(RealNetwork):
    """Notes how long it was to wait, and does not."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


async def test_an_attempt_waits_on_the_networks_clock_and_sends_the_innocent_name_as_host(net: LabNetwork) -> None:
    heard: list[str] = []

    async def respond(request: sites.SiteRequest, stream: sites.Stream) -> None:
        heard.append(request.host)
        await sites.page("Any")(request, stream)

    site = net.add_site("site.x.test", respond, tls=False)

    def later(measurement: Measurement) -> Sequence[Lookup | Attempt]:
        if any(o.role == "innocent" for o in measurement.observations):
            return ()
        attempt = Attempt(
            role="innocent",
            hop=0,
            scheme="http",
            host=site.name,
            server_name="innocent.x.test",
            address=site.address,
            port=site.port,
            request_path="/",
            after_s=30.0,
        )
        return (attempt,)

    patient = Patient()
    how = msgspec.structs.replace(session_in(net), network=patient, follow_up=later)
    measured = await measure(parse(site.url, allow_private=True), how)
    innocent = [o for o in measured.observations if o.role == "innocent"]
    assert patient.waited == [30.0]
    assert [(o.step, o.host, o.failure) for o in innocent] == [("tcp", site.name, None), ("http", site.name, None)]
    assert heard == ["site.x.test", "innocent.x.test"]
    assert innocent[-1].detail.url == f"http://innocent.x.test:{site.port}/"
