"""Parses a script and tells what is wrong with it, line by line. Knows the grammar's nodes and tests.powershell.rules; runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import tree_sitter_pwsh
from tree_sitter import Language, Node, Parser

from tests.powershell import rules

_PARSER = Parser(Language(tree_sitter_pwsh.language()))
HEADER = re.compile(r"# hemostat ([a-z_]+) (\d+): (looks|changes|runs): \S.*")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong, on a 1-based line."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.line}: {self.text}"


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
        return {_text(n.child(1)).lower(): n for n in self.nodes if n.type == "function_statement"}

    def of(self, *types: str) -> Iterator[Node]:
        return (n for n in self.nodes if n.type in types)


def faults(data: bytes) -> list[Fault]:
    """Everything that is wrong with the script, by line."""
    script = Script(data)
    return sorted({fault for rule in RULES for fault in rule(script)})


def _header(script: Script) -> Iterator[Fault]:
    first = script.data.split(b"\n", 1)[0].decode("ascii", "replace")
    if not HEADER.fullmatch(first):
        yield Fault(1, "the first line must be `# hemostat NAME VERSION: looks|changes|runs: what`")


def _bytes(script: Script) -> Iterator[Fault]:
    for number, line in enumerate(script.data.split(b"\n"), start=1):
        if not line.isascii():
            yield Fault(number, "not ASCII: 5.1 reads it in the host's code page")
        if b"\r" in line or b"\x00" in line:
            yield Fault(number, "a control character")


def _parsed(script: Script) -> Iterator[Fault]:
    for node in script.nodes:
        if node.type == "ERROR" or node.is_missing:
            yield _fault(node, f"the parser cannot read {_text(node)[:40]!r}")


def _automatic(script: Script) -> Iterator[Fault]:
    for node in _assigned(script):
        name = re.sub(r"^\$(?:\w+:)?", "", _text(node)).strip("{}").lower()
        if name in rules.AUTOMATIC:
            yield _fault(node, f"${name} is an automatic variable: take another name")


def _assigned(script: Script) -> Iterator[Node]:
    for left in script.of("left_assignment_expression"):
        if not any(n.type in ("member_access", "element_access") for n in _below(left)):
            yield from (n for n in _below(left) if n.type == "variable")
    for loop in script.of("foreach_statement"):
        yield from (n for n in loop.children if n.type == "variable")
    for parameter in script.of("script_parameter"):
        yield from (n for n in parameter.children if n.type == "variable")
    for unary in script.of("post_increment_expression", "post_decrement_expression", "pre_increment_expression"):
        yield from (n for n in _below(unary) if n.type == "variable")


def _newer(script: Script) -> Iterator[Fault]:
    for node in script.nodes:
        if node.type in rules.SEVEN:
            yield _fault(node, f"{rules.SEVEN[node.type]} is PowerShell 7's, not 5.1's")


def _orphans(script: Script) -> Iterator[Fault]:
    for node in script.of("command_name"):
        if _text(node).lower() in rules.ORPHANS:
            yield _fault(node, f"{_text(node)} belongs to nothing")
    for node in script.of("try_statement"):
        if not any(c.type in ("catch_clauses", "catch_clause", "finally_clause") for c in node.children):
            yield _fault(node, "try without catch or finally")


def _commands(script: Script) -> Iterator[Fault]:
    allowed = (rules.CHANGE if script.kind == "changes" else rules.LOOK) | set(script.functions)
    for node in script.of("command_name"):
        name = _text(node).lower()
        if name in rules.BANNED:
            yield _fault(node, f"{name} is banned: {rules.BANNED[name]}")
        elif name not in allowed | rules.TOOLS | rules.ORPHANS:
            yield _fault(node, f"{name} is not on the allow-list of a script that {_does(script)}")


def _does(script: Script) -> str:
    return "changes the host" if script.kind == "changes" else "only looks"


def _dynamic(script: Script) -> Iterator[Fault]:
    if script.kind == "runs":  # the bootstrap, whose work is to run another script
        return
    for node in script.of("command_name_expr"):
        if _text(node).strip("\"'").lower() not in rules.TOOLS:
            yield _fault(node, f"a command by value: {_text(node)[:40]}")
    for node in script.of("type_literal"):
        name = _text(node).strip("[]").lower()
        if any(banned in name for banned in rules.TYPES):
            yield _fault(node, f"[{name}] starts, compiles, loads or fetches")
    for node in script.of("member_name"):
        if _text(node).lower() in ("invoke", "invokescript", "invokecommand", "invokereturnasis"):
            yield _fault(node, f".{_text(node)}() runs what it is given")


def _bounded(script: Script) -> Iterator[Fault]:
    for node in script.of("while_statement", "do_statement"):
        words = {n.type for n in _below(node)}
        endless = re.search(r"while\s*\(\s*(\$true|1)\s*\)", _text(node), re.IGNORECASE)
        if endless and not words & {"break", "return", "flow_control_statement"}:
            yield _fault(node, "a loop without an end")
    for node in script.of("command"):
        text = _text(node).lower()
        if text.startswith("get-childitem") and "-recurse" in text:
            yield _fault(
                node, "Get-ChildItem -Recurse has no -Depth before 5.0, and follows junctions: walk with a $Depth"
            )
        if text.startswith("convertto-json") and "-depth" not in text:
            yield _fault(node, "ConvertTo-Json without -Depth cuts at 2, silently")


def _silenced(script: Script) -> Iterator[Fault]:
    for node in script.of("command"):
        text = _text(node).lower()
        if text.startswith(rules.TELLING) and "silentlycontinue" in text and "-errorvariable" not in text:
            yield _fault(
                node, f"{text.split()[0]} silenced without -ErrorVariable: access denied would read as nothing there"
            )


def _traps(script: Script) -> Iterator[Fault]:
    told = script.data.decode("ascii", "replace")
    for pattern, why in rules.TRAPS.items():
        for match in re.finditer(pattern, told, re.IGNORECASE):
            yield Fault(told.count("\n", 0, match.start()) + 1, why)


def _recursion(script: Script) -> Iterator[Fault]:
    calls = {name: _called(node) & set(script.functions) for name, node in script.functions.items()}
    for name, node in script.functions.items():
        if name in _reached(name, calls) and "$depth" not in _text(node).lower():
            yield _fault(node, f"{name} calls itself without a $Depth that ends it")


def _called(function: Node) -> set[str]:
    return {_text(n).lower() for n in _below(function) if n.type == "command_name"}


def _reached(start: str, calls: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(calls[start])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += calls[name]
    return reached


def _below(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield child
        yield from _below(child)


def _text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node else ""


def _fault(node: Node, text: str) -> Fault:
    return Fault(node.start_point[0] + 1, text)


RULES = (
    _header,
    _bytes,
    _parsed,
    _automatic,
    _newer,
    _orphans,
    _commands,
    _dynamic,
    _bounded,
    _silenced,
    _traps,
    _recursion,
)
