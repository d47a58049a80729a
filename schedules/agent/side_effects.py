"""What is done beside measuring: people are told what has changed, Prometheus is given numbers, a hub the results.

None of it may end a round or hold one up: what goes wrong here is said, and tried again the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from schedules.hub_client.upload import Uploader
from schedules.notify.notifier import Notifier
from schedules.round.preflight import unwilling

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.metrics.metrics import MetricsServer
    from schedules.plan.model import Choice

LONGEST_S = 20.0
"""How long `run` waits at its end until what it tells is taken."""
FRESH_S = 300
"""How often the agent looks after this while nothing is measured."""

Say = Callable[[str], None]


class Aside:
    """One for each process. It says the same thing once until something else is to be said."""

    def __init__(
        self,
        say: Say,
        *,
        may_tell: Callable[[Store], str | None] = lambda _: None,
        may_send: Callable[[Store], str | None] = lambda _: None,
        teller: Notifier | None = None,
        sender: Uploader | None = None,
    ) -> None:
        """`may_tell` gives the sentence why people may not be told, None where they may; `may_send` the same of a
        hub."""
        self._say, self._may_tell, self._teller = say, may_tell, teller or Notifier()
        self._may_send, self._sender = may_send, sender or Uploader()
        self._said: dict[str, str] = {}
        self._server: MetricsServer | None = None
        self._listens: str | None = None
        self._looked_at = 0.0

    @staticmethod
    def is_wanted(config: Config) -> bool:
        """Whether there is anything to do beside measuring."""
        return (
            bool(config.notify)
            or config.hub.url is not None
            or config.metrics.textfile is not None
            or config.metrics.listen is not None
        )

    def measured(self, config: Config, store: Store, choices: Iterable[Choice], now: float) -> None:
        """A round has measured these: keep what there is to tell of them."""
        with self._no_matter("telling"):
            self._looked_at = 0.0
            self._tell_once("telling", self._teller.queue(config, store, choices, now))
        with self._no_matter("sending"):
            self._sender.queue(config, store)

    def count(self, config: Config, store: Store, now: float) -> None:
        """Give the numbers to whoever is configured to read them."""
        with self._no_matter("metrics"):
            self._tell_once("metrics", self._count(config, store, now))

    def tell(self, config: Config, store: Store, now: float) -> None:
        """Send what waits, and do not wait for it."""
        if config.hub.url is not None:
            with self._no_matter("sending"):
                why_not = self._may_send(store) or unwilling(config, store, now)
                self._tell_once("sending", why_not)
                for sentence in self._sender.step(config, store) if why_not is None else ():
                    self._tell_once("hub", sentence)
        if not config.notify:
            return
        with self._no_matter("telling"):
            why_not = self._may_tell(store)
            if why_not is not None:
                self._tell_once("consent", why_not)
                return
            for sentence in self._teller.send_due(config, store, now):
                self._say(sentence)

    def serve(self, config: Config) -> None:
        """Answer for the agent's numbers where the configuration says so now, and nowhere else."""
        wanted = config.metrics.listen
        if wanted == self._listens:
            return
        self.close()
        with self._no_matter("metrics"):
            if wanted is not None:
                from schedules.metrics.metrics import serve

                self._server, self._looked_at = serve(wanted), 0.0
            self._listens = wanted

    def is_due(self, now: float) -> bool:
        """Whether to look after all this now: a round is over, something is being told, or it is a while ago."""
        if not self._teller.is_busy and 0 <= now - self._looked_at < FRESH_S:
            return False
        self._looked_at = now
        return True

    def finish(self, store: Store, now: float, longest_s: float = LONGEST_S) -> None:
        """Wait so long for what is being told."""
        with self._no_matter("telling"):
            for sentence in self._teller.finish(store, now, longest_s):
                self._say(sentence)
        with self._no_matter("sending"):
            for sentence in self._sender.finish(longest_s):
                self._tell_once("hub", sentence)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server, self._listens = None, None

    def _count(self, config: Config, store: Store, now: float) -> str | None:
        if config.metrics.textfile is None and self._server is None:
            return None
        from schedules.metrics import metrics

        try:
            counted = metrics.registry(config, store, now)
        except ImportError:
            return metrics.MISSING
        if self._server is not None:
            self._server.show(counted)
        return metrics.write(Path(config.metrics.textfile), counted) if config.metrics.textfile is not None else None

    def _tell_once(self, about: str, sentence: str | None) -> None:
        if sentence is not None and self._said.get(about) != sentence:
            self._say(sentence)
        self._said[about] = sentence or ""

    @contextmanager
    def _no_matter(self, about: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._tell_once(about, f"{about} failed and measuring goes on: {type(error).__name__}: {error}")
