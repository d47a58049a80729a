"""Published fingerprints in one form, and how much each one proves.

Scopes (Citizen Lab's, used by OONI's lists): `nat` a country's block page, `isp` a provider's, `prod` a filtering
product's, `inst` a school's or an office's, `vbw` vague words, `fp` a false positive.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from functools import cache
from typing import Any, Literal

import msgspec

try:
    import re2
except ImportError:  # no wheel for this machine: patterns are refused
    re2 = None

MAX_LENGTH = 1_024
"""Characters of a regular expression."""
MAX_MEMORY_BYTES = 1 << 20
"""Of one compiled pattern; a larger one is refused."""
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
PLAIN_TEXT = re.compile(r"(?:[^\\.^$*+?\[()|{]|\{(?!\d{1,4},?\d{0,4}\})|\\(?:[nrtfv]|\W|_))+", re.DOTALL)
NON_ASCII_OPERAND = re.compile(r"[^\x00-\x7f](?:[*+?]|\{\d)|\[[^\]]*[^\x00-\x7f]|\(\?[a-zA-Z]")
"""Operators that would act on one byte of a character, since pages are matched as bytes."""


class BadPattern(ValueError):
    """A pattern that is not taken, and why."""


class NoRegexpEngine(BadPattern):
    """RE2 is not installed."""


def compile_regexp(text: str) -> Any:
    """A compiled pattern with `search(bytes)`, in which `.` is any byte. BadPattern says why it is not taken."""
    if re2 is None:
        raise NoRegexpEngine("a regexp, for which google-re2 is not installed")
    if len(text) > MAX_LENGTH:
        raise BadPattern(f"a regexp that is too long: {len(text)} characters, at most {MAX_LENGTH}")
    if not text.isascii() and NON_ASCII_OPERAND.search(text):
        raise BadPattern("a regexp with a class, a flag or a repetition of characters beyond ASCII")
    try:
        compiled = re2.compile(text.encode(), _options())
        required_text = re2.Filter()
        required_text.Add(text.encode(), _options())
        required_text.Compile()
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPattern(f"no valid regexp: {_reason(error)}") from error
    if required_text.Match(b"", potential=True):
        raise BadPattern("a regexp without plain text that every match holds")
    return compiled


@cache
def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.dot_nl = True
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_MEMORY_BYTES
    return options


def _reason(error: Exception) -> str:
    given = error.args[0] if error.args else ""
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else str(error)


def literal(text: str) -> str | None:
    """The plain text that a regular expression stands for, where it is nothing else."""
    if not PLAIN_TEXT.fullmatch(text):
        return None
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)


Scope = Literal["nat", "isp", "prod", "inst", "vbw", "fp", "unknown"]
MatchKind = Literal["full", "prefix", "contains", "regexp"]

MAX_PATTERN = 65_536
"""Characters of a plain pattern: some lists hold whole pages."""
MIN_PATTERN = 4
MIN_PROOF_LENGTH = 8
"""A pattern shorter than this is found by chance too often to prove anything."""
MIN_CONFIDENCE = 3
"""So sure of a print, from 1 to 10, its author has to be."""
ENCODINGS = ("utf-8", "cp1251", "koi8-r")
HEADER = re.compile(r"header\.[!#$%&'*+.^_`|~0-9a-z-]{1,64}")
LINK = re.compile(r"(https?:)?//\S+|\.?[\w-]+(\.[\w-]+)+([:/?]\S*)?", re.ASCII)
NAMED = re.compile(r"(?:[a-z]_)?(nat|isp)_([a-z]{2})(?:_|$)")
BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")


class FingerprintError(Exception):
    """What is wrong with a list or a collection of fingerprints, in one line with the way out."""


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fingerprint. `where` is `body`, `dns`, or `header.` and the header's name in lower case."""

    name: str
    scope: Scope
    where: str
    how: MatchKind
    pattern: str
    countries: tuple[str, ...] = ()
    """ISO 3166; ZZ: unknown."""
    sure: int = 5

    @property
    def is_link(self) -> bool:
        """Whether it is nothing but a place on the web, which honest pages may link to."""
        return self.where == "body" and self.how != "full" and LINK.fullmatch(self.pattern) is not None

    def proves(self, country: str | None) -> bool:
        """Whether it can be proof of a block for a vantage in `country`: only a country's or a provider's page is."""
        if self.scope not in ("nat", "isp") or self.sure < MIN_CONFIDENCE:
            return False
        if self.where != "dns" and len(self.pattern) < MIN_PROOF_LENGTH:
            return False
        return not self.countries or country in self.countries


def digest(prints: tuple[Fingerprint, ...]) -> str:
    """A short name for exactly these prints."""
    return hashlib.sha256(msgspec.json.encode(prints)).hexdigest()[:16]


def country_named(name: str, scope: Scope) -> tuple[str, ...]:
    """The country in a country's or provider's print that is named like isp_ru_beeline or b_nat_ir_national_1."""
    found = NAMED.match(name) if scope in ("nat", "isp") else None
    return (found[2].upper(),) if found else ()


def checked(given: Fingerprint) -> Fingerprint:
    """The print, its DNS name or address in normal form; BadPattern says why it is not taken."""
    if given.where not in ("body", "dns") and not HEADER.fullmatch(given.where):
        raise BadPattern(f"an unknown place: {given.where[:40]!r}")
    if given.where == "dns":
        if given.how != "full":
            raise BadPattern(f"a DNS answer that is not to be matched in full: {given.how}")
        return msgspec.structs.replace(given, pattern=dns_value(given.pattern))
    if len(given.pattern) < MIN_PATTERN:
        raise BadPattern(f"a pattern that is too short: {len(given.pattern)} characters, at least {MIN_PATTERN}")
    if len(given.pattern) > MAX_PATTERN:
        raise BadPattern(f"a pattern that is too long: {len(given.pattern)} characters, at most {MAX_PATTERN}")
    if given.how == "regexp":
        compile_regexp(given.pattern)
    return given


def dns_value(text: str) -> str:
    """An address or a name as it is compared. BadPattern where it is neither."""
    text = text.strip().rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+", text) is None or len(text) > 253:
            raise BadPattern(f"neither an address nor a name: {text[:80]!r}") from None
        return text


def forms(pattern: str) -> tuple[bytes, ...]:
    """The bytes that a page may hold the text as. OONI's lists write bodies that are not UTF-8 in base64."""
    encodings = ["utf-8"] if pattern.isascii() else ENCODINGS
    found = [encoded for encoding in encodings if (encoded := _encoded(pattern, encoding))]
    if BASE64.fullmatch(pattern):
        whole = pattern[: len(pattern) // 4 * 4]
        try:
            found.append(base64.b64decode(whole, validate=True))
        except binascii.Error:
            pass  # it only looked like it
    return tuple(dict.fromkeys(found))


def _encoded(pattern: str, encoding: str) -> bytes | None:
    try:
        return pattern.encode(encoding)
    except UnicodeEncodeError:
        return None


class PageWords(msgspec.Struct, frozen=True):
    """The words of a page, by which prints that cannot be in it are passed over."""

    whole: frozenset[bytes]
    joined: bytes

    @classmethod
    def of(cls, data: bytes) -> PageWords:
        whole = frozenset(WORD.findall(data))
        return cls(whole, b"\0".join(whole))


class EncodedText(msgspec.Struct, frozen=True):
    """Bytes of a print, and what every page that bears them has: these words whole, this piece in some word."""

    text: bytes
    whole: frozenset[bytes]
    piece: bytes

    def is_possible(self, words: PageWords) -> bool:
        if self.whole:
            return self.whole <= words.whole
        return self.piece in words.joined


class PreparedFingerprint(msgspec.Struct, frozen=True):
    """A print made ready for matching."""

    print: Fingerprint
    forms: tuple[EncodedText, ...] = ()
    regexp: Any = None

    def in_value(self, value: bytes) -> bool:
        """Whether a header's value bears it."""
        if self.regexp is not None:
            return self.regexp.search(value) is not None
        return any(self._is(form, value) for form in self.forms)

    def in_body(self, body: bytes, words: PageWords) -> bool:
        """Whether a body's beginning bears it."""
        if self.regexp is not None:
            return self.regexp.search(body) is not None
        return any(form.is_possible(words) and self._is(form, body) for form in self.forms)

    def _is(self, form: EncodedText, data: bytes) -> bool:
        if self.print.how == "full":
            return data == form.text
        if self.print.how == "prefix":
            return data.startswith(form.text)
        return form.text in data


def prepare(given: Fingerprint) -> PreparedFingerprint:
    """Make a checked print ready."""
    if given.how == "regexp":
        return PreparedFingerprint(given, regexp=compile_regexp(given.pattern))
    return PreparedFingerprint(given, tuple(map(_form, forms(given.pattern))))


WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]{3,}")


def _form(text: bytes) -> EncodedText:
    found = list(WORD.finditer(text))
    whole = frozenset(word.group() for word in found if word.start() > 0 and word.end() < len(text))
    return EncodedText(text, whole, max((word.group() for word in found), key=len, default=b""))
