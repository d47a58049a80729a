"""Behind NAT nobody here knows our public address, but pages and redirects like to tell it: there it is taken out."""

from __future__ import annotations

import hashlib
import re
import time
from ipaddress import IPv4Address, IPv6Address

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Answer, Dns, Http
from probe.net.address_policy import is_public, literal
from probe.redact import visitor_address
from probe.redact.scrub import scrub
from probe.redact.visitor_address import without_labelled
from tests.probe.redact.test_scrub import page, record

OURS4, OURS6 = "8.8.4.4", "2a02:6b8:0:1::7"
ECHOES = [
    "?ip={}",
    "?url=x.example&ip={}&id=7",
    "userip={}",
    "client_ip%3D{}",
    "Your IP address is {}.",
    "Your IP: <b>{}</b>",
    '"ip":"{}"',
    '{{"client": "{}"}}',
    "<td>IP</td> <td>{}</td>",
    "Ваш IP-адрес: {}",
    "IP адрес {}",
    "REMOTE_ADDR = {}",
    "Visitor: {}",
    "IPv6 {}",
    "&quot;ip&quot;:&quot;{}&quot;",
]


def told(text: str) -> Http:
    (step,) = scrub(record(page(text)), frozenset()).observations
    found: Http = step.detail
    return found


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("ours", [OURS4, OURS6])
def test_what_is_called_the_visitors_address_goes_from_url_redirect_title_header_and_page(echo: str, ours: str) -> None:
    found = told(echo.format(ours))
    whole = "|".join((found.url, str(found.location), str(found.title), (found.body or b"").decode()))
    assert ours not in whole
    assert ours not in dict(found.headers)["X-Client"]
    assert len(found.body or b"") == len(echo.format(ours).encode())
    assert found.body_sha256 == hashlib.sha256(found.body or b"").hexdigest()


def test_a_page_in_windows_1251_is_read_too() -> None:
    body = f"Ваш адрес: {OURS4}".encode("cp1251")
    made = record(Http(url="http://a.example/", status=200, body=body))
    assert OURS4.encode() not in scrub(made, frozenset()).observations[0].detail.body


@pytest.mark.parametrize(
    "text",
    [
        "http://203.98.184.57/blocked", "http://195.175.254.2/?id=1", "version 1.2.3.4", "at 12:34:56 ip",
        "ip=10.1.2.3", "ip=127.0.0.1", "script 8.8.4.4.8", "8.8.4.4 is an address", "ship 999.8.4.4",
        "zipped at 8.8.4.4",
    ],
)  # fmt: skip
def test_what_is_not_called_so_stays(text: str) -> None:
    made = record(page(text))
    assert without_labelled(made) is made


def test_an_address_that_was_met_stays_for_it_is_the_services() -> None:
    answer = Dns(resolver="system", query_type="A", rcode=0, answers=(Answer(type="A", value=OURS4),))
    made = record(answer, page(f"ip={OURS4}"))
    assert without_labelled(made) is made
    connected = record(page(f"ip={OURS4}"), address=OURS4)
    assert without_labelled(connected) is connected
    given_as_target = msgspec.structs.replace(made, target=msgspec.structs.replace(made.target, host=OURS4))
    assert without_labelled(given_as_target) is given_as_target


PUBLIC = st.ip_addresses().filter(lambda address: is_public(str(address)))


@given(PUBLIC, st.sampled_from(ECHOES), st.text(max_size=20), st.text(max_size=20))
def test_no_labelled_public_address_survives_whatever_stands_around(
    ours: IPv4Address | IPv6Address, echo: str, before: str, behind: str
) -> None:
    found = told(f"{before}\n{echo.format(ours)}\n{behind}")
    assert str(ours) not in (found.body or b"").decode().split(echo[:3])[-1]


@given(st.text(max_size=300))
def test_to_do_it_again_changes_nothing(text: str) -> None:
    once = without_labelled(record(page(text)))
    assert without_labelled(once) is once


@pytest.mark.parametrize(
    "kind", [b"ip=1.2.3.4 ", b"ip: a:b:c:d ", b"1.2.3.4.5.6.7.8", b"::::::::", b"ipipip>>>>>>>>>>>>"]
)
def test_a_hostile_page_takes_bounded_time(kind: bytes) -> None:
    made = record(Http(url="http://a.example/", status=200, body=kind * (512 * 1024 // len(kind))))
    began = time.process_time()
    without_labelled(made)
    assert time.process_time() - began < 5


@given(
    st.lists(
        st.sampled_from(
            ["2001:db9::7", "2600:1:2:3:4:5:6:7", "::", "14:09:54", "8.8.8.8", ":", "a:b:", "x", "%3d", "ip="]
        ),
        max_size=7,
    )
)
def test_where_to_look_for_an_address_is_never_passed_over(parts: list[str]) -> None:
    text = "".join(parts).encode()
    for kind in (visitor_address.IPV4, visitor_address.IPV6):
        anywhere = kind._replace(hint=re.compile(rb"[.:]"))
        by_hint, everywhere = (
            [found.span() for found in visitor_address._spelled(one, text) if literal(found[0].decode())]
            for one in (kind, anywhere)
        )
        assert by_hint == everywhere


@given(
    st.lists(st.lists(st.sampled_from(["ip=", "8.8.8.8", "2a00::1", ".", ":", "1", "\n", "\r", "f", " "])).map("".join))
)
def test_texts_that_are_passed_over_together_hold_no_address(texts: list[str]) -> None:
    assert visitor_address._may_hold_address(texts) or all(
        visitor_address._out_of_text(text, ()) == text for text in texts
    )


@pytest.mark.parametrize(
    "label",
    ["IP adresiniz: {}", "Ihre IP-Adresse: {}", "Ihre IP-Adresse lautet {}", '{{"origin": "{}"}}', "Source: {}",
     "http://block.example/?src={}&dst=1.1.1.1", "Ваша IP-адреса: {}", "Сіздің IP мекенжайыңыз: {}", "您的IP地址：{}",
     "客户端: {}", "آی‌پی شما: {}", "آدرس آی پی شما: {}", "عنوان IP الخاص بك: {}", "Su dirección IP es {}",
     "Votre adresse IP : {}",
     "IP manzilingiz: {}", "IP-суроғаи шумо: {}", "Địa chỉ IP của bạn: {}", "Request from {}"],
)  # fmt: skip
@pytest.mark.parametrize("ours", [OURS4, OURS6])
def test_labels_in_the_languages_of_the_countries_measured(label: str, ours: str) -> None:
    found = told(label.format(ours))
    whole = "|".join((found.url, str(found.location), str(found.title), (found.body or b"").decode()))
    assert ours not in whole
    assert "1.1.1.1" in whole or "dst" not in label


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Azure-ClientIP", "X-Azure-SocketIP", "Fly-Client-IP", "X-Forwarded-For", "X-AppEngine-User-IP",
     "CloudFront-Viewer-Address", "Ali-CDN-Real-IP", "WL-Proxy-Client-IP", "X-NF-Client-Connection-IP", "Cdn-Src-Ip",
     "CF-Connecting-IPv6", "X-Envoy-External-Address", "Set-Cookie", "X-Visitor", "Client_IP", "X-ClientAddr"],
)  # fmt: skip
def test_a_header_is_judged_by_its_name_and_its_value_together(header: str) -> None:
    made = record(Http(url="http://a.example/", headers=((header, f"for={OURS4};proto=https"), ("Server", "x"))))
    assert OURS4 not in str(scrub(made, frozenset()))


def test_other_headers_stay() -> None:
    headers = (("Server", "nginx"), ("Via", "1.1 google"), ("X-Forwarded-Proto", "https"), ("Location", "/client"))
    made = record(Http(url="http://a.example/", headers=headers))
    assert scrub(made, frozenset()) == made


@pytest.mark.parametrize("text", [OURS4, f"{OURS4}\n", f'"{OURS4}"', OURS6, f"<html><body>{OURS4}</body></html>"])
def test_an_address_that_is_the_whole_of_a_header_or_body_is_the_visitors(text: str) -> None:
    made = record(
        Http(url="http://a.example/", headers=(("X-Y", text.strip()),)),
        Http(url="http://a.example/", body=text.encode()),
    )
    assert OURS4 not in str(scrub(made, frozenset()))
    assert OURS6 not in str(scrub(made, frozenset()))


def test_what_a_header_tells_is_removed_from_the_rest_in_any_spelling() -> None:
    made = record(
        Http(url="http://a.example/", headers=(("X-Client-IP", OURS4),)),
        Http(url="http://b.example/", body=b"hello 8-8-4-4.isp.example, that is 134743044"),
    )
    assert scrub(made, frozenset()).observations[1].detail.body == b"hello 0-0-0-0.isp.example, that is 000000000"


def test_a_hostile_header_cannot_remove_the_address_that_was_measured() -> None:
    made = record(Http(url="http://a.example/", headers=(("X-Client-IP", OURS4),), body=b"at 8.8.4.4"), address=OURS4)
    found = scrub(made, frozenset()).observations[0]
    assert (found.address, found.detail.body) == (OURS4, b"at 8.8.4.4")


def test_an_address_behind_a_thousand_others_is_removed_too() -> None:
    body = b"1.1.1.1 " * 3000 + f"IP: {OURS4}".encode()
    assert (
        OURS4.encode()
        not in scrub(record(Http(url="http://a.example/", body=body)), frozenset()).observations[0].detail.body
    )


def test_headers_of_colons_are_one_linear_scan() -> None:
    headers = tuple((f"x-{n}", ":" * 4000) for n in range(24))
    made = record(*[Http(url="http://a.example/", status=302, headers=headers)] * 11)
    began = time.process_time()
    scrub(made, frozenset({"192.168.7.5"}))
    assert time.process_time() - began < 1
