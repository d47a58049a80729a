"""Certificates that only tests use; they extend schedules.demo.authority."""

from __future__ import annotations

import ssl
import warnings
from datetime import timedelta

from schedules.demo.authority import DAY, Authority


def not_yet_valid(authority: Authority, *names: str, by: timedelta = DAY) -> ssl.SSLContext:
    """A certificate that becomes valid in the future, as a slow clock sees a new one."""
    return authority.context(*names, valid=(authority.now + by, authority.now + by + 30 * DAY))


def only_for(authority: Authority, *names: str) -> ssl.SSLContext:
    """A context that answers every other SNI with the alert unrecognized_name, as strict servers do."""

    def choose(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        return None if name in names else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = authority.context(*names)
    context.sni_callback = choose
    return context


def outdated(authority: Authority, *names: str) -> ssl.SSLContext:
    """A server that speaks TLS 1.0 alone."""
    context = authority.context(*names)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def one_cipher(authority: Authority, *names: str) -> ssl.SSLContext:
    """A server with one cipher suite, which browsers still offer and OpenSSL's defaults here do not."""
    context = authority.context(*names)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    return context


def demands_certificate(authority: Authority, *names: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that lets in only those with a client certificate."""
    context = authority.context(*names)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    return context
