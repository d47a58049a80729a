"""What was signed is taken, and what was changed by one bit is not."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minisign import PublicKey, SecretKey

from results.export import signing
from results.export.signing import SignatureError

# Made by minisign 0.11 (`minisign -G -W`, `minisign -Sm results.jsonl -t "by minisign"`), not by this program.
THEIR_PUBLIC = "RWSF60dOu5HK98wlCLuFozvuxxobQTmagjqK77odPps4N7s0RXctFi6U"
THEIR_SECRET = (
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAhetHTruRyveaijFxE15M23iUid7s3pZ9Pu"
    "Amd0Bzo9unNv+vSCb3uMwlCLuFozvuxxobQTmagjqK77odPps4N7s0RXctFi6UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)
THEIR_FILE = b'{"kind":"header","licence":"CC0-1.0","measurements":0}\n'
THEIR_SIGNATURE = """untrusted comment: signature from minisign secret key
RUSF60dOu5HK998JdUQqd7qlM72Sgyfbt5Lx07vqdwVKZEVaMPSZ0tow/FKsxTlDbiFY3aNUm0p7ZPhPX9RT8gZ2YJRmnrX65AY=
trusted comment: by minisign
SzPs70I4QJ2ywxuA8SAxglHrFV2nqFDgJ1EybMkwOh9BbWWOqHPI0DtPVOpEpRet3dsbJ/dKSxdO8t8exvNLAQ==
"""


# Made by this program before it used py-minisign.
EARLIER_SECRET = (
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAcmVhY2hwcmIAAQIDBAUGBwgJCgsMDQ4PEBESEx"
    "QVFhcYGRobHB0eHwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)
EARLIER_PUBLIC = """untrusted comment: minisign public key 6272706863616572
RWRyZWFjaHByYgOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4
"""
EARLIER_FILE = b'{"kind":"header"}\n'
EARLIER_COMMENT = "1 measurement of reachprobe; format jsonl; licence not stated"
EARLIER_SIGNATURE = f"""untrusted comment: signed with reachprobe
RURyZWFjaHByYgvv5vM6llaY8W06mH0HQwXIUhqUa08qzz4MPs2rezZskKhZPMPDft/ba3JnxzewamXjfpwNLNMM/wHOnSKU+AU=
trusted comment: {EARLIER_COMMENT}
wA7O2qek155sKvyz2qJ9x6hB66qspdngA7XYGiu+hfrlkcyWRY+z3pASTtXuqQ7TA0jD/kxttYGTze4XTEqLCg==
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "out.jsonl"
    made.write_bytes(b'{"a":1}\n' * 1000)
    return made


@pytest.fixture
def key() -> SecretKey:
    return signing.new_key()


def sign(file: Path, key: SecretKey, comment: str = "two measurements") -> Path:
    beside = file.with_name(f"{file.name}.minisig")
    beside.write_text(signing.sign(file, key, comment))
    return beside


def test_a_signed_file_verifies_and_tells_the_comment(file: Path, key: SecretKey) -> None:
    sign(file, key)
    assert signing.verify(file, key.get_public_key()) == "two measurements"


def test_minisign_s_own_keys_and_signatures_are_read(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_bytes(THEIR_FILE)
    (tmp_path / "results.jsonl.minisig").write_text(THEIR_SIGNATURE)
    public = signing.read_public(THEIR_PUBLIC)
    assert signing.verify(file, public) == "by minisign"
    (tmp_path / "secret").write_text(f"untrusted comment: minisign secret key\n{THEIR_SECRET}\n")
    assert signing.read_secret(tmp_path / "secret").get_public_key() == public


def test_keys_and_signatures_of_earlier_versions_stay_the_same(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_bytes(EARLIER_FILE)
    (tmp_path / "secret").write_text(f"untrusted comment: reachprobe secret key\n{EARLIER_SECRET}\n")
    earlier = signing.read_secret(tmp_path / "secret")
    assert signing.sign(file, earlier, EARLIER_COMMENT) == EARLIER_SIGNATURE
    assert signing.write_keys(earlier, tmp_path / "written").read_text() == EARLIER_PUBLIC
    sign(file, earlier, EARLIER_COMMENT)
    assert signing.verify(file, signing.read_public(str(tmp_path / "written.pub"))) == EARLIER_COMMENT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bit_of_the_file_or_the_signature_can_be_turned(file: Path, key: SecretKey, data: st.DataObject) -> None:
    beside = sign(file, key)
    whole, signature = file.read_bytes(), beside.read_bytes()
    lines = signature.split(b"\n")
    # Of base64 the last letter before the padding holds bits that mean nothing.
    telling = [n for n in range(len(lines[0]) + 1, len(signature)) if signature[n : n + 1] not in b"=\n"]
    telling = [n for n in telling if signature[n + 1 : n + 2] != b"="]
    changed = data.draw(st.sampled_from([file, beside]))
    before = whole if changed == file else signature
    place = data.draw(st.sampled_from(range(len(whole)) if changed == file else telling))
    changed.write_bytes(
        before[:place] + bytes([before[place] ^ data.draw(st.sampled_from([1, 4, 32]))]) + before[place + 1 :]
    )
    try:
        with pytest.raises(SignatureError):
            signing.verify(file, key.get_public_key())
    finally:
        file.write_bytes(whole)


def test_what_is_cut_short_or_unsigned_or_signed_by_another_is_refused(file: Path, key: SecretKey) -> None:
    with pytest.raises(SignatureError, match=r"not signed: no out\.jsonl\.minisig"):
        signing.verify(file, key.get_public_key())
    sign(file, key)
    with pytest.raises(SignatureError, match="another key"):
        signing.verify(file, signing.new_key().get_public_key())
    number, other = (base64.b64decode(signing.public_text(one)) for one in (key, signing.new_key()))
    impostor = PublicKey.from_base64(base64.b64encode(number[:10] + other[10:]))
    with pytest.raises(SignatureError, match="since it was signed"):
        signing.verify(file, impostor)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(SignatureError, match="changed or truncated"):
        signing.verify(file, key.get_public_key())


def test_keys_are_written_for_their_owner_alone_and_replace_none(tmp_path: Path, key: SecretKey) -> None:
    secret = tmp_path / "my.key"
    public = signing.write_keys(key, secret)
    assert secret.stat().st_mode & 0o777 == 0o600
    assert signing.read_secret(secret) == key
    assert signing.read_public(str(public)) == signing.read_public(signing.public_text(key)) == key.get_public_key()
    with pytest.raises(FileExistsError):
        signing.write_keys(signing.new_key(), secret)
    secret.unlink()
    with pytest.raises(FileExistsError):
        signing.write_keys(signing.new_key(), secret)
    assert not secret.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not a minisign secret key"),
        (b"untrusted comment: x\nnonsense!\n", "not a minisign secret key"),
        (b"untrusted comment: x\n" + base64.b64encode(b"EdScB2" + bytes(152)), "protected by a password"),
        (b"untrusted comment: x\n" + base64.b64encode(b"Ed\0\0B2" + os.urandom(152)), "damaged"),
    ],
    ids=["nothing", "no text", "no base64", "a password", "rubbish"],
)
def test_what_is_no_secret_key_is_said(tmp_path: Path, text: bytes, why: str) -> None:
    (tmp_path / "key").write_bytes(text)
    with pytest.raises(SignatureError, match=why):
        signing.read_secret(tmp_path / "key")
    with pytest.raises(SignatureError):
        signing.read_public(str(tmp_path / "key"))


KEY = signing.new_key()


@given(st.text(max_size=100))
def test_a_comment_comes_back_in_one_line(comment: str) -> None:
    text = signing.sign(Path(__file__), KEY, comment)
    assert text.count("\n") == 4
