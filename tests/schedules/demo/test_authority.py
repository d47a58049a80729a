"""Each kind of certificate, seen by OpenSSL's own verification."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from schedules.demo.authority import Authority
from tests.lab import certificates
from tests.lab.any_name import for_any_name


def handshake(server: ssl.SSLContext, ca_file: Path, name: str) -> ssl.SSLObject:
    """A whole handshake in memory; raises what the client would see."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = ssl.create_default_context(cafile=str(ca_file)).wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _turn in range(10):
        try:
            here.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            return here
        try:
            there.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            here.do_handshake()
            raise
    raise AssertionError("the handshake does not end")


def verify_code(server: ssl.SSLContext, authority: Authority, name: str) -> int:
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(server, authority.ca_file, name)
    return caught.value.verify_code


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_good_certificate_verifies_for_its_name_and_its_address(authority: Authority) -> None:
    context = authority.context("honest.x.test", "127.77.0.54")
    assert handshake(context, authority.ca_file, "honest.x.test").version() == "TLSv1.3"
    assert handshake(context, authority.ca_file, "127.77.0.54").selected_alpn_protocol() is None


def test_a_wildcard_verifies_below_two_labels(authority: Authority) -> None:
    handshake(authority.context("*.x.test"), authority.ca_file, "anything.x.test")


def test_another_host_s_certificate_is_code_62(authority: Authority) -> None:
    assert verify_code(authority.context("other.x.test"), authority, "honest.x.test") == 62


def test_an_expired_certificate_is_code_10(authority: Authority) -> None:
    assert verify_code(authority.expired("old.x.test"), authority, "old.x.test") == 10


def test_a_certificate_from_tomorrow_is_code_9(authority: Authority) -> None:
    assert verify_code(certificates.not_yet_valid(authority, "new.x.test"), authority, "new.x.test") == 9


def test_a_self_signed_certificate_is_code_18(authority: Authority) -> None:
    assert verify_code(authority.context("own.x.test", self_signed=True), authority, "own.x.test") == 18


def test_another_authority_s_certificate_is_code_20(authority: Authority, tmp_path: Path) -> None:
    interceptor = Authority(tmp_path, "Interceptor")
    assert verify_code(for_any_name(interceptor), authority, "honest.x.test") == 20


def test_an_interceptor_has_a_certificate_for_every_name_it_is_asked_for(tmp_path: Path) -> None:
    interceptor = Authority(tmp_path, "Interceptor")
    context = for_any_name(interceptor)
    for name in ("honest.x.test", "wechat.x.test"):
        certificate = handshake(context, interceptor.ca_file, name).getpeercert()
        assert certificate is not None
        assert certificate["subjectAltName"] == (("DNS", name),)


def test_a_strict_server_answers_another_name_with_an_alert(authority: Authority) -> None:
    context = certificates.only_for(authority, "strict.x.test")
    handshake(context, authority.ca_file, "strict.x.test")
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        handshake(context, authority.ca_file, "innocent.x.test")
