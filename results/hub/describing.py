"""The hub's interface as OpenAPI 3.1 describes one."""

from __future__ import annotations

from typing import Any

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def description() -> dict[str, Any]:
    """What `/openapi.json` says."""
    members: list[dict[str, list[str]]] = [{"token": []}]
    text = {"type": "string"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "reachprobe hub", "version": "1", "license": {"name": "MIT"}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/healthz": {"get": _does("Whether the hub is there.", {"status": text})},
            "/v1/enrol": {
                "post": _does(
                    "Use an invitation up: a name and a token.",
                    {"name": text, "token": text},
                    asks=_object({"invitation": text}),
                )
            },
            "/v1/token": {
                "post": _does(
                    "Another token. The one before it holds until the new one has been used.",
                    {"token": text},
                    security=members,
                    asks={"type": "object"},
                    optional=True,
                )
            },
            "/v1/measurements": {
                "post": _does(
                    "Records, one JSON object a line, packed with zstd or gzip; an answer for each.",
                    {"answers": {"type": "array", "items": ANSWER}},
                    security=members,
                    kind="application/x-ndjson",
                    asks={"type": "string"},
                )
            },
            "/v1/control": {
                "post": _does(
                    "The hub's own measurement of a target, not older than some minutes.",
                    {"measurement": {"type": "object"}},
                    security=members,
                    asks=_object(
                        {"target": text, "addresses": {"type": "array", "maxItems": 8, "items": text}}, "target"
                    ),
                )
            },
        },
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required or properties),
        "properties": properties,
        "additionalProperties": False,
    }


ANSWER = _object(
    {
        "line": {"type": "integer"},
        "id": {"type": ["string", "null"]},
        "status": {"enum": ["stored", "known", "refused"]},
        "why": {"type": ["string", "null"]},
    }
)


def _does(
    summary: str,
    gives: dict[str, Any],
    *,
    security: list[dict[str, list[str]]] | None = None,
    asks: dict[str, Any] | None = None,
    kind: str = "application/json",
    optional: bool = False,
) -> dict[str, Any]:
    refused = (400, 401, 408, 411, 413, 415, 422, 429, 503) if asks else ()
    found: dict[str, Any] = {
        "summary": summary,
        "security": security or [],
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": _object(gives)}}},
            **{
                str(code): {"description": "not done", "content": {"application/json": {"schema": ERROR}}}
                for code in refused
            },
        },
    }
    if asks is not None:
        found["requestBody"] = {"required": not optional, "content": {kind: {"schema": asks}}}
    return found
