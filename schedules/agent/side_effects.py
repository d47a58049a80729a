"""What happens beside measuring: notifications, metrics and uploads. Their errors never end or delay a round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path

from results.db.store import Store
from schedules.config.schema import Config
from schedules.hub_client.upload import Uploader
from schedules.metrics.metrics import MetricsServer
from schedules.notify.notifier import Notifier
from schedules.plan.model import Choice
from schedules.round import consent
from schedules.round.unattended import reason_to_skip

FINISH_S = 20.0
"""How long `run` waits at its end for notifications and uploads under way."""
INTERVAL_S = 300
"""How often the agent sends and exports while nothing is measured."""

Say = Callable[[str], None]


class SideEffects:
    """Sends notifications and results, and exports metrics; one for each process. Each message is printed once."""

    def __init__(
        self,
        say: Say,
        environ: Mapping[str, str],
        notifier: Notifier | None = None,
    ) -> None:
        self._say, self._environ = say, environ
        self._notifier, self._uploader = notifier or Notifier(), Uploader()
        self._last_messages: dict[str, str] = {}
        self._server: MetricsServer | None = None
        self._listen_address: str | None = None
        self._served_at = 0.0

    @staticmethod
    def is_wanted(config: Config) -> bool:
        """Whether the configuration asks for any of them."""
        return (
            bool(config.notify)
            or config.hub.url is not None
            or config.metrics.textfile is not None
            or config.metrics.listen is not None
        )

    def after_round(self, config: Config, store: Store, choices: Iterable[Choice], now: float) -> None:
        """Queue the notifications and uploads of what was measured."""
        with self._errors_reported("notify"):
            self._served_at = 0.0
            self._say_once("notify", self._notifier.queue(config, store, choices, now))
        with self._errors_reported("upload"):
            self._uploader.queue(config, store)

    def export_metrics(self, config: Config, store: Store, now: float) -> None:
        """Write the text file and update the metrics server, as far as they are configured."""
        with self._errors_reported("metrics"):
            self._say_once("metrics", self._export_metrics(config, store, now))

    def send(self, config: Config, store: Store, now: float) -> None:
        """Start sending what is queued; does not wait."""
        if config.hub.url is not None:
            with self._errors_reported("upload"):
                reason = consent.reason_not_to_upload(self._environ, store) or reason_to_skip(config, store, now)
                self._say_once("upload", reason)
                for sentence in self._uploader.step(config, store) if reason is None else ():
                    self._say_once("hub", sentence)
        if not config.notify:
            return
        with self._errors_reported("notify"):
            reason = consent.reason_not_to_notify(self._environ, store)
            if reason is not None:
                self._say_once("consent", reason)
                return
            for sentence in self._notifier.send_due(config, store, now):
                self._say(sentence)

    def serve_metrics(self, config: Config) -> None:
        """Start, move or stop the metrics server as the configuration says."""
        wanted = config.metrics.listen
        if wanted == self._listen_address:
            return
        self.close()
        with self._errors_reported("metrics"):
            if wanted is not None:
                from schedules.metrics.metrics import serve

                self._server, self._served_at = serve(wanted), 0.0
            self._listen_address = wanted

    def is_due(self, now: float) -> bool:
        """Whether to send and export now: after a round, while something is being sent, or after INTERVAL_S."""
        if not self._notifier.is_busy and 0 <= now - self._served_at < INTERVAL_S:
            return False
        self._served_at = now
        return True

    def finish(self, store: Store, now: float, timeout_s: float = FINISH_S) -> None:
        """Wait for what is being sent."""
        with self._errors_reported("notify"):
            for sentence in self._notifier.finish(store, now, timeout_s):
                self._say(sentence)
        with self._errors_reported("upload"):
            for sentence in self._uploader.finish(timeout_s):
                self._say_once("hub", sentence)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server, self._listen_address = None, None

    def _export_metrics(self, config: Config, store: Store, now: float) -> str | None:
        if config.metrics.textfile is None and self._server is None:
            return None
        from schedules.metrics import metrics

        try:
            counted = metrics.registry(config, store, now)
        except ImportError:
            return metrics.missing()
        if self._server is not None:
            self._server.show(counted)
        return metrics.write(Path(config.metrics.textfile), counted) if config.metrics.textfile is not None else None

    def _say_once(self, about: str, sentence: str | None) -> None:
        if sentence is not None and self._last_messages.get(about) != sentence:
            self._say(sentence)
        self._last_messages[about] = sentence or ""

    @contextmanager
    def _errors_reported(self, about: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            says = {
                "notify": _("notifications failed, measuring continues: {error}"),
                "upload": _("uploads failed, measuring continues: {error}"),
                "metrics": _("metrics failed, measuring continues: {error}"),
            }
            self._say_once(about, says[about].format(error=f"{type(error).__name__}: {error}"))
