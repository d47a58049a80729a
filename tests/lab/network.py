"""The demo's network with the options for sites that only tests use."""

from __future__ import annotations

from ssl import SSLContext

from schedules.demo.censor import Action
from schedules.demo.listener import Address
from schedules.demo.network import CensoredNetwork, Connect, Site
from schedules.demo.resolver import Behaviour
from schedules.demo.sites import Responder
from tests.lab.any_name import for_any_name


class LabNetwork(CensoredNetwork):
    """A censored network to which a test adds its own sites, lies and policies."""

    _hosts: tuple[str, ...] = ()

    def add_site(
        self,
        name: str,
        responder: Responder | None = None,
        *,
        tls: bool | SSLContext = True,
        censored: Action | None = None,
        lie: Behaviour | None = None,
        connect: Connect = "answered",
        dead: bool = False,
        at: tuple[str, ...] = (),
    ) -> Site:
        """A `dead` site refuses everybody. `at`: its addresses (also "::1"), all with one port."""
        self._hosts = tuple(self.host(address) for address in at)
        return super().add_site(
            name, responder, tls=tls, censored=censored, lie=lie, connect="dead" if dead else connect
        )

    def _site_hosts(self) -> tuple[str, ...]:
        hosts, self._hosts = self._hosts, ()
        return hosts or super()._site_hosts()

    def add_interceptor(self, responder: Responder, context: SSLContext | None = None) -> Address:
        """Without a context, it has a certificate for any name."""
        return super().add_interceptor(responder, context or for_any_name(self.interceptor))
