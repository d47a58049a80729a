"""Which article of Russia's law 149-FZ a register entry stands on.

Entry types as in the operator's instruction (vigruzki.rkn.gov.ru, format 2.4), articles as usher2/u2ckdump maps them.
The CSV has no entry type: there the authority and the decision's number must tell, and where they cannot, None is said.
"""

from __future__ import annotations

import re

from results.i18n.language import active
from results.i18n.translator import Translator, english

_ARTICLES = {"2": "15.2", "3": "15.3", "4": "15.4", "6": "15.5", "7": "15.8", "8": "15.9"}
_EXECUTIVE = frozenset({"ФСКН", "МВД", "ФНС", "Роспотребнадзор", "Росалкогольрегулирование", "Росмолодежь"})
_PERSONAL_DATA_LAW = "2015-09-01"  # 242-FZ brought article 15.5
_MINISTRY = ("Минцифр", "Минкомсвяз")


def meaning(basis: str | None, language: str | None = None) -> str | None:
    """What an article of 149-FZ is about, in a few words, in the active language by default; None for other laws."""
    law, _, article = (basis or "").partition(" ")
    key = f"law.{article}"
    return Translator(language or active()).say(key) if law == "149-FZ" and key in english() else None


def by_entry_type(entry_type: str | None, authority: str | None, number: str | None) -> str | None:
    """The article for an entry of dump.xml, as `149-FZ 15.4`; None for an undocumented entry type."""
    authority, number = authority or "", number or ""
    if entry_type == "1":
        if authority == "Роскомнадзор" and number.strip().endswith("-СОБ"):
            return "149-FZ 15.1(1)(m)"
        return "149-FZ 15.1-1" if authority in ("Генпрокуратура", "") else "149-FZ 15.1"
    if entry_type == "5":
        if authority.startswith(_MINISTRY):
            return "149-FZ 15.6-1"
        return "149-FZ 15.6" if authority == "Мосгорсуд" else None
    article = _ARTICLES.get(entry_type or "")
    return f"149-FZ {article}" if article else None


def by_decision(authority: str, number: str, date: str | None) -> str | None:
    """The article for a row of the zapret CSV, where authority, number and date tell."""
    if authority == "Роскомнадзор":
        if re.fullmatch(r"\d+-Restricting", number):
            return "149-FZ 15.4"
        if number.endswith("-СОБ"):
            return "149-FZ 15.1(1)(m)"
        return "149-FZ 15.1" if re.fullmatch(r"\d+-(URL|DOMAIN|IP)-\w+", number, re.IGNORECASE) else None
    if authority in _EXECUTIVE:
        return "149-FZ 15.1"
    if authority == "суд":  # later a court can also have decided by 15.5
        return "149-FZ 15.1" if date and date < _PERSONAL_DATA_LAW else None
    if authority == "Генпрокуратура":
        return "149-FZ 15.3"
    if authority == "Мосгорсуд":
        return "149-FZ 15.2" if number.casefold().startswith("определение о предварительном обеспечении") else None
    return "149-FZ 15.6-1" if authority.startswith(_MINISTRY) else None
