"""The pages for developers name what exists, and every page can be found."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from results.db.columns import all_columns
from results.judge.signals import declared
from schedules.cli import group
from schedules.config.load import load
from tests import cli_docs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")
CONTRIBUTING = (DOCS / "contributing.md").read_text("utf-8")
PAGES = {"architecture": ARCHITECTURE, "contributing": CONTRIBUTING}
MAX_DIAGRAM_COLUMNS = 100
PATH = re.compile(
    r"(?<![\w./-])(?:probe|results|schedules|tests|docs|\.ci)/[\w./*-]*[\w/*]|(?<![\w./-])[\w.-]+\.(?:py|toml|yaml|lock|md)\b"
)
EXAMPLES = re.compile(r"(?<![a-z])(?:ntp|acme|uk|version_info|version-info|my\.toml)(?![a-z])")
"""What a reader of a recipe is about to make."""
LAYERED = {"probe": "layers of probe", "results": "layers of results", "schedules": "layers of schedules"}


def paths_in(text: str) -> set[str]:
    return {path for path in PATH.findall(text) if not EXAMPLES.search(path)}


def exists(path: str) -> bool:
    """In the checkout, or, for a bare file name, anywhere in the product or its docs."""
    if "*" in path:
        return any(ROOT.glob(path))
    if "/" in path or (ROOT / path).exists():
        return (ROOT / path).exists()
    return any(found for folder in ("probe", "results", "schedules", "docs") for found in (ROOT / folder).rglob(path))


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    named = paths_in(PAGES[page])
    assert len(named) > 20
    assert {path for path in named if not exists(path)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_is_run_or_named_with_dots_exists(page: str) -> None:
    named = set(re.findall(r"python -m ([\w.]+)", PAGES[page]))
    dotted = set(re.findall(r"`((?:probe|results|schedules)\.[\w.]+)`", PAGES[page]))
    assert {name for name in named if find_spec(name) is None} == set()
    assert {name for name in dotted if not _is_importable(name)} == set()


def _is_importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return hasattr(__import__(module, fromlist=[attribute]), attribute)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_exists(page: str) -> None:
    shown = re.findall(r"reachprobe (?:--\w+ \S+ )*([a-z][a-z-]*)", PAGES[page])
    named = {name for name in shown if not EXAMPLES.search(name)}
    assert named
    assert {name for name in named if group.get_command(None, name) is None} == set()  # type: ignore[arg-type]


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_the_code_exists(page: str) -> None:
    """Names in capitals, classes and calls: a word that a developer would search for."""
    source = "\n".join(
        path.read_text("utf-8")
        for folder in ("probe", "results", "schedules", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != Path(__file__).name
    )
    names = set(re.findall(r"`([A-Z][A-Za-z_]{3,}|[a-z_]{4,}(?=\())", PAGES[page]))
    assert {name for name in names if not re.search(rf"\b{name}\b", source)} == set()


@pytest.mark.parametrize("package", LAYERED)
def test_every_sub_package_has_its_line_and_layers_stand_in_their_order(package: str) -> None:
    section = ARCHITECTURE.split(f"\n### {package}: ")[1].split("\n### ")[0]
    listed = re.findall(r"^\| `(\w+)/` \|", section, re.MULTILINE)
    assert set(listed) == {path.name for path in (ROOT / package).iterdir() if any(path.glob("*.*"))} - {"__pycache__"}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["name"].startswith(LAYERED[package]))
    order = [name.strip("()") for name in reversed(layers)]
    assert [name for name in listed if name in order] == order


def test_every_package_of_tests_beside_the_mirror_is_named() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py")) or path.name == "bench"}
    assert all(f"`tests/{name}/`" in ARCHITECTURE for name in folders - set(LAYERED))


def test_the_diagram_fits_a_terminal() -> None:
    diagram = ARCHITECTURE.split("```")[1]
    assert max(map(len, diagram.splitlines())) <= MAX_DIAGRAM_COLUMNS


def test_the_recipes_say_how_to_check_the_result() -> None:
    recipes = CONTRIBUTING.split("\n## Recipe: ")[1:]
    assert [recipe.splitlines()[0] for recipe in recipes] == [
        "add a step",
        "add a register format",
        "add a rule",
        "add words of a language",
        "add a command",
        "add a notifier field",
    ]
    assert all("\n1. " in recipe and "\nCheck:\n" in recipe for recipe in recipes)


def test_set_up_is_the_readmes_second_command() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    command = next(line for line in CONTRIBUTING.splitlines() if line.startswith("python3 -m venv"))
    assert command in readme


def test_the_example_of_a_signal_or_a_column_is_none_that_exists() -> None:
    assert "answer.empty" not in declared()
    assert not any(column.startswith("ntp_") for column in all_columns())


def test_every_page_is_linked_from_the_readme_or_another_page() -> None:
    sources = [ROOT / "README.md", *DOCS.glob("*.md")]
    linked = {
        (source.parent / link).resolve()
        for source in sources
        for link in re.findall(r"\]\((?!http)([^)#]+)", source.read_text("utf-8"))
        if (source.parent / link).resolve() != source
    }
    assert set(DOCS.glob("*.md")) <= linked
    assert all(target.exists() for target in linked)


def test_the_index_names_every_page_and_each_anchor_exists() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    named = set(re.findall(r"\]\(([\w.-]+\.md)\)", index))
    assert named == {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for link, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
            target = (page.parent / link).resolve() if link else page
            assert anchor in anchors(target.read_text("utf-8")), f"{page.name}: {link}#{anchor}"


def anchors(text: str) -> set[str]:
    """A page's headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


SHOWN = sorted({
    (page.name, line.strip())
    for page in (ROOT / "README.md", *DOCS.glob("*.md"))
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in re.sub(r"\\\n\s*", "", block).splitlines()
    if re.match(r"(\.venv/bin/)?reachprobe ", line) and not EXAMPLES.search(line)
})  # fmt: skip


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_every_command_line_shown_is_one(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = group
    context = click.Context(group, info_name="reachprobe")
    while isinstance(command, click.Group) and words:
        options = known_options(command)
        if words[0] == "--help":
            return
        if words[0].startswith("--"):
            assert words[0] in options, f"{page}: {words[0]}"
            words = words[1 if options[words[0]].is_flag else 2 :]
            continue
        found = command.get_command(context, words[0])
        if found is None and command.invoke_without_command:
            break
        assert found is not None, f"{page}: {line}"
        command, words = found, words[1:]
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= set(known_options(command)), f"{page}: {line}"


def known_options(command: click.Command) -> dict[str, click.Option]:
    options = [one for one in command.params if isinstance(one, click.Option)]
    return {name: one for one in options for name in (*one.opts, *one.secondary_opts)}


CONFIGURATIONS = {
    page.name: "\n".join(re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    for page in DOCS.glob("*.md")
    if page.name != "contributing.md"
}
"""What a page shows of the configuration, as one file."""


@pytest.mark.parametrize("page", sorted(page for page, text in CONFIGURATIONS.items() if text))
def test_every_configuration_shown_is_accepted(page: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIGURATIONS[page], "utf-8")
    assert load(path, {}, {})


def test_the_command_line_reference_is_current() -> None:
    assert (DOCS / "cli.md").read_text("utf-8") == cli_docs.as_markdown() + "\n", (
        "python -m tests.cli_docs > docs/cli.md"
    )


def test_the_readme_leads_developers_to_both_pages() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert all(f"(docs/{page}.md)" in readme for page in PAGES)
