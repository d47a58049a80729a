"""The hub's interface as OpenAPI 3.1 describes one. Filters are described by the records that read them."""

from __future__ import annotations

from typing import Any

import msgspec

from results.hub.query import Exported, Paged, Wanted

TEXT = {"type": "string"}
LINES = "application/x-ndjson"
JSON = "application/json"
READERS: list[dict[str, list[str]]] = [{"token": []}, {"password": []}, {}]
"""Which of these it is stands in the hub's configuration."""
MEMBERS: list[dict[str, list[str]]] = [{"token": []}]
OPERATOR: list[dict[str, list[str]]] = [{"operator": []}]
ALWAYS = (400, 429)
"""What any request may be answered: one that is none, and one too many."""


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
    """What `/openapi.json` says."""
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
        "paths": {**_of_members(), **_of_readers(), **_of_everybody()},
    }


def _of_everybody() -> dict[str, Any]:
    return {
        "/healthz": {"get": _gives("Whether the hub is there.", _object({"status": TEXT}))},
        "/openapi.json": {"get": _gives("This.", {"type": "object"})},
        "/v1/enrol": {
            "post": _asks(
                "Use an invitation up: a name and a token.",
                _object({"name": TEXT, "token": TEXT}),
                _object({"invitation": TEXT}),
            )
        },
        "/metrics": {"get": _gives("The hub's numbers.", TEXT, kind="text/plain", who=OPERATOR, refused=(501, 503))},
    }


def _of_members() -> dict[str, Any]:
    target = {"target": {**TEXT, "minLength": 1, "maxLength": 2048}}
    addresses = {"addresses": {"type": "array", "maxItems": 8, "items": {**TEXT, "maxLength": 45}}}
    number = {"type": ["integer", "null"]}
    return {
        "/v1/token": {
            "post": _asks(
                "Another token. The one before it holds until the new one has been used.",
                _object({"token": TEXT}),
                {"type": "object"},
                who=MEMBERS,
                optional=True,
            )
        },
        "/v1/measurements": {
            "post": _asks(
                "Records, one JSON object a line, packed with zstd or gzip; an answer for each.",
                _object({"answers": {"type": "array", "items": ANSWER}}),
                TEXT,
                who=MEMBERS,
                kind=LINES,
            ),
            "get": _gives(
                "Measurements in the order in which they arrived, one JSON object a line.",
                TEXT,
                kind=LINES,
                who=READERS,
                refused=(422, 503),
                parameters=_filters(Wanted),
            ),
        },
        "/v1/control": {
            "post": _asks(
                "The hub's own measurement of a target, not older than some minutes.",
                _object({"measurement": {"type": "object"}}),
                _object({**target, **addresses}, "target"),
                who=MEMBERS,
            )
        },
        "/v1/whoami": {
            "get": _gives(
                "The network and the country that the request comes from.",
                _object({"asn": number, "country": {"type": ["string", "null"]}}),
                who=MEMBERS,
                refused=(404,),
            )
        },
    }


def _of_readers() -> dict[str, Any]:
    def reads(summary: str, gives: dict[str, Any], kind: str = JSON, *, refused: tuple[int, ...], **more: Any) -> Any:
        return {"get": _gives(summary, gives, kind=kind, who=READERS, refused=(*refused, 503), **more)}

    form = {"name": "format", "in": "query", "schema": {"enum": ["csv", "plain"]}}
    return {
        "/v1/measurements/{id}": reads(
            "One measurement, its record, and the hash of what was seen.",
            MEASUREMENT,
            refused=(404,),
            parameters=[_in_path("id")],
        ),
        "/v1/measurements/{id}/seen": reads(
            "The bytes whose SHA-256 that hash is.", {}, refused=(404,), parameters=[_in_path("id")]
        ),
        "/v1/export": reads(
            "All that the filters let through, as a download.",
            TEXT,
            "*/*",
            refused=(422,),
            parameters=_filters(Exported),
        ),
        "/v1/corrections": reads(
            "Verdicts that changed when they were judged again, one JSON object a line.",
            TEXT,
            LINES,
            refused=(422,),
            parameters=_filters(Paged),
        ),
        "/v1/registers/{name}": reads(
            "The newest version of a register.",
            {},
            "application/zstd",
            refused=(404,),
            parameters=[_in_path("name")],
        ),
        "/v1/targets": reads("The targets that are shared.", TEXT, "*/*", refused=(404, 422), parameters=[form]),
        "/v1/fingerprints": reads(
            "The published fingerprints that the hub judges by.", TEXT, "text/plain", refused=(404,)
        ),
    }


def _filters(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """The fields of a record as the parameters of a query."""
    said = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return [
        {"name": name, "in": "query", "required": name in said.get("required", ()), "schema": _without_null(one)}
        for name, one in said["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not there is not written, so that it can never be null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    found = dict(kinds[0]) if kinds else {key: value for key, value in schema.items() if key != "default"}
    if None in found.get("enum", ()):
        found["enum"] = [one for one in found["enum"] if one is not None]
    return found


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}


def _gives(
    summary: str,
    gives: dict[str, Any],
    *,
    kind: str = JSON,
    who: list[dict[str, list[str]]] | None = None,
    refused: tuple[int, ...] = (),
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """An operation that only reads."""
    statuses = sorted({*ALWAYS, *refused, *((401,) if who else ())})
    found: dict[str, Any] = {
        "summary": summary,
        "security": who or [],
        "responses": {
            "200": {"description": "done", "content": {kind: {"schema": gives}}},
            **{str(status): {"description": "not done", "content": {JSON: {"schema": ERROR}}} for status in statuses},
        },
    }
    return {**found, "parameters": parameters} if parameters else found


def _asks(
    summary: str,
    gives: dict[str, Any],
    asks: dict[str, Any],
    *,
    who: list[dict[str, list[str]]] | None = None,
    kind: str = JSON,
    optional: bool = False,
) -> dict[str, Any]:
    """An operation that takes a body."""
    found = _gives(summary, gives, who=who, refused=(401, 408, 411, 413, 415, 422, 503))
    return {**found, "requestBody": {"required": not optional, "content": {kind: {"schema": asks}}}}
