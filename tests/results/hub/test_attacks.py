"""What somebody may try against a hub: it answers in words, stays up, and lets nobody in."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import sqlite3
import time
import zlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from results.db.store import Store
from results.hub import credentials
from results.hub.auth import MAX_GUESSES, MAX_HASHING, HubAuth, Unauthorized
from results.hub.limits import Overloaded, Places, RateLimits, TooManyRequests, rate_limit_key
from results.hub.request_body import MAX_PACKED_BYTES, MAX_PLAIN_BYTES, BadRequest, RequestBodies, unpack
from schedules.hub_client.client import zstd
from tests.results.hub.hub_process import RunningHub, hang_up, record, statuses

NAME = "home-fibre"
EVIL = "'; DROP TABLE measurements; --<script>alert(1)</script>\x1b]0;owned\x07\u202e../../etc/passwd"


async def alive(hub: RunningHub, token: str) -> None:
    """It is there, and takes a good record, after whatever was done to it."""
    identifier = f"alive{time.monotonic_ns()}"
    status, said = await hub.send(token, [record(identifier)])
    assert (status, statuses(said)) == (200, ["stored"])


# Tokens


WRONG = ["", "Bearer", "Bearer ", "Bearer x", "Basic cnB0", "Bearer rpt_0123456789abcdef_" + "A" * 43]
WRONG += ["Bearer " + "\xff" * 50, "Bearer " + "A" * 9000]


async def test_a_missing_or_wrong_token_is_401_without_a_reason(hub: RunningHub) -> None:
    for header, path in itertools.product(WRONG[:1], ("/v1/measurements", "/v1/control", "/v1/token")):
        assert await _refused(hub, header, path) == (401, {"error": "no token, or not a valid one"})
    for header in WRONG[1:]:
        assert await _refused(hub, header, "/v1/control") == (401, {"error": "no token, or not a valid one"})


async def _refused(hub: RunningHub, header: str, path: str) -> tuple[int, dict[str, Any]]:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nAuthorization: {header}\r\n\r\n"
    status, _, said = await hub.raw(head.encode("latin-1") + b"{}")
    return status, said


async def test_an_invitation_works_once_not_for_uploads_and_expires(hub: RunningHub, tmp_path: Path) -> None:
    invitation = hub.invite("a")
    assert (await hub.post("/v1/measurements", b"", invitation))[0] == 401
    bodies = [json.dumps({"invitation": invitation}).encode()] * 8
    answers = await asyncio.gather(*(hub.post("/v1/enrol", body) for body in bodies))
    assert sorted(status for status, _ in answers) == [200] + [401] * 7
    store = Store.open(tmp_path / "x.db")
    now = datetime(2026, 11, 26, tzinfo=UTC)
    text = credentials.invite(store, "b", now)
    identifier, _ = credentials.split_secret(text, credentials.INVITATION) or ("", "")
    assert credentials.invitation(store.db, identifier, now + timedelta(days=6.9)) is not None
    assert credentials.invitation(store.db, identifier, now + timedelta(days=7.1)) is None
    store.close()


async def test_a_revoked_token_is_void_at_once_and_a_new_invitation_restores_access(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    await alive(hub, token)
    with closing(Store.open(hub.db)) as store:
        assert credentials.revoke(store, NAME, datetime.now(UTC))
    assert (await hub.send(token, [record("b" * 16)]))[0] == 401
    again = await hub.enrol(NAME)
    await alive(hub, again)
    assert (await hub.send(token, [record("b" * 16)]))[0] == 401


async def test_a_renewed_token_voids_the_old_one_with_its_first_use_and_not_before(hub: RunningHub) -> None:
    old = await hub.enrol(NAME)
    _, lost = await hub.post("/v1/token", token=old)
    _, said = await hub.post("/v1/token", token=old)
    new = said["token"]
    await alive(hub, old)
    await alive(hub, new)
    assert (await hub.post("/v1/token", token=old))[0] == 401
    assert (await hub.post("/v1/token", token=lost["token"]))[0] == 401


async def test_stored_hashes_do_not_authenticate(hub: RunningHub) -> None:
    token, invitation = await hub.enrol(NAME), hub.invite("b")
    hub.stop()
    stored = hub.db.read_bytes()
    for secret in (token.split("_", 2)[2], invitation.split("_", 2)[2]):  # a secret may hold a "_" itself
        assert len(secret) > 20
        assert secret.encode() not in stored


async def test_guesses_are_rate_limited_and_a_member_at_the_same_address_is_not(tmp_path: Path) -> None:
    path, now = tmp_path / "x.db", datetime.now(UTC)
    with closing(Store.open(path)) as store:
        text = credentials.invite(store, "a", now)
    auth = HubAuth(path)
    try:
        _, token = await auth.enrol(text, "here")
        assert (await auth.member(f"Bearer {token}", "here")).name == "a"
        wrong = token[:-3] + "AAA"
        for _ in range(MAX_GUESSES):
            with pytest.raises(Unauthorized):
                await auth.member(f"Bearer {wrong}", "here")
        with pytest.raises(TooManyRequests):
            await auth.member(f"Bearer {wrong}", "here")
        with pytest.raises(TooManyRequests):
            await auth.enrol("rpi_" + text[4:], "here")
        assert (await auth.member(f"Bearer {token}", "here")).name == "a"
        with pytest.raises(Unauthorized):
            await auth.member(f"Bearer {wrong}", "elsewhere")
    finally:
        auth.close()


async def test_an_unknown_token_costs_as_much_work_as_a_wrong_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is counted, not time, which tells nothing on a busy machine."""
    path, now = tmp_path / "x.db", datetime.now(UTC)
    with closing(Store.open(path)) as store:
        text = credentials.invite(store, "a", now)
    auth, hashed, compared = HubAuth(path), [], []
    _, token = await auth.enrol(text, "here")
    really, compare = credentials._quick_hash, credentials.hmac.compare_digest
    monkeypatch.setattr(credentials, "_quick_hash", lambda *given: hashed.append(1) or really(*given))
    monkeypatch.setattr(credentials.hmac, "compare_digest", lambda *given: compared.append(1) or compare(*given))
    try:
        for wrong in (token[:-3] + "AAA", "rpt_0000000000000000_" + "A" * 43):
            hashed.clear(), compared.clear()
            with pytest.raises(Unauthorized):
                await auth.member(f"Bearer {wrong}", "here")
            assert (len(hashed), len(compared)) == (1, 1)
    finally:
        auth.close()


async def test_of_many_wrong_secrets_at_once_few_are_hashed_and_a_known_member_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "x.db", datetime.now(UTC)
    with closing(Store.open(path)) as store:
        text, open_invitation = credentials.invite(store, "a", now), credentials.invite(store, "b", now)
    auth, hashed = HubAuth(path), []
    _, token = await auth.enrol(text, "here")
    await auth.member(f"Bearer {token}", "here")
    really = credentials._quick_hash
    monkeypatch.setattr(credentials, "_quick_hash", lambda *given: hashed.append(1) or really(*given))
    wrong = [auth.member(f"Bearer {token[:-4]}{number:04}", "here") for number in range(900)]
    wrong += [auth.enrol(f"{open_invitation[:-4]}{number:04}", "there") for number in range(900)]
    try:
        said = await asyncio.gather(*wrong, auth.member(f"Bearer {token}", "here"), return_exceptions=True)
        assert isinstance(said[-1], credentials.Member)
        assert sum(isinstance(one, Unauthorized) for one in said) == len(hashed) == 2 * MAX_GUESSES
        assert sum(isinstance(one, TooManyRequests) for one in said) == 1800 - len(hashed)
    finally:
        auth.close()


async def test_tokens_are_checked_without_a_slow_hash_and_those_from_before_by_scrypt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "x.db", datetime.now(UTC)
    salt, scrypt, slow = b"s" * credentials.SALT_BYTES, credentials._scrypt, []
    with closing(Store.open(path)) as store:
        text = credentials.invite(store, "a", now)
    auth = HubAuth(path)
    _, token = await auth.enrol(text, "here")
    monkeypatch.setattr(credentials, "_scrypt", lambda *given: slow.append(1) or scrypt(*given))
    try:
        assert (await auth.member(f"Bearer {token}", "here")).name == "a"
        assert slow == []
        identifier, secret = credentials.split_secret(token, credentials.TOKEN) or ("", "")
        with closing(Store.open(path)) as store, store.writing():
            values = [salt, scrypt(secret, salt, credentials.OLD_SECRET_SCRYPT), identifier]
            store.db.execute("UPDATE tokens SET salt = ?, hash = ? WHERE id = ?", values)
        assert (await auth.member(f"Bearer {token}", "here")).name == "a"
        with pytest.raises(Unauthorized):
            await auth.member(f"Bearer {token[:-3]}AAA", "here")
        assert slow == [1, 1]
    finally:
        auth.close()


async def test_a_right_secret_is_no_guess(tmp_path: Path) -> None:
    path, now = tmp_path / "x.db", datetime.now(UTC)
    with closing(Store.open(path)) as store:
        invitations = [credentials.invite(store, f"v{number}", now) for number in range(2 * MAX_GUESSES)]
    auth = HubAuth(path, "password", credentials.parse_password_hash(credentials.hash_password("x" * 12)))
    try:
        for invitation in invitations:
            _, token = await auth.enrol(invitation, "here")
            await auth.member(f"Bearer {token}", "here")
        for _ in range(MAX_GUESSES - 1):
            with pytest.raises(Unauthorized):
                await auth.reader("Bearer wrong", "there")
        await auth.reader("Bearer " + "x" * 12, "there")
        with pytest.raises(Unauthorized):
            await auth.reader("Bearer wrong", "there")
        with pytest.raises(TooManyRequests):
            await auth.reader("Bearer wrong", "there")
    finally:
        auth.close()


async def test_passwords_are_hashed_a_bounded_number_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    Store.open(path).close()
    auth = HubAuth(path, "password", credentials.parse_password_hash(credentials.hash_password("x" * 12)))
    try:
        guesses = [auth.reader(f"Bearer guess {n}", f"192.0.2.{n}") for n in range(MAX_HASHING + 10)]
        said = await asyncio.gather(*guesses, return_exceptions=True)
        assert sum(isinstance(one, Unauthorized) for one in said) == MAX_HASHING
        assert sum(isinstance(one, Overloaded) for one in said) == 10
    finally:
        auth.close()


async def test_revoking_voids_an_open_invitation_too(hub: RunningHub) -> None:
    token, open_again = await hub.enrol(NAME), hub.invite(NAME)
    newcomer = hub.invite("newcomer")
    with closing(Store.open(hub.db)) as store:
        assert credentials.revoke(store, NAME, datetime.now(UTC))
        assert credentials.revoke(store, "newcomer", datetime.now(UTC))
        assert not credentials.revoke(store, "stranger", datetime.now(UTC))
    for invitation in (open_again, newcomer):
        assert (await hub.post("/v1/enrol", json.dumps({"invitation": invitation}).encode()))[0] == 401
    assert (await hub.send(token, [record("b" * 16)]))[0] == 401


def test_the_rate_limit_key_is_an_ipv4_address_or_an_ipv6_64() -> None:
    assert rate_limit_key("192.0.2.7") == "192.0.2.7"
    assert rate_limit_key("2001:db8::1") == rate_limit_key("2001:db8::ffff") == "2001:db8::/64"
    assert rate_limit_key("::ffff:192.0.2.7") == "192.0.2.7"
    assert rate_limit_key("1.1.1.1\r\nX: y") == "nowhere"


def test_a_bucket_refills_and_the_oldest_keys_are_dropped() -> None:
    clock = [0.0]
    rates = RateLimits(1.0, 3, lambda: clock[0])
    assert [rates.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert rates.take("b") == 0.0
    clock[0] = 1.0
    assert (rates.take("a"), rates.take("a")) == (0.0, 1.0)


# What is sent


def bombs() -> dict[str, bytes]:
    size = 40 * MAX_PLAIN_BYTES
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    zeros = zstd.ZstdCompressor(options={zstd.CompressionParameter.compression_level: 19})
    more = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(size >> 20)) + zeros.flush()
    return {"gzip": packed, "zstd": more}


def peak_mb(process: int) -> float:
    """The most memory that a process had; 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


@pytest.mark.slow
async def test_a_decompression_bomb_is_413_in_little_memory(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    assert hub.process is not None
    for packing, bomb in bombs().items():
        answers = await asyncio.gather(
            *(hub.post("/v1/measurements", bomb, token, Content_Encoding=packing) for _ in range(8))
        )
        assert {status for status, _ in answers} == {413, 429}  # one batch of a member at a time
    assert peak_mb(hub.process.pid) < 300
    await alive(hub, token)


def test_a_zstd_window_beyond_the_limit_is_refused() -> None:
    wide = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    packer = zstd.ZstdCompressor(options=wide)
    with pytest.raises(BadRequest, match="too large a window"):
        unpack(packer.compress(bytes(1000)) + packer.flush(), "zstd")


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_truncated_damaged_or_trailing_data_is_refused(packing: str) -> None:
    whole = {"gzip": gzip.compress, "zstd": zstd.compress}[packing](b"x" * 1000)
    for damaged in (whole[:-1], whole + b"x", whole + whole, b"", whole[:9] + b"\xff\xff" + whole[11:]):
        with pytest.raises(BadRequest):
            unpack(damaged, packing)
    assert unpack(whole, packing) == b"x" * 1000


@pytest.mark.slow
async def test_a_body_too_long_without_length_or_of_another_encoding_is_refused(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    head = f"POST /v1/measurements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    asked = {
        "Content-Length: 99999999999\r\n\r\n": 413,
        f"Content-Length: {MAX_PACKED_BYTES + 1}\r\n\r\n": 413,
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 411,
        "Content-Length: -1\r\n\r\n": 400,
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx": 400,
        "Content-Length: 2\r\nContent-Encoding: br\r\n\r\nxx": 415,
        "Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\nxx": 400,
    }
    for rest, expected in asked.items():
        status, _, _ = await hub.raw((head + rest).encode())
        assert status == expected, rest[:60]
    many = [b"{}"] * 501
    assert (await hub.send(token, many))[0] == 413
    await alive(hub, token)


async def test_an_endless_head_is_not_read_to_its_end(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    try:
        status, _, _ = await hub.raw(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 1_000_000)
    except ConnectionError:
        status = 400  # it hung up before all of it was sent
    assert status == 400
    await alive(hub, token)


async def test_deep_endless_and_odd_records_are_refused_one_by_one(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    good = record("g" * 16)
    odd = [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"record":' * 50_000,
        b'{"record": {"version": 1e999}}',
        b'{"record": {"version": ' + b"9" * 5000 + b"}}",
        b"\xff\xfe\x00",
        b"NaN",
        b'"' + b"x" * 3_000_000 + b'"',
        good.replace(b'"version":1', b'"version":-99999999999999999999'),
        good.replace(b'"started_at":"2026', b'"started_at":"9026-13'),
        good[:-10],
    ]
    status, said = await hub.send(token, [*odd, good])
    assert status == 200
    assert statuses(said) == ["refused"] * len(odd) + ["stored"]
    assert all(
        answer["why"] and answer["why"].isprintable() and len(answer["why"]) < 400 for answer in said["answers"][:-1]
    )


def fields(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every text in a JSON value."""
    if isinstance(value, str):
        return [path]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, part in parts for found in fields(part, (*path, key))]


async def test_an_injection_in_any_field_is_refused_or_stored_as_text(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    plain = msgspec.json.decode(record("x" * 16))
    places = fields(plain)
    assert len(places) > 60
    lines = []
    for number, place in enumerate(places):
        one = msgspec.json.decode(record(f"inject{number:010d}"))
        at = one
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = EVIL
        lines.append(msgspec.json.encode(one))
    status, said = await hub.send(token, lines)
    assert status == 200
    assert {"stored", "refused"} == set(statuses(said))
    assert all((answer["why"] or "").isprintable() for answer in said["answers"])
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = statuses(said).count("stored")
        assert db.execute("SELECT count(*) FROM findings WHERE vantage = ?", [NAME]).fetchone() == (stored,)
        assert db.execute("SELECT count(*) FROM vantages").fetchone()[0] < 10
    await alive(hub, token)


async def test_a_record_from_the_future_is_refused(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    now = datetime.now(UTC)
    for days, expected in ((0.9, "stored"), (1.1, "refused"), (36500, "refused"), (-36500, "stored")):
        at = (now + timedelta(days=days)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert (
            statuses((await hub.send(token, [record(f"day{days}"), record(f"at{days}", started_at=at)]))[1])[1]
            == expected
        )


async def test_a_forged_vantage_or_a_replayed_record_gains_nothing(hub: RunningHub) -> None:
    mine, theirs = await hub.enrol(NAME), await hub.enrol("b")
    good = record("a" * 16)
    assert statuses((await hub.send(mine, [good]))[1]) == ["stored"]
    for forged in (
        good,
        record("c" * 16),
        record("d" * 16, NAME + " "),
        record("e" * 16, "B"),
        record("f" * 16, "b\u200b"),
    ):
        assert statuses((await hub.send(theirs, [forged]))[1]) == ["refused"]
    assert statuses((await hub.send(mine, [good] * 50))[1]) == ["known"] * 50
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("SELECT id, vantage FROM findings").fetchall() == [("a" * 16, NAME)]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a b", "a\nb", "x" * 65, "<b>", "\u0430bc", "-x"])
def test_a_vantage_that_is_invited_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with closing(Store.open(tmp_path / "x.db")) as store, pytest.raises(ValueError, match="name"):
        credentials.invite(store, name, datetime.now(UTC))


# How it is sent


TRAVERSALS = ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/../../hub.db", "//etc/passwd", "/hub.db"]
TRAVERSALS += ["/v1/measurements/..%2f..%2fhub.db", "/.git/config", "/v1/", "/%00", "/" + "a" * 8000]
TRAVERSALS += ["/healthz%0d%0aX-Evil:%201"]


async def test_a_path_gives_no_file_and_no_header(hub: RunningHub) -> None:
    methods = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
    for target, method in itertools.product(TRAVERSALS, methods):
        head = f"{method} {target} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        status, answered, _ = await hub.raw(head.encode())
        assert status in (400, 404, 405, 414)
        assert "evil" not in answered.lower()
        assert "server:" not in answered.lower()


async def test_a_header_inside_a_value_stays_in_the_value(hub: RunningHub) -> None:
    for value in ("x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\x00"):
        status, answered, _ = await hub.raw(
            f"GET /healthz HTTP/1.1\r\nHost: {value}\r\nConnection: close\r\n\r\n".encode()
        )
        assert status in (200, 400)
        assert "x-evil" not in answered.lower()


async def test_a_request_smuggled_after_a_refused_one_is_not_served(hub: RunningHub) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    outer = f"POST /v1/measurements HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(inner)}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(outer + inner)
    everything = await reader.read()
    await hang_up(writer)
    assert everything.count(b"HTTP/1.1 ") == 1
    assert everything.startswith(b"HTTP/1.1 401")


@pytest.mark.slow
async def test_a_slow_sender_is_disconnected_and_delays_no_other(hub: RunningHub) -> None:
    token, slow = await hub.enrol(NAME), await hub.enrol("slow")
    crowd = [await asyncio.open_connection("127.0.0.1", hub.port) for _ in range(200)]
    for place, (_, writer) in enumerate(crowd):
        head = f"POST /v1/measurements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {slow}\r\n"
        writer.write(head.encode() if place % 2 else (head + "Content-Length: 100000\r\n\r\n{").encode())
    began = time.monotonic()
    await alive(hub, token)
    assert time.monotonic() - began < 10
    try:
        async with asyncio.timeout(60):  # the head must have come within 15 s
            assert await crowd[1][0].read() == b""
    finally:
        await hang_up(*(writer for _, writer in crowd))


async def test_a_body_that_times_out_is_408_and_releases_its_memory() -> None:
    class Stalling:
        headers = {"content-length": "100"}  # noqa: RUF012

        async def stream(self) -> Any:
            yield b"x"
            await asyncio.sleep(60)

    class Sudden(Stalling):
        async def stream(self) -> Any:
            yield b"x" * 100

    bodies = RequestBodies(100, Places(1), timeout_s=0.05)

    async def length_of(request: Any, client: str = "a") -> int:
        async with bodies.read(request, 1000, client) as body:
            return len(body)

    waiting = asyncio.create_task(length_of(Stalling()))
    await asyncio.sleep(0.01)
    with pytest.raises(TooManyRequests):
        await length_of(Sudden())
    with pytest.raises(Overloaded):
        await length_of(Sudden(), "b")
    with pytest.raises(BadRequest) as slow:
        await waiting
    assert slow.value.status == 408
    assert await length_of(Sudden()) == 100


async def test_every_response_has_the_security_headers(hub: RunningHub) -> None:
    for path in ("/healthz", "/openapi.json", "/nothing"):
        _, head, _ = await hub.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        for field in (
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ):
            assert field in head.lower(), (path, field)


async def test_a_vantage_that_uploads_without_pause_is_rate_limited(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    found = [(await hub.send(token, [b""]))[0] for _ in range(90)]
    assert found[0] == 200
    assert 429 in found


# Where it listens


@pytest.mark.parametrize("where", ["0.0.0.0:8765", "[::]:8765", "192.0.2.1:8765"])
async def test_beyond_loopback_it_does_not_start_without_tls_and_says_how(tmp_path: Path, where: str) -> None:
    from schedules import cli

    code = await asyncio.to_thread(cli.call, ["--db", str(tmp_path / "x.db"), "hub", "--listen", where])
    assert code == 2
    assert not (tmp_path / "x.db").exists()


async def test_a_hub_with_allow_private_serves_on_loopback_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from schedules import cli

    (tmp_path / "c.toml").write_text("[network]\nallow_private = true\n")
    words = ["--config", str(tmp_path / "c.toml"), "--db", str(tmp_path / "x.db"), "hub", "--behind-proxy"]
    assert await asyncio.to_thread(cli.call, [*words, "--listen", "127.0.0.1:0"]) == 2
    assert "allow_private" in capsys.readouterr().err
