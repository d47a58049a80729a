"""Certificates for any name, as an interceptor makes them."""

from __future__ import annotations

import ssl

from schedules.demo.authority import Authority


def for_any_name(authority: Authority) -> ssl.SSLContext:
    """A context that issues a certificate for any SNI."""
    contexts: dict[str, ssl.SSLContext] = {}

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if name is None:
            return None
        if name not in contexts:
            if len(contexts) >= 1000:
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            contexts[name] = authority.context(name)
        connection.context = contexts[name]
        return None

    context = authority.context("any.x.test")
    context.sni_callback = choose
    return context
