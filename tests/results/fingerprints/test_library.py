"""What a collection beside our own set makes of answers and addresses: proof, a hint, or nothing after all."""

from __future__ import annotations

from typing import Any

import pytest

from probe.model import Http
from results.fingerprints import Match, match
from results.fingerprints.fingerprint import Fingerprint, checked
from results.fingerprints.library import Library, builtin_library
from results.i18n.translator import Translator

PHRASE = "Access is closed by order of the Example Authority"


def a_print(**changes: Any) -> Fingerprint:
    usual: dict[str, Any] = {
        "name": "x.1", "scope": "isp", "where": "body", "how": "contains", "pattern": PHRASE, "countries": ("RU",),
    }  # fmt: skip
    return checked(Fingerprint(**{**usual, **changes}))


def answer(body: str | bytes = f"<html>{PHRASE}</html>", **changes: Any) -> Http:
    data = body.encode() if isinstance(body, str) else body
    usual: dict[str, Any] = {"url": "http://target.example/", "status": 200, "body": data, "length": len(data)}
    return Http(**{**usual, **changes})


def said(found: Match) -> str:
    return Translator("en").phrase(found.tells)


def only(found: tuple[Match, ...]) -> Match:
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("changes", "country", "proof"),
    [
        ({}, "RU", True),
        ({"scope": "nat"}, "RU", True),
        ({"countries": ()}, "RU", True),
        ({"countries": ()}, None, True),
        ({}, "DE", False),
        ({}, None, False),
        ({"countries": ("ZZ",)}, "RU", False),
        ({"scope": "prod"}, "RU", False),
        ({"scope": "inst"}, "RU", False),
        ({"scope": "vbw"}, "RU", False),
        ({"scope": "unknown"}, "RU", False),
        ({"sure": 1}, "RU", False),
    ],
)
def test_only_a_countrys_or_providers_page_in_its_own_country_is_proof(
    changes: dict[str, Any], country: str | None, proof: bool
) -> None:
    found = only(Library((a_print(**changes),)).match(answer(), country))
    assert (found.is_block, found.is_page, found.is_refusal) == (proof, True, False)


def test_a_print_from_elsewhere_says_so() -> None:
    found = only(Library((a_print(),)).match(answer(), "DE"))
    assert said(found) == "its body matches a provider's block page elsewhere (RU)"


def test_a_short_pattern_proves_nothing() -> None:
    found = only(Library((a_print(pattern="blocked"),)).match(answer("<html>blocked</html>"), "RU"))
    assert not found.is_block


def test_a_large_page_that_holds_the_phrase_is_no_block_page() -> None:
    found = only(Library((a_print(),)).match(answer(PHRASE + "x" * 70_000), "RU"))
    assert not found.is_block


@pytest.mark.parametrize(
    ("body", "proof"),
    [
        ('<iframe src="http://block.example/stop">', True),
        ('<a href="http://block.example/stop">what is this?</a>', False),
        ('<iframe src="http://block.example/stop">' + "x" * 5_000, False),
    ],
)
def test_a_link_is_proof_only_in_a_short_page_that_leads_there(body: str, proof: bool) -> None:
    library = Library((a_print(pattern="http://block.example/stop"),))
    assert only(library.match(answer(body), "RU")).is_block is proof


def test_a_false_positive_voids_what_the_page_bears_our_own_fingerprints_too() -> None:
    ours = "<title>TTK :: Доступ к ресурсу ограничен</title>Welcome to nginx!" + PHRASE
    page = answer(ours, title="TTK :: Доступ к ресурсу ограничен")
    assert match(page)
    library = Library((a_print(), a_print(name="x.fp", scope="fp", pattern="Welcome to nginx!", countries=())))
    found = only(library.match(page, "RU"))
    assert (found.name, found.kind, found.is_page, found.is_refusal) == ("x.fp", "false_positive", False, False)


def test_a_redirect_to_a_block_host_stands_whatever_its_body_is_taken_for() -> None:
    library = Library((a_print(name="x.fp", scope="fp", pattern="302 Found", countries=()),))
    page = answer("<h1>302 Found</h1>", status=302, location="http://warning.rt.ru/?id=13")
    assert [found.kind for found in library.match(page, "RU")] == ["block_host", "false_positive"]


def test_a_redirect_that_is_known_to_be_harmless_voids_the_redirect() -> None:
    harmless = a_print(name="x.fp", scope="fp", where="header.location", how="prefix", pattern="http://err.example/")
    block = a_print(where="header.location", how="prefix", pattern="http://err.example/")
    page = answer("", status=302, location="http://err.example/1")
    assert not any(found.is_page for found in Library((block, harmless)).match(page, "RU"))
    assert only(Library((block,)).match(page, "RU")).kind == "block_host"


@pytest.mark.parametrize(
    ("how", "pattern", "body", "found"),
    [
        ("full", "the whole page", "the whole page", True),
        ("full", "the whole page", "the whole page, and more", False),
        ("prefix", "<html><!-- block", "<html><!-- block -->", True),
        ("prefix", "<html><!-- block", " <html><!-- block -->", False),
        ("contains", "in the middle", "is in the middle of it", True),
        ("contains", "in the Middle", "is in the middle of it", False),
        ("regexp", "blocked .* order", "is blocked by\nan order of", True),
    ],
)
def test_each_way_to_match_a_body(how: str, pattern: str, body: str, found: bool) -> None:
    assert bool(Library((a_print(how=how, pattern=pattern),)).match(answer(body), "RU")) is found


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "koi8-r"])
def test_a_cyrillic_phrase_is_found_in_the_encodings_that_pages_have(encoding: str) -> None:
    library = Library((a_print(pattern="<p>Доступ к сайту закрыт провайдером</p>"),))
    page = answer("<html><p>Доступ к сайту закрыт провайдером</p></html>".encode(encoding))
    assert only(library.match(page, "RU")).is_block


def test_a_pattern_in_base64_is_also_looked_for_as_the_bytes_it_stands_for() -> None:
    import base64

    raw = "<html>Доступ к запрашиваемому сайту закрыт по решению суда</html>".encode("koi8-r")
    library = Library((a_print(pattern=base64.b64encode(raw).decode().rstrip("=")),))
    assert only(library.match(answer(b"<!-- -->" + raw), "RU")).is_block


def test_a_header_is_matched_by_its_name_in_any_case() -> None:
    library = Library((a_print(where="header.server", how="prefix", pattern="Protected by Wall"),))
    page = answer("hello", headers=(("Server", "Protected by Wall/2"), ("X-Other", "Protected by Wall")))
    assert said(only(library.match(page, "RU"))) == "its server header matches a provider's block page"
    assert not library.match(answer("hello", headers=(("X-Other", "Protected by Wall"),)), "RU")


@pytest.mark.parametrize(
    ("value", "country", "found"),
    [
        ("192.0.2.66", "RU", "x.1"),
        ("192.0.2.66", "DE", None),
        ("192.0.2.67", "RU", None),
        ("95.167.13.50", "DE", "ru.rostelecom"),
    ],
)
def test_an_address_that_stands_in_place_of_names(value: str, country: str, found: str | None) -> None:
    assert Library((a_print(where="dns", how="full", pattern="192.0.2.66"),)).stub(value, country) == found


def test_an_alias_and_an_ipv6_address_are_compared_in_normal_form() -> None:
    library = Library(
        (
            a_print(where="dns", how="full", pattern="Block.Example."),
            a_print(name="x.2", where="dns", how="full", pattern="00d0::0011"),
        )
    )
    assert library.stub("block.example.", "RU") == "x.1"
    assert library.stub("d0::11", "RU") == "x.2"


def test_an_address_that_is_listed_as_a_false_positive_stands_for_nothing() -> None:
    harmless = a_print(name="x.fp", scope="fp", where="dns", how="full", pattern="95.167.13.50")
    assert Library((harmless,)).stub("95.167.13.50", "RU") is None


def test_the_same_prints_have_the_same_digest_and_our_own_set_has_none() -> None:
    assert Library((a_print(),)).digest == Library((a_print(),)).digest
    assert Library((a_print(),)).digest != Library((a_print(sure=6),)).digest
    assert builtin_library().digest is None


def test_what_is_looked_for_in_one_answer_is_bounded() -> None:
    library = Library(tuple(a_print(name=f"x.{n}", pattern=f"<p>number {n}</p>") for n in range(500)))
    page = answer("".join(f"<p>number {n}</p>" for n in range(500)))
    assert len(library.match(page, "RU")) == 64
