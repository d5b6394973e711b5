"""A script as the parser sees it. Knows the grammar's nodes; must not know a rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import tree_sitter_pwsh
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_pwsh.language()))
HEADER = re.compile(r"# hemostat ([a-z_]+) (\d+): (looks|changes|runs): \S.*")


@dataclass(frozen=True)
class Script:
    """One script's bytes and what the parser makes of them."""

    data: bytes

    @cached_property
    def nodes(self) -> list[Node]:
        """Every node, in the text's order."""
        found, waiting = [], [_PARSER.parse(self.data).root_node]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += reversed(node.children)
        return found

    @cached_property
    def kind(self) -> str:
        """What the header says that it does: looks, changes or runs."""
        match = HEADER.fullmatch(self.data.split(b"\n", 1)[0].decode("ascii", "replace"))
        return match[3] if match else "looks"

    @cached_property
    def functions(self) -> dict[str, Node]:
        """Its own functions by lower-case name."""
        return {text(n.child(1)).lower(): n for n in self.nodes if n.type == "function_statement"}

    def of(self, *types: str) -> Iterator[Node]:
        return (n for n in self.nodes if n.type in types)


def below(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield child
        yield from below(child)


def text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node else ""
