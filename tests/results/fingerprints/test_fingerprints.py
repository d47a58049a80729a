"""Known pages are recognised in any of their encodings; what is only like them is not; hostile bodies cost little."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Http
from results.fingerprints import builtin_set, compile_set, is_block_host, match, refusals

LAW = "Доступ к информационному ресурсу ограничен на основании Федерального закона от 27 июля 2006 г. № 149-ФЗ"


def answer(body: bytes = b"", **changes: object) -> Http:
    given = {"url": "http://a.example/", "status": 200, "body": body, "length": len(body), **changes}
    return Http(**given)  # type: ignore[arg-type]


def names(http: Http) -> list[str]:
    return [found.name for found in match(http)]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "koi8-r"])
def test_a_block_page_is_recognised_in_each_encoding(encoding: str) -> None:
    # KOI8-R has no numero sign.
    text = LAW if encoding != "koi8-r" else LAW.replace("№", "N")
    assert names(answer(text.encode(encoding))) == ["ru.law-149"]


def test_capitals_are_recognised_too() -> None:
    assert "ru.federal-laws" in names(
        answer("ДОСТУП К САЙТУ ОГРАНИЧЕН В СООТВЕТСТВИИ С ФЕДЕРАЛЬНЫМИ ЗАКОНАМИ".encode("cp1251"))
    )


def test_a_title_must_be_the_whole_title() -> None:
    assert names(answer(title="Доступ к запрашиваемому ресурсу закрыт")) == ["ru.requested-resource"]
    assert names(answer(title="Новости: Доступ к запрашиваемому ресурсу закрыт")) == []


@pytest.mark.parametrize(
    "text", ["blocked", "Доступ ограничен", "access denied", "This site was blocked by Roskomnadzor", "149-ФЗ", "451"]
)
def test_bare_words_are_no_block_page(text: str) -> None:
    assert match(answer(text.encode(), title=text)) == ()


def test_a_redirect_to_a_block_host_or_below_it() -> None:
    (found,) = match(answer(status=302, location="http://WARNING.rt.ru/?id=13&st=0"))
    assert (found.name, found.kind, found.is_block) == ("ru.rostelecom", "block_host", True)
    assert is_block_host("a.blocked.mts.ru")
    assert not is_block_host("rt.ru")
    assert not is_block_host("warning.rt.ru.example")
    assert not is_block_host(None)


def test_a_page_that_only_frames_a_block_host() -> None:
    framed = b'<html><frameset><frame src="http://subblock.mts.ru/api"></frameset></html>'
    assert names(answer(framed)) == ["ru.mts"]
    assert names(answer(framed.ljust(10_000, b" "))) == []
    assert names(answer(b'see <a href="http://subblock.mts.ru/">this</a>')) == []


def test_broken_redirects_are_nothing() -> None:
    for location in ("http://[", "//", "", "http://a:b:c", "\x00", "http://" + "a." * 500):
        assert match(answer(status=302, location=location)) == ()


def test_challenges_are_refusals_and_never_blocks() -> None:
    challenge = answer(b"<title>Just a moment...</title>", status=403, headers=(("CF-Mitigated", "challenge"),))
    assert [found.is_refusal for found in match(challenge)] == [True]
    assert refusals(challenge) == match(challenge)
    assert refusals(answer(LAW.encode())) == ()


def test_stub_addresses_are_known() -> None:
    assert "95.167.13.50" in builtin_set().stubs
    assert "95.167.13.52" not in builtin_set().stubs


def test_every_entry_has_a_source_and_no_entry_is_without_a_mark() -> None:
    compiled = builtin_set()
    for page, _ in (*compiled.blocks, *compiled.refusals):
        assert page.source, page.name
        assert page.title or page.body or page.header, page.name
        assert all(len(phrase) >= 6 for phrase in page.body), page.name
    assert all(entry.source for entry in (*compiled.hosts.values(), *compiled.stubs.values()))
    assert len(compiled.stubs) >= 20
    assert len(compiled.hosts) >= 15


def test_an_empty_set_matches_nothing() -> None:
    assert compile_set([]).hosts == {}


@given(st.binary(max_size=2000), st.text(max_size=50), st.text(max_size=50))
def test_matching_never_fails_whatever_came(body: bytes, title: str, location: str) -> None:
    match(answer(body, title=title, location=location, headers=((title, location),)))


def test_only_the_beginning_of_a_body_is_searched() -> None:
    filler = os.urandom(400_000)
    assert names(answer(filler + LAW.encode())) == []
    assert names(answer(filler[:30_000] + LAW.encode())) == ["ru.law-149"]


@pytest.mark.parametrize(
    "address", ["193.58.251.1", "193.58.251.11", "95.217.66.240", "159.255.26.69", "93.158.134.250"]
)
def test_the_answers_of_a_dns_filter_that_one_chose_oneself_are_no_block(address: str) -> None:
    assert address not in builtin_set().stubs


def test_only_the_page_about_blocking_of_a_providers_portal_is_one() -> None:
    page = "http://m.megafonpro.ru/rkn"
    (found,) = match(answer(status=302, location=page, headers=(("Location", page),)))
    assert (found.name, found.kind) == ("ru.megafon", "block_host")
    portal = "http://m.megafonpro.ru/login/new"
    assert match(answer(status=302, location=portal, headers=(("Location", portal),))) == ()


def test_an_article_that_quotes_the_law_is_no_block_page() -> None:
    article = LAW + " Сайт включен в единый реестр доменных имен, см. eais.rkn.gov.ru " + "слово " * 8_000
    assert match(answer(article.encode())) == ()
