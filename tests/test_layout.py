"""The tree keeps its layout: no module cycles, one public class per name, short parameter lists, no fragments."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("probe", "results", "schedules")
MAX_PARAMETERS = 6
MAX_LINES = 400
MIN_LINES = 40
ONE_FILE_EACH = {"cli", "steps", "formats", "rules", "signals"}
"""Folders where a short file with one importer is the design: one command, step, format or set of rules a file."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
RELEVANT = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def modules() -> dict[str, tuple[Path, list[ast.AST], int]]:
    """Path, imports, classes and functions, and number of lines of each module of the product."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text("utf-8")
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            nodes = [node for node in _statements(ast.parse(text)) if isinstance(node, RELEVANT)]
            found[name] = (path, nodes, text.count("\n"))
    return found


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements in a node, without their expressions, which are most of a tree."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, block, ()):
            yield child
            yield from _statements(child)


@cache
def imports() -> dict[str, set[str]]:
    """The modules that each module imports, at the top, in functions and for type checking."""
    known = modules()
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, (_, nodes, _) in known.items():
        for wanted in _imported(nodes):
            target = wanted if wanted in known else wanted.rpartition(".")[0]
            if target in known and target != name:
                graph[name].add(target)
    return graph


def _imported(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_no_two_public_classes_have_one_name() -> None:
    homes = defaultdict(list)
    for name, (_, nodes, _) in modules().items():
        for node in nodes:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_no_function_but_a_command_takes_more_than_six_parameters() -> None:
    long = [
        f"{name}.{node.name}: {len(_parameters(node))}"
        for name, (_, nodes, _) in modules().items()
        for node in nodes
        if isinstance(node, Function) and not _is_command(node) and len(_parameters(node)) > MAX_PARAMETERS
    ]
    assert long == []


def _parameters(node: Function) -> list[str]:
    given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return [one.arg for one in given if one.arg not in ("self", "cls")]


def _is_command(node: Function) -> bool:
    return any(word in ast.unparse(one) for one in node.decorator_list for word in ("command", "option", "argument"))


def test_every_module_is_large_enough_to_stand_alone_and_small_enough_to_read() -> None:
    importers = defaultdict(set)
    for name, targets in imports().items():
        for target in targets:
            importers[target].add(name)
    fragments = [
        f"{name}, imported only by {min(importers[name])}"
        for name, (path, _, lines) in modules().items()
        if lines < MIN_LINES
        and len(importers[name]) == 1
        and path.name != "__init__.py"
        and not ONE_FILE_EACH & set(path.parts)
    ]
    assert fragments == []
    assert [name for name, (_, _, lines) in modules().items() if lines > MAX_LINES] == []
