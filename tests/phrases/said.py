"""Finds the sentences that the product can say, in its source: what is given to a noun's field that people read."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

# Which of a noun's arguments people read, by place and by name.
NOUNS: Mapping[str, Mapping[int, str]] = {
    "StepEnd": {2: "summary", 3: "next"},
    "Waiting": {0: "summary", 1: "next"},
    "Refused": {1: "seen", 2: "do"},
    "Check": {0: "name", 1: "expected", 2: "observed"},
    "Action": {4: "reason", 7: "undo"},
    "Verdict": {2: "reasons"},
    "Sign": {0: "words"},
    "_is": {1: "words"},
    "Finding": {1: "what"},
    "Look": {1: "seen"},
}
Names = Mapping[str, list[ast.expr]]


class Source:
    """One module, as far as it says something."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tree = ast.parse(path.read_text())
        self._functions = {f.name: f for f in ast.walk(self._tree) if isinstance(f, ast.FunctionDef)}

    def said(self) -> Iterator[tuple[int, str]]:
        """Line and fixed text of each piece of a sentence; what is filled in is left out."""
        yield from dict.fromkeys(self._visit(self._tree, _assigned(self._tree.body)))

    def _visit(self, node: ast.AST, names: Names) -> Iterator[tuple[int, str]]:
        if isinstance(node, ast.FunctionDef):
            names = {**names, **_assigned(ast.walk(node))}
        if isinstance(node, ast.Call):
            for given in _given(node):
                yield from self._pieces(given, names, frozenset())
        for child in ast.iter_child_nodes(node):
            yield from self._visit(child, names)

    def _pieces(self, given: ast.expr, names: Names, seen: frozenset[str]) -> Iterator[tuple[int, str]]:
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield given.lineno, given.value
        elif isinstance(given, ast.Name) and given.id not in seen:
            for value in names.get(given.id, ()):
                yield from self._pieces(value, names, seen | {given.id})
        elif isinstance(given, ast.Call):
            yield from self._called(given, seen)
        for child in _parts(given):
            yield from self._pieces(child, names, seen)

    def _called(self, call: ast.Call, seen: frozenset[str]) -> Iterator[tuple[int, str]]:
        """What a function of the same module answers."""
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in self._functions and name not in seen:
            body = list(ast.walk(self._functions[name]))
            names = _assigned(body)
            for node in body:
                if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
                    yield from self._pieces(node.value, names, seen | {name})


def _is_lookup(call: ast.Call) -> bool:
    """Its arguments are keys, encodings or patterns, and are not said."""
    verbs = (
        "get",
        "encode",
        "decode",
        "group",
        "search",
        "partition",
        "rpartition",
        "removeprefix",
        "removesuffix",
        "run",
    )
    return isinstance(call.func, ast.Attribute) and call.func.attr in verbs


def _parts(given: ast.expr) -> Iterator[ast.expr]:
    if isinstance(given, ast.Compare | ast.Lambda) or (isinstance(given, ast.Call) and _is_lookup(given)):
        return
    if isinstance(given, ast.IfExp):
        yield from (given.body, given.orelse)
    elif isinstance(given, ast.Subscript):
        yield given.value
    elif isinstance(given, ast.Dict):
        yield from given.values
    else:
        yield from (child for child in ast.iter_child_nodes(given) if isinstance(child, ast.expr))


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a noun that people read."""
    func = call.func
    name = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
    for place, key in NOUNS.get(name, {}).items():
        named = next((k.value for k in call.keywords if k.arg == key), None)
        found = call.args[place] if place < len(call.args) else named
        if found is not None:
            yield found


def _assigned(nodes: Iterator[ast.AST] | list[ast.AST] | list[ast.stmt]) -> Names:
    """What each name is given, as far as that is one plain assignment."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    for node in nodes:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) else None
        for target in targets if value is not None else ():
            for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(name, ast.Name):
                    found[name.id].append(value)
    return found
