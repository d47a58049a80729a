"""What `writing` wrote, as the very records it was given."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from results.db.json_codec import from_plain
from results.db.jsonl import BadRecord
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.ooni.writing import CONTROLS, FOLLOW_UPS, KEY, OTHER

LISTS = ("queries", "tcp_connect", "tls_handshakes", "requests", OTHER)


def restore(keys: Any) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """The measurement in an export of our own, from its test keys. BadRecord where these are not as we write them."""
    try:
        plain = dict(keys[KEY])
        plain["measurement"] = plain["measurement"] | {"observations": _steps(keys, keys[FOLLOW_UPS])}
        plain["controls"] = [one[KEY] | {"observations": _steps(one)} for one in keys[CONTROLS]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(f"test_keys.{KEY}: not as reachprobe writes it ({type(error).__name__})") from error
    return from_plain(plain)


def _steps(*holders: dict[str, Any]) -> list[dict[str, Any]]:
    """Every entry's own record, in the order in which they were observed."""
    found = [_own(name, entry) for holder in holders for name, entry in _entries(holder)]
    return [own for _, own in sorted(found, key=lambda pair: int(pair[0]))]


def _entries(holder: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in LISTS:
        for entry in holder.get(name) or ():
            yield name, entry


def _own(name: str, entry: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    own = dict(entry[KEY])
    detail = dict(own["detail"])
    if name == "tls_handshakes" and "chain" not in detail:
        detail["chain"] = [certificate["data"] for certificate in entry["peer_certificates"]]
    if name == "requests":
        response = entry["response"]
        if "headers" not in detail:
            detail["headers"] = response["headers_list"]
        if "body" not in detail:
            body = response["body"]
            detail["body"] = body["data"] if isinstance(body, dict) else b64encode(body.encode()).decode()
    return own.pop("place"), own | {"detail": detail}
