"""What /openapi.json says is what there is; and whatever is sent by it or against it, nothing in the hub breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from results.fingerprints import collection as collecting
from results.fingerprints.fingerprint import Fingerprint
from results.hub.credentials import hash_password
from results.hub.distribution import Distribution
from results.hub.query import CorrectionsQuery, ExportQuery, MeasurementsQuery, OutagesQuery
from results.hub.routes import OPENAPI
from schedules.hub_server.server import read_targets
from tests.results.hub.asgi_client import OPERATOR, Inside
from tests.results.hub.hub_process import RunningHub, record
from tests.results.hub.test_distribution import with_register

DESCRIPTION: dict[str, Any] = json.loads(OPENAPI)
EXAMPLES = 20
"""For each operation: what a member may ask in a short time has a limit, and beyond it nothing but 429 is learned."""
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class Served:
    """A hub with something of everything, whose every way to the network leads nowhere."""

    def __init__(self, folder: Path) -> None:
        (folder / "targets.csv").write_text("https://a.example/\n")
        self.hub = RunningHub(
            folder,
            '[network]\nresolvers = ["udp://127.0.0.1:9"]\ntrusted_resolvers = []\nno_resolver = ""\ntimeout_s = 0.2\n'
            f'[hub]\nreading = "members"\noperator_password = "{hash_password(OPERATOR)}"\n'
            f'targets = "{folder}/targets.csv"\n',
        )
        with_register(folder)
        prints = (Fingerprint(name="x", scope="nat", where="body", how="contains", pattern="blocked here"),)
        collection = collecting.Collection(updated="2026-11-24T00:00:00Z", sources=(), prints=prints)
        collecting.store(collection, collecting.place(self.hub.db))
        self.hub.start()
        self.token = asyncio.run(self._filled())

    async def _filled(self) -> str:
        token = await self.hub.enrol("home-fibre")
        await self.hub.send(token, [record(f"2kq7aaa{number}") for number in range(5)])
        # Known from now on, so that wrong invitations from the same place do not keep the operator out.
        assert (await self.hub.get("/metrics", Authorization=f"Bearer {OPERATOR}"))[0] == 200
        return token


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("described"))
    yield made
    made.hub.kill()


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes:
    """A body of lines goes out as it is drawn."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()]
KINDS = ("as it is described", "against the description")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method.upper()} {one.path}")
def test_no_request_breaks_the_hub_and_responses_match_the_description(
    served: Served, operation: Any, kind: str
) -> None:
    secret = OPERATOR if operation.path == "/metrics" else served.token
    mode = GenerationMode.POSITIVE if kind == KINDS[0] else GenerationMode.NEGATIVE

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    def whatever_is_sent(case: Any) -> None:
        case.call_and_validate(
            base_url=served.hub.url, headers={"Authorization": f"Bearer {secret}"}, checks=CHECKS, timeout=30
        )

    try:
        whatever_is_sent()
    except Unsatisfiable:
        assert kind == KINDS[1], "what takes nothing cannot be asked for wrongly"
    assert served.hub.process is not None
    assert served.hub.process.poll() is None


def test_exactly_the_routes_are_described(tmp_path: Path) -> None:
    from results.hub import metrics_api
    from results.hub.routes import HubRoute, whoami_route
    from schedules.config.schema import Config
    from schedules.hub_server.server import controls

    control = controls(Config())
    more = [
        HubRoute("POST", "/v1/control", control.handle),
        *Distribution(tmp_path / "hub.db", None, read_targets).routes(),
        HubRoute("GET", "/metrics", metrics_api.metrics, "operator"),
        whoami_route(None),
    ]
    with Inside(tmp_path, more=more) as app:
        there = {(route.path, method) for route in app.routes for method in route.methods - {"HEAD"}}
    said = {(path, method.upper()) for path, methods in DESCRIPTION["paths"].items() for method in methods}
    assert said == there


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("measurements", MeasurementsQuery),
        ("export", ExportQuery),
        ("outages", OutagesQuery),
        ("corrections", CorrectionsQuery),
    ],
)
def test_the_described_parameters_are_those_that_are_read(path: str, kind: type[msgspec.Struct]) -> None:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    read = {name: (name in schema.get("required", ()), bare(field)) for name, field in schema["properties"].items()}
    known = DESCRIPTION["components"]["parameters"]
    given = DESCRIPTION["paths"][f"/v1/{path}"]["get"]["parameters"]
    said = [known[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in given]
    assert {one["name"]: (one["required"], bare(one["schema"])) for one in said} == read


def bare(schema: dict[str, Any]) -> dict[str, Any]:
    """Without null, for a query parameter is absent, never null, and without the default."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    found = {key: value for key, value in (kinds[0] if kinds else schema).items() if key != "default"}
    return found | ({"enum": [one for one in found["enum"] if one is not None]} if "enum" in found else {})


async def test_the_description_is_public(hub: RunningHub) -> None:
    status, _, text = await hub.get("/openapi.json")
    assert status == 200
    assert json.loads(text) == DESCRIPTION
