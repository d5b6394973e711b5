"""Parses a script and tells what is wrong with it, line by line. Knows the grammar's nodes and tests.powershell.rules; runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from tests.powershell import allowed, rules, uses
from tests.powershell.script import HEADER, Script, below, text


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong, on a 1-based line."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.line}: {self.text}"


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
            yield _fault(node, f"the parser cannot read {text(node)[:40]!r}")


def _automatic(script: Script) -> Iterator[Fault]:
    for node in _assigned(script):
        name = re.sub(r"^\$(?:\w+:)?", "", text(node)).strip("{}").lower()
        if name in rules.AUTOMATIC:
            yield _fault(node, f"${name} is an automatic variable: take another name")


def _assigned(script: Script) -> Iterator[Node]:
    for left in script.of("left_assignment_expression"):
        if not any(n.type in ("member_access", "element_access") for n in below(left)):
            yield from (n for n in below(left) if n.type == "variable")
    for loop in script.of("foreach_statement"):
        yield from (n for n in loop.children if n.type == "variable")
    for parameter in script.of("script_parameter"):
        yield from (n for n in parameter.children if n.type == "variable")
    for unary in script.of("post_increment_expression", "post_decrement_expression", "pre_increment_expression"):
        yield from (n for n in below(unary) if n.type == "variable")


def _newer(script: Script) -> Iterator[Fault]:
    for node in script.nodes:
        if node.type in rules.SEVEN:
            yield _fault(node, f"{rules.SEVEN[node.type]} is PowerShell 7's, not 5.1's")


def _orphans(script: Script) -> Iterator[Fault]:
    for node in script.of("command_name"):
        if text(node).lower() in rules.ORPHANS:
            yield _fault(node, f"{text(node)} belongs to nothing")
    for node in script.of("try_statement"):
        if not any(c.type in ("catch_clauses", "catch_clause", "finally_clause") for c in node.children):
            yield _fault(node, "try without catch or finally")


def _commands(script: Script) -> Iterator[Fault]:
    listed = allowed.commands(script.kind == "changes")
    for call in uses.calls(script):
        name = call.name.lower()
        if name in rules.BANNED:
            yield Fault(call.line, f"{name} is banned: {rules.BANNED[name]}")
        elif name in rules.ORPHANS or name in script.functions:
            continue
        elif name not in listed:
            yield Fault(call.line, f"{name} is not on the allow-list of a script that {_does(script)}")
        elif not any(form.fits(call.words, call.piped) for form in listed[name]):
            words = " ".join(word or "_" for word in call.words) or "no parameter"
            yield Fault(call.line, f"{name} is not on the allow-list with {words}")


def _does(script: Script) -> str:
    return "changes the host" if script.kind == "changes" else "only looks"


def _tools(script: Script) -> Iterator[Fault]:
    if script.kind == "runs":  # the bootstrap, whose work is to run another script
        return
    for node in script.of("command_name_expr"):
        name, told = text(node).strip("\"'").lower(), text(node.parent)
        arguments = told.partition(text(node))[2].strip()
        if name not in allowed.tools():
            yield _fault(node, f"a command by value: {text(node)[:40]}")
        elif arguments != allowed.tools()[name]:
            yield _fault(node, f"{name} may be told {allowed.tools()[name]!r} and nothing else, not {arguments[:40]!r}")


def _types(script: Script) -> Iterator[Fault]:
    for used in uses.types(script):
        if used.owner.lower() not in allowed.types():
            yield Fault(used.line, f"[{used.owner}] is not on the allow-list of types")
    for used in uses.made(script):
        if used.name == "COM":
            if used.owner.lower() not in allowed.others():
                yield Fault(used.line, f"the COM object {used.owner} is not on the allow-list")
        elif used.owner.lower() != "byte" and not _made(used):
            yield Fault(used.line, f"New-Object {used.owner} with {used.arity} arguments is not on the allow-list")


def _made(used: uses.Used) -> bool:
    members = allowed.types().get(used.owner.lower(), ())
    return any(member.fits(False, "new", used.arity) for member in members)


def _members(script: Script) -> Iterator[Fault]:
    own = {key.lower() for node in script.of("hash_literal_expression") for key in uses.literal_keys(node)}
    anyone = [m for members in (*allowed.types().values(), *allowed.others().values()) for m in members]
    for used in uses.members(script):
        how = used.name if used.arity is None else f"{used.name}() with {used.arity} arguments"
        if used.owner.startswith("["):
            members = allowed.types().get(used.owner.strip("[]").lower(), ())
            if not any(member.fits(True, used.name, used.arity) for member in members):
                yield Fault(used.line, f"{used.owner}::{how} is not on the allow-list")
        elif used.owner.lower() == "$want" or (used.arity is None and used.name.lower() in own | allowed.read()):
            continue
        elif not any(member.fits(static, used.name, used.arity) for member in anyone for static in (False, True)):
            yield Fault(used.line, f".{how} is a member of no type on the allow-list")


def _classes(script: Script) -> Iterator[Fault]:
    for line, name, properties in uses.properties(script):
        if name.lower() not in allowed.cim():
            yield Fault(line, f"the CIM class {name} is not on the allow-list")
            continue
        for wanted in properties:
            if wanted.lower() not in allowed.cim()[name.lower()]:
                yield Fault(line, f"{name}.{wanted} is not on the allow-list")


def _dynamic(script: Script) -> Iterator[Fault]:
    if script.kind == "runs":  # the bootstrap, whose work is to run another script
        return
    for node in script.of("type_literal"):
        name = text(node).strip("[]").lower()
        if any(banned in name for banned in rules.TYPES):
            yield _fault(node, f"[{name}] starts, compiles, loads or fetches")
    for node in script.of("member_name"):
        if text(node).lower() in ("invoke", "invokescript", "invokecommand", "invokereturnasis"):
            yield _fault(node, f".{text(node)}() runs what it is given")


def _bounded(script: Script) -> Iterator[Fault]:
    for node in script.of("while_statement", "do_statement"):
        words = {n.type for n in below(node)}
        endless = re.search(r"while\s*\(\s*(\$true|1)\s*\)", text(node), re.IGNORECASE)
        if endless and not words & {"break", "return", "flow_control_statement"}:
            yield _fault(node, "a loop without an end")
    for node in script.of("command"):
        told = text(node).lower()
        if told.startswith("get-childitem") and "-recurse" in told:
            yield _fault(
                node, "Get-ChildItem -Recurse has no -Depth before 5.0, and follows junctions: walk with a $Depth"
            )
        if told.startswith("convertto-json") and "-depth" not in told:
            yield _fault(node, "ConvertTo-Json without -Depth cuts at 2, silently")


def _silenced(script: Script) -> Iterator[Fault]:
    for node in script.of("command"):
        told = text(node).lower()
        if told.startswith(rules.TELLING) and "silentlycontinue" in told and "-errorvariable" not in told:
            yield _fault(
                node, f"{told.split()[0]} silenced without -ErrorVariable: access denied would read as nothing there"
            )


def _traps(script: Script) -> Iterator[Fault]:
    told = script.data.decode("ascii", "replace")
    for pattern, why in rules.TRAPS.items():
        for match in re.finditer(pattern, told, re.IGNORECASE):
            yield Fault(told.count("\n", 0, match.start()) + 1, why)


def _recursion(script: Script) -> Iterator[Fault]:
    calls = {name: _called(node) & set(script.functions) for name, node in script.functions.items()}
    for name, node in script.functions.items():
        if name in _reached(name, calls) and "$depth" not in text(node).lower():
            yield _fault(node, f"{name} calls itself without a $Depth that ends it")


def _called(function: Node) -> set[str]:
    return {text(n).lower() for n in below(function) if n.type == "command_name"}


def _reached(start: str, calls: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(calls[start])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += calls[name]
    return reached


def _fault(node: Node, told: str) -> Fault:
    return Fault(node.start_point[0] + 1, told)


RULES = (
    _header,
    _bytes,
    _parsed,
    _automatic,
    _newer,
    _orphans,
    _commands,
    _tools,
    _types,
    _members,
    _classes,
    _dynamic,
    _bounded,
    _silenced,
    _traps,
    _recursion,
)
