"""nginx and unbound inside the lab, where they are installed: what our own clients meet outside."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from schedules.demo import sites as demo
from schedules.demo.authority import Authority
from tests.lab.hello import ech_record
from tests.lab.sites import (
    BIG_KIB,
    DOH_BY_NAME,
    DOT_BY_NAME,
    ECH_SITE,
    HEAVY_KIB,
    HEAVY_RATE,
    HONEST_RESOLVERS,
    KNOWN,
    LOCAL_TLS_PORT,
    SERVED,
    SITES,
    SLOW_KIB,
    STUB,
    UNSIGNED,
    Site,
)

TTL = 60


def start(tool: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A server in this namespace; it ends with the namespace."""
    return subprocess.Popen([str(shutil.which(tool)), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def has(tool: str) -> bool:
    return shutil.which(tool) is not None


NGINX = """daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  keepalive_timeout 0;
  default_type text/html;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
{servers}}}
"""
SERVER = """  server {{
    listen {address}:80; listen [{ipv6}]:80; listen {address}:443 ssl http2; listen [{ipv6}]:443 ssl http2;
    server_name {name};
    ssl_certificate {pem}; ssl_certificate_key {pem};
    ssl_buffer_size {record}; ssl_protocols {protocols};
    {location}
  }}
"""
STRICT = """  server {{
    listen {address}:{port} ssl;
    ssl_reject_handshake on;
  }}
"""
"""Answers every name with the alert unrecognized_name."""
SMALL_RECORD, USUAL_RECORD = "1400", "16k"


def nginx_conf(folder: Path, authority: Authority) -> Path:
    """Writes the configuration and the pages; gives the configuration's path."""
    servers = "".join(
        SERVER.format(
            address=site.address,
            ipv6=site.ipv6,
            name=site.name,
            pem=_pem(site, authority),
            record=SMALL_RECORD if site.kind == "big" else USUAL_RECORD,
            protocols="TLSv1.3" if site.kind == "modern" else "TLSv1.2 TLSv1.3",
            location=_location(site, folder),
        )
        for site in SERVED
    ) + STRICT.format(address=SITES["abroad-hello-alert.x.test"], port=LOCAL_TLS_PORT)
    written = folder / "nginx.conf"
    written.write_text(NGINX.format(folder=folder, connections=512, servers=servers))
    return written


def _pem(site: Site, authority: Authority) -> Path:
    if site.kind == "expired":
        return authority.pem(site.name, valid=authority.past)
    return authority.pem("another.x.test" if site.kind == "misnamed" else site.name)


def _location(site: Site, folder: Path) -> str:
    if site.kind == "canary":
        return "return 204;"
    if site.kind == "closes":
        return "return 444;"
    if site.kind == "challenge":
        return "add_header cf-mitigated challenge always; error_page 403 /page.html; location = / { return 403; } " + (
            _root(site, folder, demo.html("Just a moment...", '<form id="challenge-form"></form>'))
        )
    if site.kind == "geoblock":
        return "error_page 451 /page.html; location = / { return 451; } " + (
            _root(site, folder, demo.html("Unavailable", "This content is not available in your region."))
        )
    sizes = dict.fromkeys(("big", "deep", "h3-deep"), BIG_KIB) | {"slow": SLOW_KIB}
    sizes |= dict.fromkeys(("heavy", "heavy-slow"), HEAVY_KIB)
    own = {"slow": "limit_rate 4k; ", "heavy-slow": f"limit_rate {HEAVY_RATE}k; "}
    own |= dict.fromkeys(("h3", "h3-deep"), "add_header Alt-Svc 'h3=\":443\"'; ")
    kib = sizes.get(site.kind, 1)
    return f"{own.get(site.kind, '')}index page.html; " + _root(site, folder, demo.html(site.name, kib=kib))


def _root(site: Site, folder: Path, page: bytes) -> str:
    root = folder / "www" / site.name
    root.mkdir(parents=True, exist_ok=True)
    (root / "page.html").write_bytes(page)
    return f"root {root};"


UNBOUND = """server:
  do-daemonize: no
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{log}"
  module-config: "validator iterator"
  do-not-query-localhost: no
  do-ip6: no
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  so-reuseport: no
{lines}
remote-control:
  control-enable: no
{forwarded}"""
FORWARD = """forward-zone:
  name: "{name}."
  forward-addr: {address}
"""
SIGNED = "DS 20326 13 2 " + "e0" * 32
"""The key that a zone is said to be signed with."""


def unbound_conf(folder: Path, authority: Authority) -> Path:
    """The honest resolvers: plain, over HTTPS and over TLS."""
    plain, doh, dot = HONEST_RESOLVERS
    pem = authority.pem(doh, dot, DOH_BY_NAME, DOT_BY_NAME)
    lines = [f"interface: {plain}@53", f"interface: {doh}@443", f"interface: {dot}@853"]
    lines += ["https-port: 443", "tls-port: 853", f'tls-service-key: "{pem}"', f'tls-service-pem: "{pem}"']
    return _unbound(folder / "honest.conf", [*lines, *_zone()])


LIES = {
    "linkedin.x.test": ("redirect", STUB),
    "bbm.x.test": ("always_nxdomain", None),
    "dns-refused.x.test": ("always_refuse", None),
    "dns-empty.x.test": ("always_nodata", None),
    "dns-silent.x.test": ("always_deny", None),
}
"""What the gateway's resolver says of these names, in unbound's words."""
ILL = "dns-servfail.x.test"
"""The name over which that resolver comes to grief."""


def lying_conf(folder: Path, port: int, ill_port: int) -> Path:
    """The gateway's own resolver, for queries that it takes out of the stream; it asks a server that is ill of one."""
    lines = [f"interface: 0.0.0.0@{port}"]
    for name, (zone, address) in LIES.items():
        lines.append(f'local-zone: "{name}." {zone}')
        lines += [f'local-data: "{name}. {TTL} IN A {address}"'] if address else []
    lines.append(f'local-zone: "{ILL}." transparent')
    return _unbound(folder / "lying.conf", [*lines, *_zone(without=(ILL, *LIES))], {ILL: f"127.0.0.1@{ill_port}"})


def _zone(without: tuple[str, ...] = ()) -> list[str]:
    lines = ['local-zone: "x.test." static']
    for name, address in zip((DOH_BY_NAME, DOT_BY_NAME), list(HONEST_RESOLVERS)[1:], strict=True):
        lines.append(f'local-data: "{name}. {TTL} IN A {address}"')
    lines.append(f"local-data: '{ECH_SITE}. {TTL} IN HTTPS {ech_record()}'")
    for site in KNOWN:
        if site.kind == "broken":
            lines += [f'local-zone: "{site.name}." transparent', f'trust-anchor: "{site.name}. {SIGNED}"']
        elif site.name not in without and site.kind != "inside":
            for address in site.addresses:
                lines.append(f'local-data: "{site.name}. {TTL} IN {"AAAA" if ":" in address else "A"} {address}"')
    return lines


def _unbound(path: Path, lines: list[str], forwarded: dict[str, str] | None = None) -> Path:
    to = {site.name: UNSIGNED for site in KNOWN if site.kind == "broken"} | (forwarded or {})
    path.write_text(
        UNBOUND.format(
            folder=path.parent,
            log=path.with_suffix(".log"),
            lines="\n".join(f"  {line}" for line in lines),
            forwarded="".join(FORWARD.format(name=name, address=address) for name, address in to.items()),
        )
    )
    return path
