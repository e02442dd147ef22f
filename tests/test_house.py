"""The measures that the source keeps: short files, short functions, everything typed and documented."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("src", "backends", ".ci")
    for path in (ROOT / folder).rglob("*.py")
    if "tests" not in path.parts
)
MAX_FILE, MAX_FUNCTION = 400, 80
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def definitions(node: ast.AST, *, public: bool = True) -> Iterator[tuple[Definition, bool]]:
    """Give all definitions below a node, and whether each can be seen from outside."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            seen = public and not child.name.startswith("_")
            yield child, seen
            yield from definitions(child, public=seen and isinstance(child, ast.ClassDef))
        else:
            yield from definitions(child, public=public)


def is_typed(function: Function) -> bool:
    """Tell whether the result and all arguments but a leading self or cls have types."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    arguments = [argument for argument in named if argument]
    if arguments and arguments[0].arg in ("self", "cls"):
        arguments = arguments[1:]
    return function.returns is not None and all(argument.annotation for argument in arguments)


def flaws(source: str) -> list[str]:
    """List what breaks the measures in a file."""
    tree = ast.parse(source)
    found = [f"{len(source.splitlines())} lines"] if len(source.splitlines()) > MAX_FILE else []
    if tree.body and not ast.get_docstring(tree):
        found.append("no docstring of the module")
    for definition, public in definitions(tree):
        where = f"{definition.name} in line {definition.lineno}"
        if public and not ast.get_docstring(definition):
            found.append(f"{where}: no docstring")
        if isinstance(definition, ast.ClassDef):
            continue
        length = (definition.end_lineno or 0) - definition.lineno + 1
        if length > MAX_FUNCTION:
            found.append(f"{where}: {length} lines")
        if not is_typed(definition):
            found.append(f"{where}: not typed")
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_keeps_the_measures(path: Path) -> None:
    assert flaws((ROOT / path).read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "flaw"),
    [
        ("x = 1\n", "no docstring of the module"),
        ('"""Room."""\n' * 401, "401 lines"),
        ('"""Room."""\nclass A:\n    pass\n', "A in line 2: no docstring"),
        ('"""Room."""\nclass A:\n    """It."""\n    def b(self) -> None: ...\n', "b in line 4: no docstring"),
        ('"""Room."""\ndef _a(b) -> None: ...\n', "_a in line 2: not typed"),
        ('"""Room."""\nasync def _a(*, b: int): ...\n', "_a in line 2: not typed"),
        ('"""Room."""\ndef _a() -> None:\n' + "    print()\n" * 80, "_a in line 2: 81 lines"),
    ],
)
def test_each_measure_is_seen_when_it_is_broken(source: str, flaw: str) -> None:
    assert flaws(source) == [flaw]


def test_what_is_private_or_inside_a_function_needs_no_docstring() -> None:
    inside = '"""Room."""\ndef a() -> None:\n    """Do."""\n    def b() -> None: ...\n'
    assert flaws(inside + "class _C:\n    def d(self) -> None: ...\n") == []
