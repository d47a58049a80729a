"""What `results show` says of a step, also where somebody else wrote the record."""

from __future__ import annotations

from probe.model import Tcp
from results.i18n.translator import Translator
from results.judge.wording import result_text
from tests.results.records import observation


def test_an_imported_failure_of_an_unknown_kind_reaches_no_terminal_as_a_command() -> None:
    said = result_text(observation("m", 1, "tcp", Tcp(), failure="x\x1b[31m\u202ey"), Translator("en"))
    assert "\x1b" not in said
    assert "\u202e" not in said
