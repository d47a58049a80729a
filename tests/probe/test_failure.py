"""Failures are named by number and type; the text of an error may say anything."""

from __future__ import annotations

import errno
import re
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.failure import (
    LITERAL,
    MAX_ERROR_TEXT,
    SOCKS_FAILURES,
    UNKNOWN,
    Malformed,
    PrivateAddress,
    ProxyRefused,
    ProxyUnusable,
    describe,
    failure_of,
)

LYING = "Connection reset by peer; timed out; certificate has expired; NXDOMAIN"


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ECONNREFUSED, "connection_refused"), (errno.ECONNRESET, "connection_reset"),
        (errno.EPIPE, "connection_reset"), (errno.ECONNABORTED, "connection_aborted"),
        (errno.EHOSTUNREACH, "host_unreachable"), (errno.ENETUNREACH, "network_unreachable"),
        (errno.ENOPROTOOPT, "host_unreachable"), (errno.ENETDOWN, "network_down"),
        (errno.ETIMEDOUT, "generic_timeout_error"),
    ],
)  # fmt: skip
def test_an_errno_has_a_word_whatever_the_text_says(number: int, word: str) -> None:
    failure = failure_of(OSError(number, LYING))
    assert (failure.word, failure.code) == (word, number)


def verification_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, LYING)
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("code", "word"),
    [(9, "ssl_invalid_certificate"), (10, "ssl_invalid_certificate"), (18, "ssl_unknown_authority"),
     (19, "ssl_unknown_authority"), (20, "ssl_unknown_authority"), (62, "ssl_invalid_hostname"),
     (64, "ssl_invalid_hostname"), (66, "ssl_invalid_certificate"), (99, "ssl_invalid_certificate")],
)  # fmt: skip
def test_a_verify_code_has_a_word(code: int, word: str) -> None:
    failure = failure_of(verification_error(code))
    assert (failure.word, failure.code) == (word, code)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "generic_timeout_error"),
        (EOFError(LYING), "eof_error"),
        (ssl.SSLEOFError(8, LYING), "eof_error"),
        (ssl.SSLError(1, LYING), "ssl_failed_handshake"),
        (socket.gaierror(socket.EAI_NONAME, LYING), "dns_nxdomain_error"),
        (socket.gaierror(socket.EAI_AGAIN, LYING), "dns_temporary_failure"),
        (socket.gaierror(socket.EAI_FAIL, LYING), "dns_non_recoverable_failure"),
        (PrivateAddress(LYING), "dns_bogon_error"),
        (Malformed("dns_servfail_error", LYING), "dns_servfail_error"),
    ],
)
def test_a_type_has_a_word(error: BaseException, word: str) -> None:
    assert failure_of(error).word == word


def test_the_cause_is_looked_through_where_the_error_itself_says_nothing() -> None:
    outer = OSError("wrapped")
    outer.__cause__ = ConnectionResetError(errno.ECONNRESET, "reset")
    assert failure_of(outer).word == "connection_reset"


@pytest.mark.parametrize("reply", SOCKS_FAILURES)
def test_a_proxy_that_tried_and_failed_tells_of_the_target(reply: int) -> None:
    failure = failure_of(ProxyRefused(reply, "SOCKS5 reply"))
    assert failure.code == reply
    assert not failure.word.startswith(UNKNOWN)


def test_a_proxy_that_is_down_tells_nothing_of_the_target_though_its_cause_is_a_refusal() -> None:
    error = ProxyUnusable("path control: the proxy cannot be reached")
    error.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    assert failure_of(error).word.startswith(UNKNOWN)


def test_running_out_of_files_is_our_own_trouble() -> None:
    assert failure_of(OSError(errno.EMFILE, "too many open files")).word.startswith(UNKNOWN)


@given(st.text(max_size=2000), st.ip_addresses().map(str), st.text(max_size=2000))
def test_an_error_text_is_one_bounded_line_without_addresses(before: str, address: str, behind: str) -> None:
    text = describe(OSError(f"{before} {address} {behind}"))
    assert len(text) <= MAX_ERROR_TEXT
    assert text.isprintable()
    assert not re.search(r"\d+\.\d+\.\d+\.\d+", text)
    assert LITERAL.search(text) is None
