"""A headless Chromium that looks at a file and cannot talk to anybody, driven over a pair of pipes.

The protocol is Chromium's own (DevTools protocol, JSON records that end with a NUL), so nothing is added to the page.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
AS_3_AND_4 = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, copy in zip((3, 4), high):
    os.dup2(copy, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Where the browser looks for its pipes."""
OWN = ("file:", "data:", "about:", "chrome:")


class Page:
    """One open page."""

    def __init__(self, to: int, of: int) -> None:
        self._to, self._of, self._rest, self._number = to, of, b"", 0
        self._session: str | None = None
        self.requests: list[str] = []
        """Every address that was asked for, the page's own too."""
        self.complaints: list[str] = []
        """What the browser logs: what the page's policy refused, errors."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return dict(said["result"])

    def open(self, file: Path, *, width: int = 1100, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Show a file at a width in CSS pixels, with light or dark preferred, or as `print` sees it."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Page.navigate", url=file.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self) -> bytes:
        """The whole page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])

    def beyond(self) -> list[str]:
        """What was asked for that is not in the file."""
        return [url for url in self.requests if not url.startswith(OWN)]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._of, 1 << 16)
            assert read, "the browser has ended"
            self._rest += read
        line, self._rest = self._rest.split(b"\0", 1)
        said: dict[str, Any] = json.loads(line)
        if said.get("method") == "Network.requestWillBeSent":
            self.requests.append(said["params"]["request"]["url"])
        if said.get("method") == "Log.entryAdded":
            self.complaints.append(said["params"]["entry"]["text"])
        return said


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start it with a new profile folder, and end it."""
    assert PROGRAM is not None
    its_in, to = os.pipe()
    of, its_out = os.pipe()
    alone = ["unshare", "--net"] if _may_unshare() else []
    process = subprocess.Popen(
        [
            sys.executable,
            "-S",
            "-c",
            AS_3_AND_4,
            str(its_in),
            str(its_out),
            *alone,
            PROGRAM,
            *FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        pass_fds=(its_in, its_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    )
    os.close(its_in)
    os.close(its_out)
    try:
        yield Page(to, of)
    finally:
        os.close(to)
        os.close(of)
        process.terminate()
        process.wait(30)


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
