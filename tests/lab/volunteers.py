"""A group in the lab: three volunteers in networks of their own, and the hub that they send to, beyond the gateway.

One network censors nothing. Another's resolver lies: it gives one name a stub's address, and says of another that it
does not exist. The third resets TLS that names one site, and loses TLS that names another.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schedules.demo.authority import Authority
from tests.lab import censorship, kernel
from tests.lab.standing import ROOT, Lab

HUB = "198.51.100.90"
URL = f"https://{HUB}:8443"
PROGRAM = (sys.executable, "-c", "from schedules.cli import main; main()")
SERVICES = {"wechat": "wechat", "linkedin": "linkedin", "bbm": "bbm", "line": "line", "honest": "honest"}
"""Service -> the site of the lab that it is."""
LISTED = ("wechat.x.test", "linkedin.x.test")
LISTED_ON = (datetime.now(UTC) - timedelta(days=2)).replace(hour=12)


@dataclass
class Volunteer:
    """An agent in a network: where it keeps its things, and which way in the gateway has for it."""

    name: str
    asn: int
    network: str
    number: int
    link: str = ""
    rounds: list[int] = field(default_factory=list)
    """How each round ended."""


def group() -> tuple[Volunteer, ...]:
    return (
        Volunteer("open-1", 64496, "Openline", 1),
        Volunteer("dns-1", 64497, "Lyingname", 2),
        Volunteer("sni-1", 64498, "Deepgaze", 3),
    )


class Group:
    """The volunteers and their hub, in a lab that stands."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder, self.volunteers = lab, folder, group()
        authority = Authority(folder, "Hub Authority")
        self.pem = authority.pem(HUB)
        key = x509.load_pem_x509_certificate(self.pem.read_bytes()).public_key()
        self.pin = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        self.register = folder / "dump.xml"
        self.register.write_bytes(_register().encode("cp1251"))
        self.hub: subprocess.Popen[bytes] | None = None

    def stand(self) -> None:
        """Networks, their censorship, the hub with its register; everybody enrolled."""
        kernel.must("ip", "-n", kernel.INTERNET, "address", "add", f"{HUB}/24", "dev", "net0")
        for one in self.volunteers:
            one.link = kernel.add(one.name, one.number)
        _, lied_to, watched = self.volunteers
        for protocol in ("udp", "tcp"):
            to = ("-p", protocol, "--dport", "53", "-j", "REDIRECT", "--to-ports", "5353")
            kernel.inside(kernel.GATEWAY, "iptables", "-w", "-t", "nat", "-A", "PREROUTING", "-i", lied_to.link, *to)
        at_443 = ("-i", watched.link, "-p", "tcp", "--dport", "443", "-m", "string", "--algo", "bm", "--string")
        censorship.forward(*at_443, "wechat.x.test", "-j", "REJECT", "--reject-with", "tcp-reset")
        censorship.forward(*at_443, "line.x.test", "-j", "DROP")
        self._begin_hub()
        for one in self.volunteers:
            self._enrol(one)

    def end(self) -> None:
        if self.hub is not None:
            self.hub.terminate()
            self.hub.wait(20)

    def timer(self, one: Volunteer) -> list[str]:
        """What a volunteer's timer starts, as `schedule show` writes it."""
        shown = self._run(one, "schedule", "show", "--systemd")
        line = next(line for line in shown.splitlines() if line.startswith("ExecStart="))
        return shlex.split(line.removeprefix("ExecStart="))

    def go_off(self) -> None:
        """All timers go off at once; each round is waited for."""
        commands = [(one, self.timer(one)) for one in self.volunteers]
        begun = [
            (one, subprocess.Popen(_inside(kernel.place(one.name), *command), env=self._environment(one), cwd=ROOT,
                                   stdout=subprocess.DEVNULL))
            for one, command in commands
        ]  # fmt: skip
        for one, process in begun:
            one.rounds.append(process.wait(180))

    def received(self) -> int:
        """How many measurements the hub has."""
        lines = self._hub("vantages", "--json").splitlines()
        return sum(json.loads(line)["received"] for line in lines)

    def _begin_hub(self) -> None:
        config = self.folder / "hub.toml"
        config.write_text('[vantage]\nname = "hub"\n[hub]\nreading = "public"\n')
        hub = [*PROGRAM, "--config", str(config), "--db", str(self.folder / "hub.db")]
        self._hub_command = hub
        kernel.inside(
            kernel.INTERNET, *self._as(self.folder, hub), "register", "import", str(self.register), "--as", "rkn",
            "--country", "RU",
        )  # fmt: skip
        log = self.folder / "hub.log"
        listening = ("--listen", f"{HUB}:8443", "--cert", str(self.pem), "--key", str(self.pem))
        with log.open("wb") as out:
            command = _inside(kernel.INTERNET, *self._as(self.folder, hub), "hub", *listening)
            self.hub = subprocess.Popen(command, stderr=out, cwd=ROOT)
        until = time.monotonic() + 60
        while b"listening at" not in log.read_bytes():
            assert self.hub.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)

    def _hub(self, *words: str) -> str:
        return kernel.inside(kernel.INTERNET, *self._as(self.folder, self._hub_command), "hub", *words)

    def _enrol(self, one: Volunteer) -> None:
        home = self.folder / one.name
        home.mkdir()
        (home / "config.toml").write_text(self._config(one))
        invitation = self._hub("invite", one.name).strip()
        self._run(one, "init", "--yes", "--hub", URL, "--invitation", invitation, "--pin", self.pin)

    def _run(self, one: Volunteer, *words: str) -> str:
        config = ("--config", str(self.folder / one.name / "config.toml"))
        command = _inside(kernel.place(one.name), *PROGRAM, *config, *words)
        done = subprocess.run(
            command, env=self._environment(one), cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{words[0]}: {done.stderr}"
        return done.stdout

    def _environment(self, one: Volunteer) -> dict[str, str]:
        home = str(self.folder / one.name)
        return {**os.environ, "REACHPROBE_CONSENT": "yes", "STATE_DIRECTORY": home, "HOME": home}

    def _as(self, home: Path, command: list[str]) -> list[str]:
        return ["env", f"STATE_DIRECTORY={home}", f"HOME={home}", *command]

    def _config(self, one: Volunteer) -> str:
        text = self.lab.config_toml()
        vantage = f'name = "{one.name}"\ncountry = "RU"\nasn = {one.asn}\nnetwork_name = "{one.network}"\n'
        services = "".join(
            f'[[service]]\nname = "{name}"\nrequired = ["https://{site}.x.test/"]\n' for name, site in SERVICES.items()
        )
        campaign = f'[[campaign]]\nname = "all"\nservices = {json.dumps(list(SERVICES))}\nevery = "1s"\n'
        register = f'[[register]]\nname = "rkn"\ncountry = "RU"\nsource = "{self.register}"\n'
        hub = f'[hub]\nurl = "{URL}"\npins = ["{self.pin}"]\n'
        head = 'name = "lab"\ncountry = "RU"\n'
        assert head in text
        return text.replace(head, vantage) + hub + services + campaign + register


def _inside(place: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", place, *command]


def _register() -> str:
    contents = "".join(
        f'<content id="{number}" includeTime="{LISTED_ON:%Y-%m-%dT%H:%M:%S}" entryType="4" blockType="domain">'
        f'<decision date="{LISTED_ON:%Y-%m-%d}" number="{number}-4" org="Роскомнадзор"/>'
        f"<domain><![CDATA[{host}]]></domain></content>"
        for number, host in enumerate(LISTED, 1)
    )
    now = datetime.now(UTC) - timedelta(hours=1)
    return (
        '<?xml version="1.0" encoding="windows-1251"?><reg:register xmlns:reg="http://rsoc.ru" '
        f'updateTime="{now:%Y-%m-%dT%H:%M:%S}+00:00" formatVersion="2.4">{contents}</reg:register>'
    )
