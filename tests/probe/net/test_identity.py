"""Which network this machine is on: told by the kernel of a namespace that each test builds, without a packet."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.net import identity
from probe.net.identity import Link, RouteOut, Whereabouts, tunnel_kind
from probe.net.path import Path as AnyPath

ROOT = Path(__file__).parents[3]
ROUTER, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOME = f"""
ip link set lo up
ip link add up0 type veth peer name far0
ip link set far0 up
ip link set up0 up
ip addr add 192.168.7.5/24 dev up0
ip route add default via 192.168.7.1
ip neigh add 192.168.7.1 lladdr {ROUTER} dev up0
"""
LOOK = """
import json
from probe.net.path import Path
from probe.net.identity import find_whereabouts
seen = [find_whereabouts(Path(name="p", bind=bind)) for bind in (None, *{binds!r})]
print(json.dumps([[s.key(b"x" * 32), s.tunnel, list(s.interfaces)] for s in seen]))
"""


NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "


def there(*setups: str, binds: tuple[str, ...] = (), by: str = "") -> list[tuple[str | None, str | None, list[str]]]:
    """What is seen in a fresh namespace after each of the setups, by the default way and then by each of `binds`."""
    if os.getuid() or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("needs root, unshare and ip")
    look = f"{by}{sys.executable} -c '{LOOK.format(binds=list(binds)).replace(chr(39), chr(34))}'"
    script = "set -e\n" + "\n".join(setup + "\n" + look for setup in setups)
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, cwd=ROOT)
    if done.returncode and ("Unknown device type" in done.stderr or "not permitted" in done.stderr):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return [tuple(seen) for line in done.stdout.splitlines() for seen in json.loads(line)]


@pytest.mark.lab
def test_the_same_router_is_the_same_network_and_another_is_another() -> None:
    there_and_back = (
        f"ip neigh change 192.168.7.1 lladdr {OTHER} dev up0",
        f"ip neigh change 192.168.7.1 lladdr {ROUTER} dev up0",
    )
    home, cafe, again = there(HOME, *there_and_back)
    assert home[0] == again[0] != cafe[0]
    assert None not in (home[0], cafe[0])
    assert home[1:] == (None, ["up0"])


ANOTHER_ADDRESS = f"""
ip addr del 192.168.7.5/24 dev up0
ip addr add 192.168.7.99/24 dev up0
ip route add default via 192.168.7.1
ip neigh replace 192.168.7.1 lladdr {ROUTER} dev up0
"""


@pytest.mark.lab
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_somebody_without_any_rights_sees_the_same_as_a_hardened_unit_must(tmp_path: Path) -> None:
    if not os.access(sys.executable, os.X_OK) or Path(sys.executable).resolve().is_relative_to("/root"):
        pytest.skip("this Python is root's alone")
    assert there(HOME, by=NOBODY) == there(HOME)


@pytest.mark.lab
def test_a_new_address_from_the_same_router_is_the_same_network() -> None:
    home, later = there(HOME, ANOTHER_ADDRESS)
    assert home == later


@pytest.mark.lab
def test_a_router_that_is_not_known_yet_is_no_network() -> None:
    assert there(HOME + "ip neigh del 192.168.7.1 dev up0")[0][0] is None


@pytest.mark.lab
def test_a_vpn_that_became_the_way_out_is_noticed_also_by_a_rule_as_wireguard_sets_it() -> None:
    vpn = "ip tuntap add dev vpn0 mode tun\nip addr add 10.9.0.2/24 dev vpn0\nip link set vpn0 up\n"
    by_rule = "ip route add default dev vpn0 table 51820\nip rule add not fwmark 51820 table 51820\n"
    (home, *_), (tunnelled, bound) = (
        there(HOME),
        there(HOME + vpn + by_rule, binds=("up0",)),
    )
    assert tunnelled[1:] == ("a VPN's tunnel (vpn0)", ["vpn0"])
    assert tunnelled[0] != home[0]
    assert bound == home, "a path that is bound to the line itself is on that line"


@pytest.mark.lab
def test_without_a_way_out_nothing_is_known() -> None:
    assert there("ip link set lo up")[0] == (None, None, [])


def test_a_bound_path_whose_interface_is_gone_leads_nowhere() -> None:
    from probe.net.path import Path as NetworkPath

    assert identity.find_whereabouts(NetworkPath(name="vpn", bind="no-such-if0")).ways == ()


def test_a_system_without_netlink_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("socket.AF_NETLINK", raising=False)
    assert identity.route_to("198.41.0.4") is None


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        (Link("wg0", 65534, "wireguard"), "a WireGuard tunnel"),
        (Link("tun0", 65534, "tun"), "a VPN's tunnel"),
        (Link("he-ipv6", 776, "sit"), "an IPv6 tunnel"),
        (Link("eth0", 1, None), None),
        (Link("wwan0", 65534, None), None),
        (Link("wwan0", 519, "wwan"), None),
        (Link("br0", 1, "bridge"), None),
    ],
)
def test_a_modem_is_no_tunnel(link: Link, kind: str | None) -> None:
    assert tunnel_kind(link) == kind


def test_ppp_is_a_vpn_only_beside_another_way_to_a_router(tmp_path: Path) -> None:
    head = "Iface Destination Gateway Flags\n"
    ppp = Link("ppp0", 512, "ppp")
    (tmp_path / "route").write_text(head + "ppp0 00000000 00000000 0001\neth1 0000A8C0 00000000 0001\n")
    assert tunnel_kind(ppp, tmp_path) is None, "a line that dials in"
    (tmp_path / "route").write_text(head + "ppp0 00000000 00000000 0001\neth0 2A00007F 0107A8C0 0007\n")
    assert tunnel_kind(ppp, tmp_path) == "a VPN over PPP"


MACS = st.binary(min_size=6, max_size=6)


@given(MACS, MACS, st.binary(min_size=32, max_size=32))
def test_a_key_tells_routers_apart_and_neither_family_nor_own_address_matters(
    a: bytes, b: bytes, secret: bytes
) -> None:
    def key(mac: bytes, **more: str) -> str | None:
        return Whereabouts(ways=(RouteOut(interface="wlan0", link_address=mac, ethernet=True, **more),)).key(secret)

    assert (key(a) == key(b)) is (a == b)
    assert key(a) == key(a, own="192.168.1.7", gateway="192.168.1.1") == key(a, own="2001:db8::1", gateway="fe80::1")
    assert a.hex() not in str(key(a))
    other = Whereabouts(ways=(RouteOut(interface="wlan0", link_address=a, ethernet=True),)).key(secret[::-1] + b"!")
    assert other != key(a)


@given(st.binary(max_size=200))
def test_whatever_the_kernel_answers_is_read_without_a_crash(answer: bytes) -> None:
    identity._read(answer)


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="the kernel is asked by netlink, on Linux alone")
def test_the_kernel_is_asked_again_when_it_tells_of_a_change_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(identity, "find_whereabouts", lambda path: looks.append(path) or Whereabouts())
    told = iter([True, False, False, True])
    monkeypatch.setattr(identity.RouteChanges, "any", lambda _: next(told))
    lookout = identity.WhereaboutsCache()
    for _ in range(4):
        lookout(AnyPath())
    assert len(looks) == 2


WATCHED = """
import subprocess, sys
from probe.net import identity
from probe.net.path import Path
monitor, looks, look = identity.WhereaboutsCache(), [], identity.find_whereabouts
identity.find_whereabouts = lambda path: looks.append(path) or look(path)
for change in sys.stdin.read().splitlines():
    subprocess.run(change, shell=True, check=True)
    now = look(Path())
    for _ in range(3):
        seen = monitor(Path())
        assert (seen.ways, seen.tunnel) == (now.ways, now.tunnel), change
print(len(looks))
"""
CHANGES = f"""
true
ip neigh change 192.168.7.1 lladdr {OTHER} dev up0
ip route add 198.41.0.4/32 via 192.168.7.9
ip route del 198.41.0.4/32
ip tuntap add dev vpn0 mode tun; ip addr add 10.9.0.2/24 dev vpn0; ip link set vpn0 up
ip route add default dev vpn0 table 51820; ip rule add not fwmark 51820 table 51820
ip rule del not fwmark 51820 table 51820
ip addr del 192.168.7.5/24 dev up0; ip addr add 192.168.7.99/24 dev up0
ip route add default via 192.168.7.1
ip link set up0 down
true
"""


@pytest.mark.lab
def test_whatever_changes_the_way_out_is_seen_at_the_next_look() -> None:
    if os.getuid() or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("needs root, unshare and ip")
    script = f"set -e\n{HOME}\nexec {sys.executable} -c '{WATCHED}'"
    changes = "\n".join(CHANGES.split("\n")[1:-1])
    words = ["unshare", "-n", "sh", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, input=changes)
    if done.returncode and ("Unknown device type" in done.stderr or "not permitted" in done.stderr):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2 * len(changes.splitlines())  # of three looks after each change


def test_where_the_kernel_tells_nothing_it_is_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    changes = identity.RouteChanges()
    assert changes.any()
    assert changes.any()
