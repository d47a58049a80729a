"""The hub's API as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from results.hub.query import CorrectionsQuery, ExportQuery, MeasurementsQuery

TEXT = {"type": "string"}
NDJSON = "application/x-ndjson"
JSON = "application/json"
Security = Sequence[dict[str, list[str]]]
Parameter = dict[str, Any]
READERS: Security = [{"token": []}, {"password": []}, {}]
"""Depending on the configuration."""
MEMBERS: Security = [{"token": []}]
OPERATOR: Security = [{"operator": []}]
ALWAYS = (400, 429)
"""Statuses of any request."""


def _object(properties: dict[str, Any], *required: str, open_: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required or properties),
        "properties": properties,
        "additionalProperties": open_,
    }


ERROR = _object({"error": TEXT})
ANSWER = _object(
    {
        "line": {"type": "integer"},
        "id": {"type": ["string", "null"]},
        "status": {"enum": ["stored", "known", "refused"]},
        "why": {"type": ["string", "null"]},
    }
)
MEASUREMENT = _object(
    {"measurement_id": TEXT, "target": TEXT, "outcome": TEXT, "sha256": TEXT, "record": {"type": "object"}}, open_=True
)


def description() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "reachprobe hub", "version": "1", "license": {"name": "MIT", "identifier": "MIT"}},
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
                "operator": {"type": "http", "scheme": "bearer"},
            }
        },
        "paths": _paths(),
    }


def _paths() -> dict[str, Any]:
    token, record = _object({"token": TEXT}), {"type": "object"}
    addresses = {"type": "array", "maxItems": 8, "items": {**TEXT, "maxLength": 45}}
    control = _object({"target": {**TEXT, "minLength": 1, "maxLength": 2048}, "addresses": addresses}, "target")
    network = _object({"asn": {"type": ["integer", "null"]}, "country": {"type": ["string", "null"]}})
    list_format = [{"name": "format", "in": "query", "schema": {"enum": ["csv", "plain"]}}]
    answers = _object({"answers": {"type": "array", "items": ANSWER}})
    enrolled, invitation = _object({"name": TEXT, "token": TEXT}), _object({"invitation": TEXT})
    renewing = "Another token. The one before it holds until the new one has been used."
    upload = "Records, one JSON object a line, packed with zstd or gzip; an answer for each."
    measurements = "Measurements in the order in which they arrived, one JSON object a line."
    controls = "The hub's own measurement of a target, not older than some minutes."
    whoami = "The network and the country that the request comes from."
    measurement = "One measurement, its record, and the hash of what was seen."
    export = "All that the filters let through, as a download."
    corrections = "Verdicts that changed when they were judged again, one JSON object a line."
    fingerprints = "The published fingerprints that the hub judges by."
    return {
        "/v1/token": _post(renewing, token, record, MEMBERS),
        "/v1/measurements": _post(upload, answers, TEXT, MEMBERS, NDJSON)
        | _read(measurements, TEXT, NDJSON, (422,), _filters(MeasurementsQuery)),
        "/v1/control": _post(controls, _object({"measurement": record}), control, MEMBERS),
        "/v1/whoami": _get(whoami, network, JSON, MEMBERS, (404,)),
        "/v1/measurements/{id}": _read(measurement, MEASUREMENT, JSON, (404,), _in_path("id")),
        "/v1/measurements/{id}/seen": _read("The bytes whose SHA-256 that hash is.", {}, JSON, (404,), _in_path("id")),
        "/v1/export": _read(export, TEXT, "*/*", (422,), _filters(ExportQuery)),
        "/v1/corrections": _read(corrections, TEXT, NDJSON, (422,), _filters(CorrectionsQuery)),
        "/v1/registers/{name}": _read(
            "The newest version of a register.", {}, "application/zstd", (404,), _in_path("name")
        ),
        "/v1/targets": _read("The targets that are shared.", TEXT, "*/*", (404, 422), list_format),
        "/v1/fingerprints": _read(fingerprints, TEXT, "text/plain", (404,)),
        "/healthz": _get("Whether the hub is there.", _object({"status": TEXT})),
        "/openapi.json": _get("This.", record),
        "/v1/enrol": _post("Use an invitation up: a name and a token.", enrolled, invitation),
        "/metrics": _get("The hub's numbers.", TEXT, "text/plain", OPERATOR, (501, 503)),
    }


def _filters(kind: type[msgspec.Struct]) -> list[Parameter]:
    """Query parameters for the fields of a struct."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _without_null(field)}
        for name, field in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent, never null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    found = dict(kinds[0]) if kinds else {key: value for key, value in schema.items() if key != "default"}
    if None in found.get("enum", ()):
        found["enum"] = [one for one in found["enum"] if one is not None]
    return found


def _in_path(name: str) -> list[Parameter]:
    return [{"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}]


def _get(
    summary: str,
    gives: dict[str, Any],
    kind: str = JSON,
    who: Security = (),
    refused: tuple[int, ...] = (),
    parameters: Sequence[Parameter] = (),
) -> dict[str, Any]:
    statuses = sorted({*ALWAYS, *refused, *((401,) if who else ())})
    responses = {
        "200": {"description": "done", "content": {kind: {"schema": gives}}},
        **{str(status): {"description": "not done", "content": {JSON: {"schema": ERROR}}} for status in statuses},
    }
    operation = {"summary": summary, "security": list(who), "responses": responses}
    return {"get": {**operation, "parameters": list(parameters)} if parameters else operation}


def _read(
    summary: str,
    gives: dict[str, Any],
    kind: str,
    refused: tuple[int, ...],
    parameters: Sequence[Parameter] = (),
) -> dict[str, Any]:
    """The same for readers."""
    return _get(summary, gives, kind, READERS, (*refused, 503), parameters)


def _post(
    summary: str, gives: dict[str, Any], takes: dict[str, Any], who: Security = (), kind: str = JSON
) -> dict[str, Any]:
    """A POST operation; a body of any object may be left out."""
    operation = _get(summary, gives, JSON, who, (401, 408, 411, 413, 415, 422, 503))["get"]
    body = {"required": takes != {"type": "object"}, "content": {kind: {"schema": takes}}}
    return {"post": {**operation, "requestBody": body}}
