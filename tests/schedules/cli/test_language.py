"""The command line in the languages of the catalogues."""

from __future__ import annotations

import inspect
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from typing import Any, get_args

import click
import pytest
from rich.console import Console

from results.i18n.language import activate, languages
from results.i18n.translator import Translator
from results.judge.judged import Agreement
from results.judge.verdict import METHODS, Outcome
from schedules import cli
from schedules.render import tables
from schedules.render.output import talk
from schedules.render.text import age, how_many, seconds
from tests.schedules.cli.test_help import line

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
LANGUAGES = languages()


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and sub-command."""
    yield ()
    for name in cli.group.list_commands(click.Context(cli.group)):
        yield (name,)
        command = cli.group.load(name)
        if isinstance(command, click.Group):
            yield from ((name, sub) for sub in command.commands)


def english(words: tuple[str, ...]) -> click.Command:
    command: click.Command = cli.group
    for word in words:
        command = cli.group.load(word) if isinstance(command, cli.Commands) else command.commands[word]  # type: ignore[attr-defined]
    return command


def printed(table: Any, width: int = 400) -> str:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False).print(table)
    return file.getvalue()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_fits_80_columns_and_no_sentence_is_cut(
    language: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.call(["--language", language, *words, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [said for said in lines if len(said) > 80 or "..." in said.replace("[ARGS]...", "")] == []


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_in_russian_has_nothing_in_english(words: tuple[str, ...]) -> None:
    activate("ru")
    command = cli.translated(english(words))
    options = [one for one in command.params if isinstance(one, click.Option)]
    said = [command.help, *(option.help for option in options if option.help is not None)]
    assert [text for text in said if not CYRILLIC.search(text or "")] == []
    context = click.Context(command, info_name="x", help_option_names=["-h", "--help"])
    assert "Использование:" in command.get_usage(context)
    shown = command.get_help(context)
    sentences = inspect.cleandoc(english(words).help or "").split("\n\n")
    assert [sentence for sentence in sentences if sentence in shown] == []
    if options:
        assert "Параметры:" in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_use_the_terms_of_report_and_hub(language: str) -> None:
    activate(language)
    words = Translator(language)
    rows = [line(outcome=outcome) | {"agreement": get_args(Agreement)[0]} for outcome in get_args(Outcome)]
    rows += [line(method="tls.reset") | {"agreement": agreement} for agreement in get_args(Agreement)]
    for table in (tables.results_table(rows, 400), tables.recent_table(rows, str)):
        shown = printed(table)
        for outcome in get_args(Outcome):
            assert words.term("outcome", outcome) in shown
        for agreement in get_args(Agreement):
            assert words.term("agreement", agreement) in shown
    paths = printed(tables.paths_table([{"direct": row} for row in rows], ["direct"]))
    for outcome in set(get_args(Outcome)) - {"blocked"}:
        assert words.term("outcome", outcome) in paths
    for method in METHODS:
        assert words.term("method", method) in printed(tables.results_table([line(method=method, trigger="name")], 400))
    assert words.term("trigger", "name") in printed(
        tables.results_table([line(method="tls.reset", trigger="name")], 400)
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_of_the_widest_words_fits_80_columns(language: str) -> None:
    activate(language)
    outcomes, agreements = get_args(Outcome), get_args(Agreement)
    rows = [
        line("https://nodes.example.net:8443/", "blocked", method=method, trigger="address") | {"agreement": agreement}
        for method, agreement in zip(METHODS, cycle(agreements), strict=False)
    ]
    rows += [line(outcome=outcome) | {"agreement": agreements[0]} for outcome in outcomes]
    shown = printed(tables.results_table(rows, 80), 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    recent = printed(tables.recent_table(rows, lambda _: "abcd"), 80)
    assert max(map(len, recent.splitlines())) <= 80
    assert "…" not in recent


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["1 entry", "2 entries", "5 entries", "21 entries", "4.2 s", "3 min 20 s", "1 hour old", "3 days old"]),
        ("ru", ["1 запись", "2 записи", "5 записей", "21 запись", "4,2 с", "3 мин 20 с", "1 час назад", "3 дня назад"]),
    ],
)
def test_numbers_and_durations_have_the_forms_of_the_language(language: str, said: list[str]) -> None:
    activate(language)
    counted = [how_many(count, "entry") for count in (1, 2, 5, 21)]
    assert [*counted, seconds(4.2), seconds(200), age(1 / 24), age(3)] == said


def test_a_summary_in_russian() -> None:
    activate("ru")
    rows = [line(outcome="reachable"), line("https://a.example/", method="tls.reset")]
    assert tables.summary(rows, 4.2) == "2 адреса за 4,2 с: 1 доступно, 1 заблокировано."
    assert tables.counted(Counter({"down": 2})) == "2 не работает"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "reachprobe: Нет команды 'nonsense'; см. `reachprobe --help`"),
        (["check"], "reachprobe: Не указан аргумент 'TARGET…'; см. `reachprobe check --help`"),
        (["pause", "--for", "soon"], "reachprobe: Неверное значение '--for': 'soon': это не длительность;"),
        (["results", "list", "--outcome", "x"], "reachprobe: Неверное значение '--outcome': 'x' — ни одно из"),
        (["results", "list", "--nonsense"], "reachprobe: Нет параметра '--nonsense'"),
    ],
)  # fmt: skip
def test_mistakes_are_explained_in_the_language_of_the_locale(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert cli.call(arguments) == 2
    assert capsys.readouterr().err.startswith(said)


def test_a_configuration_chooses_the_language_and_an_option_overrides_it(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[ui]\nlanguage = "ru"\n')
    assert cli.call(["--config", str(path), "--help"]) == 0
    assert "Команды:" in capsys.readouterr().out
    assert cli.call([f"--config={path}", "--language=en", "--help"]) == 0
    assert "Commands:" in capsys.readouterr().out
    assert cli.call(["--db", "--language", "--vantage", "ru", "report", "--language", "ru", "--help"]) == 0
    assert "Options:" in capsys.readouterr().out


def test_a_message_on_a_terminal_is_wrapped_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    talk("measurements " * 8)
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    talk("measurements " * 8)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert all(len(said) <= 40 and set(said.split()) == {"measurements"} for said in lines)
