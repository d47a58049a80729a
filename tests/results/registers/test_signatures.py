"""Detached signatures over a register: taken when they are good, and told apart when they cannot be checked."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from results.registers import signatures
from results.registers.records import RegisterError
from results.registers.updating import Signed, update_register

DUMP = "Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;суд;1;2016-01-01\n".encode("cp1251")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl program here")


class Signer:
    """A key with a certificate of its own, long out of date as a register's signer is years later."""

    def __init__(self, folder: Path, name: str, key: Key) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = key
        self.certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), 1)
            .not_valid_before(datetime(2014, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2018, 1, 1, tzinfo=UTC))
            .sign(key, hashes.SHA256())
        )
        self.pem = folder / f"{name}.pem"
        self.pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, content: bytes, *options: pkcs7.PKCS7Options, pem: bool = False) -> bytes:
        made = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(self.certificate, self.key, hashes.SHA256())
        form = serialization.Encoding.PEM if pem else serialization.Encoding.DER
        return made.sign(form, [*options, pkcs7.PKCS7Options.Binary])


@pytest.fixture(params=["rsa", "ecdsa"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1()) if request.param == "ecdsa" else rsa.generate_private_key(65537, 2048)
    return Signer(tmp_path, "authority", key)


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., None]:
    def run(content: bytes, signature: bytes, certificate: Path) -> None:
        (tmp_path / "dump.csv").write_bytes(content)
        (tmp_path / "dump.csv.sig").write_bytes(signature)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        signatures.check(tmp_path / "dump.csv", tmp_path / "dump.csv.sig", certificate, scratch)

    return run


DETACHED = pkcs7.PKCS7Options.DetachedSignature


@needs_openssl
@pytest.mark.parametrize("pem", [False, True])
def test_a_good_signature_is_taken_also_long_after(check: Callable[..., None], signer: Signer, pem: bool):
    check(DUMP, signer.sign(DUMP, DETACHED, pem=pem), signer.pem)


@needs_openssl
def test_the_signature_is_over_the_unpacked_file(check: Callable[..., None], signer: Signer):
    check(gzip.compress(DUMP), signer.sign(DUMP, DETACHED), signer.pem)


@needs_openssl
def test_a_signature_without_its_certificate_is_checked_by_the_one_that_is_named(
    check: Callable[..., None], signer: Signer
):
    check(DUMP, signer.sign(DUMP, DETACHED, pkcs7.PKCS7Options.NoCerts), signer.pem)


@needs_openssl
def test_one_changed_byte_is_refused(check: Callable[..., None], signer: Signer):
    with pytest.raises(RegisterError, match=r"not by authority.pem over this file \((?!openssl gives).*\)"):
        check(DUMP.replace(b"a.com", b"b.com"), signer.sign(DUMP, DETACHED), signer.pem)


@needs_openssl
def test_the_signature_of_another_is_refused(check: Callable[..., None], signer: Signer, tmp_path: Path):
    other = Signer(tmp_path, "other", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(RegisterError, match=r"not by authority\.pem"):
        check(DUMP, other.sign(DUMP, DETACHED), signer.pem)


@needs_openssl
def test_a_signature_that_brings_its_own_content_does_not_vouch_for_the_file(
    check: Callable[..., None], signer: Signer
):
    with pytest.raises(RegisterError, match="not by"):
        check(DUMP, signer.sign(b"something else"), signer.pem)


@needs_openssl
@pytest.mark.parametrize("junk", [b"junk", b"\x30\x82\xff\xff", b"-----BEGIN PKCS7-----\nxxx\n-----END PKCS7-----\n"])
def test_what_is_no_signature_is_refused(check: Callable[..., None], signer: Signer, junk: bytes):
    with pytest.raises(RegisterError) as raised:
        check(DUMP, junk, signer.pem)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("size", [0, signatures.MAX_SIGNATURE + 1])
def test_an_empty_or_endless_signature_is_refused(check: Callable[..., None], signer: Signer, size: int):
    with pytest.raises(RegisterError, match="is no signature"):
        check(DUMP, b"\x30" * size, signer.pem)


@needs_openssl
def test_of_a_gost_signature_it_is_said_that_it_cannot_be_checked(check: Callable[..., None], tmp_path: Path):
    signer = Signer(tmp_path, "authority", ec.generate_private_key(ec.SECP256R1()))
    sha256, gost = bytes.fromhex("608648016503040201"), bytes.fromhex("2a85030701010202aa")
    made = signer.sign(DUMP, DETACHED)
    assert sha256 in made
    with pytest.raises(RegisterError, match=r"GOST R 34\.10, which the openssl program here cannot check; take"):
        check(DUMP, made.replace(sha256, gost), signer.pem)


def openssl(*arguments: str | Path) -> bytes:
    return subprocess.run([shutil.which("openssl") or "", *arguments], check=True, capture_output=True).stdout


@needs_openssl
@pytest.mark.parametrize("algorithm", [["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]])
@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_a_signature_made_by_openssl_is_checked(
    check: Callable[..., None], tmp_path: Path, algorithm: list[str], below: bool, form: str
):
    if below and not openssl("version").startswith(b"OpenSSL 3"):
        pytest.skip("this openssl issues no certificates by `req -CA`")
    root, key, certificate = tmp_path / "root.pem", tmp_path / "key.pem", tmp_path / "signer.pem"
    new = ("req", "-x509", "-nodes", "-newkey", *algorithm, "-days", "30")
    openssl(*new, "-subj", "/CN=root", "-keyout", tmp_path / "root.key", "-out", root)
    issued = ("-CA", root, "-CAkey", tmp_path / "root.key") if below else ()
    openssl(*new, "-subj", "/CN=register", "-keyout", key, "-out", certificate, *issued)
    content, signature = tmp_path / "content", tmp_path / "content.sig"
    content.write_bytes(DUMP)
    signing = ("cms", "-sign", "-binary", "-in", content, "-signer", certificate, "-inkey", key)
    openssl(*signing, "-outform", form, "-out", signature)
    check(DUMP, signature.read_bytes(), root if below else certificate)
    shutil.rmtree(tmp_path / "scratch")
    with pytest.raises(RegisterError, match=r"is not by .* over this file"):
        check(DUMP + b"1.2.3.4;b.com;;x;1;2016-01-01\n", signature.read_bytes(), root if below else certificate)
    shutil.rmtree(tmp_path / "scratch")
    openssl(*new, "-subj", "/CN=root", "-keyout", tmp_path / "other.key", "-out", tmp_path / "other.pem")
    with pytest.raises(RegisterError, match=r"is not by other\.pem over this file"):
        check(DUMP, signature.read_bytes(), tmp_path / "other.pem")


def test_without_openssl_it_is_said_what_is_missing(
    check: Callable[..., None], signer: Signer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RegisterError, match="without the openssl program; install it"):
        check(DUMP, signer.sign(DUMP, DETACHED), signer.pem)


@needs_openssl
async def test_an_update_takes_only_what_is_signed_and_tries_the_next_mirror(
    db: sqlite_utils.Database, signer: Signer, tmp_path: Path
):
    forged, good = tmp_path / "forged.csv", tmp_path / "good.csv"
    forged.write_bytes(DUMP.replace(b"a.com", b"b.com"))
    good.write_bytes(DUMP)
    (tmp_path / "dump.sig").write_bytes(signer.sign(DUMP, DETACHED))

    async def fetch(*_: object, **__: object) -> None:
        raise AssertionError

    async def update(*sources: Path) -> object:
        return await update_register(
            db,
            [str(source) for source in sources],
            fetch,  # type: ignore[arg-type]
            name="rkn",
            country="RU",
            signed=Signed(str(tmp_path / "dump.sig"), signer.pem),
            force=True,
            now=datetime(2017, 5, 9, tzinfo=UTC),
            folder=tmp_path / "downloads",
        )

    with pytest.raises(RegisterError, match=r"stays as it was: forged\.csv: its signature is not"):
        await update(forged)
    assert db["register_versions"].count == 0
    assert (await update(forged, good)).entries == 1  # type: ignore[attr-defined]
    assert db.execute("SELECT names FROM register_entries").fetchall() == [("a.com",)]
    assert list((tmp_path / "downloads").iterdir()) == []
