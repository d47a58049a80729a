"""The sentences that people quote: what failed, where, after how long."""

from __future__ import annotations

import pytest

from probe.model import Dns, Tls
from results.judge.step_text import failure_text
from tests.results.records import observation


@pytest.mark.parametrize(
    ("code", "failure", "said"),
    [
        (10, "ssl_invalid_certificate", "the certificate has expired"),
        (9, "ssl_invalid_certificate", "the certificate is not valid yet; is the clock right?"),
        (62, "ssl_invalid_hostname", "the certificate is for another name"),
        (20, "ssl_unknown_authority", "the certificate is by nobody we trust"),
        (None, "ssl_invalid_certificate", "the certificate is not valid for the name"),
    ],
)
def test_an_expired_certificate_is_not_told_as_one_for_another_name(code: int | None, failure: str, said: str) -> None:
    failed = observation("m", 1, "tls", Tls(server_name="www.example.com", verify_code=code), failure=failure)
    assert failure_text(failed, "tls.mitm") == f"www.example.com at 192.0.2.1:443: {said}"


def test_a_name_that_does_not_exist_is_not_said_to_vanish_after_a_moment() -> None:
    failed = observation(
        "m", 1, "dns", Dns(resolver="udp://192.0.2.53", query_type="A"), failure="dns_nxdomain_error", duration_s=0.012
    )
    assert failure_text(failed, "dns.nxdomain") == (
        "www.example.com: after 0.01 s the resolver udp://192.0.2.53 says that the name does not exist"
    )
