"""Hints that a page is a filter's, in many languages: words, authorities and laws. A hint is never proof.

A short page in which something like "site" stands near something like "blocked" is a hint, a better one where it names
a court, a ministry or a provider. The words are data, in the TOML files of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from probe import data_files
from probe.model import Http
from probe.net.address_policy import is_public, literal
from results.fingerprints import host_of
from results.fingerprints.page_text import PageText, page_texts, stranger
from results.i18n.translator import Phrase

NEAR = 90
"""Characters between two words that belong to one statement."""
MAX_WORDS = 5_000
"""Characters of text beyond which a page is about blocking rather than a block page."""
MAX_LINKS = 40
LITTLE_TEXT = 300
MAX_PLACES = 12
"""URLs of a page; one of a register's among more is a link like others."""
MORE_IN_TITLE = 12
"""Characters of a title besides the phrase: a provider's name."""
MAX_OCCURRENCES = 24
SHOWN = 3
WHOLE = "|"
"""At a word's end in the files: nothing may follow it in its word."""


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language's words, each the beginning of one, or any piece of one where `anywhere`."""

    code: str
    things: tuple[str, ...]
    """What is blocked."""
    acts: tuple[str, ...]
    """What was done to it."""
    weak: tuple[str, ...] = ()
    """The same where it may have happened by itself, or for this visitor; it needs one of `by`."""
    by: tuple[str, ...]
    """Who did it, and on what grounds."""
    phrases: tuple[str, ...] = ()
    """What says it all alone."""
    visitor: tuple[str, ...] = ()
    """What a service says that does not serve this country."""
    refuses: tuple[str, ...] = ()
    """What servers say of their own accord to someone without permission, or at a bad time."""
    owner: tuple[str, ...] = ()
    """A hoster's words about a site in arrears, or a site's own."""
    denied: tuple[str, ...] = ()
    """What turns a visitor away and does not say who does."""
    anywhere: bool = False


class HintFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One TOML file of words."""

    language: tuple[Language, ...] = ()
    marks: tuple[str, ...] = ()
    """Pieces of URLs that block pages link to or load from."""


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """What in a page hints at a filter. `says` is for the evidence."""

    says: Phrase
    refuses: bool = False
    """Whether it may as well be the service that turns visitors away."""
    by_whom: bool = False
    """Whether it names who blocks, or on what grounds."""


@lru_cache(maxsize=1)
def hint_words() -> HintFile:
    """Every language and mark of this folder's files."""
    files = [msgspec.convert(data, HintFile) for data in data_files(__name__).values()]
    return HintFile(
        language=tuple(language for file in files for language in file.language),
        marks=tuple(mark for file in files for mark in file.marks),
    )


def hint_in(answer: Http) -> Hint | None:
    """What hints at a filter in an answer; None where nothing does. Bounded, and linear in the page."""
    host = host_of(answer.url) or ""
    found = [hint for page in page_texts(answer) if (hint := _hint(page, host)) is not None]
    return max(found, key=lambda hint: (not hint.refuses, hint.by_whom), default=None)


def _hint(page: PageText, host: str) -> Hint | None:
    if page.is_long or len(page.text) > MAX_WORDS or page.links > MAX_LINKS:
        return _title_hint(page)
    strangers = _only_leads_to(page, host)
    private = next((address for address in strangers if literal(address) and not is_public(address)), None)
    if private is not None:
        return Hint(says=Phrase("hint.private", {"address": private}), by_whom=True)
    mark = _mark(page, host)
    statements = [s for language in hint_words().language if (s := _statement(page, language)) is not None]
    best = max(statements, key=lambda hint: (not hint.refuses, hint.by_whom), default=None)
    if best is not None and any(phrase in page.text for phrase in _owners_phrases()):
        return msgspec.structs.replace(best, refuses=True)
    if mark is not None and (best is None or not best.by_whom):
        says = Phrase("hint.points_to", {"mark": mark})
        if best is not None:
            says = Phrase("hint.points_to_and_says", says.values | best.says.values)
        return Hint(says=says, by_whom=True)
    if best is None and strangers and not page.links:
        return Hint(says=Phrase("hint.leads_to", {"host": strangers[0]}), refuses=True)
    return best


@lru_cache(maxsize=1)
def _owners_phrases() -> tuple[str, ...]:
    """In whatever language: a service that closes for a country cites laws as well, and a hoster its contract."""
    return tuple(phrase for language in hint_words().language for phrase in (*language.visitor, *language.owner))


@lru_cache(maxsize=1)
def _refusing_phrases() -> tuple[str, ...]:
    """In whatever language, for the words of a ban are alike in several."""
    return tuple(phrase for language in hint_words().language for phrase in language.refuses)


def _title_hint(page: PageText) -> Hint | None:
    """A page with much in it, whose title is hardly more than a notice's: a provider's portal."""
    phrases = (phrase for language in hint_words().language for phrase in (*language.phrases, *language.denied))
    found = next((p for p in phrases if p in page.title and len(page.title) <= len(p) + MORE_IN_TITLE), None)
    return Hint(says=Phrase("hint.title", {"words": found}), refuses=True) if found else None


def _only_leads_to(page: PageText, host: str) -> tuple[str, ...]:
    """The other hosts that a page with little text frames or forwards to."""
    if len(page.text) > LITTLE_TEXT or literal(host):
        return ()
    return tuple(named for place in page.leads_to if (named := stranger(place, host)) is not None)


def _mark(page: PageText, host: str) -> str | None:
    if len(page.places) > MAX_PLACES:
        return None
    places = [place.lower() for place in page.places if stranger(place, host) or not place.startswith(("http", "//"))]
    return next((mark for mark in hint_words().marks if any(mark in place for place in places)), None)


def _statement(page: PageText, language: Language) -> Hint | None:
    texts, short = (page.title, page.text), page.text if len(page.text) <= LITTLE_TEXT else ""
    by = next((word for word in language.by for text in texts if _occurs(text, word, language)), None)
    acts = language.acts + language.weak if by else language.acts
    words_found = next((found for text in texts if (found := _ban_words(text, language, acts)) is not None), None)
    if words_found is None:
        phrases = (*language.denied, *language.visitor)
        denied = next((phrase for phrase in phrases if phrase in page.title or phrase in short), None)
        return Hint(says=Phrase("hint.says", {"words": denied}), refuses=True) if denied else None
    away = by is None and any(phrase in text for phrase in _refusing_phrases() for text in texts)
    named = (*words_found, *((by.rstrip(WHOLE),) if by else ()))
    words = " … ".join(named[:SHOWN])
    return Hint(says=Phrase("hint.says", {"words": words}), refuses=away, by_whom=by is not None)


def _ban_words(text: str, language: Language, acts: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words by which a text says that something is blocked."""
    phrase = next((phrase for phrase in language.phrases if phrase in text), None)
    if phrase is not None:
        return (phrase,)
    for act in acts:
        for at in _places(text, act, language):
            around = text[max(0, at - NEAR) : at + len(act) + NEAR]
            thing = next((thing for thing in language.things if _occurs(around, thing, language)), None)
            if thing is not None:
                return thing, act
    return None


def _occurs(text: str, word: str, language: Language) -> bool:
    return next(_places(text, word, language), None) is not None


def _places(text: str, word: str, language: Language) -> Iterator[int]:
    """Where a word begins, at most MAX_OCCURRENCES times."""
    word, whole = (word[:-1], True) if word.endswith(WHOLE) else (word, False)
    at = -1
    for _ in range(MAX_OCCURRENCES):
        at = text.find(word, at + 1)
        if at < 0:
            return
        if not language.anywhere and text[max(at - 1, 0) : at].isalnum():
            continue
        if not (whole and text[at + len(word) : at + len(word) + 1].isalnum()):
            yield at
