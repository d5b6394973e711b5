"""What a script calls: commands and parameters, types, members, CIM classes. Knows the grammar; must not know what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from tests.powershell.script import Script, below, text

_SPLAT = re.compile(r"@(\w+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One command with what follows it.

    `words`: each a parameter ("-Name"), or "" for an argument; a value after a colon has gone with its parameter ("-Confirm:").
    `piped`: something is piped into it.
    """

    line: int
    name: str
    words: tuple[str, ...]
    values: tuple[str, ...]
    piped: bool


@dataclass(frozen=True, slots=True)
class Used:
    """A type, or a member with how it is asked for.

    `owner`: the type's name ("[IO.File]" without brackets), or the variable that the expression begins with ("$want"), or "".
    `arity`: the number of arguments; None where it is not called.
    """

    line: int
    owner: str
    name: str = ""
    arity: int | None = None


def calls(script: Script) -> Iterator[Call]:
    """Each command that is called by its name."""
    for node in script.of("command"):
        named = next((c for c in node.children if c.type == "command_name"), None)
        if named is not None:
            words = list(_words(script, node))
            piped = node.prev_named_sibling is not None
            yield Call(_line(node), text(named), tuple(w for w, _ in words), tuple(v for _, v in words), piped)


def _words(script: Script, command: Node) -> Iterator[tuple[str, str]]:
    parts = [n for c in command.children if c.type == "command_elements" for n in c.children]
    parts = [n for n in parts if n.type != "command_argument_sep" or text(n).strip() == ":"]
    skip = False
    for at, node in enumerate(parts):
        following = text(parts[at + 1]) if at + 1 < len(parts) else ""
        if skip or node.type == "command_argument_sep":
            skip = node.type == "command_argument_sep"
        elif node.type == "command_parameter":
            yield (text(node) + (":" if following == ":" else "")), ""
        elif splat := _SPLAT.fullmatch(text(node)):
            for key in _keys(script, splat[1]):
                yield f"-{key}", ""
                yield "", ""
        elif not (node.type == "argument_list" and at and _method(parts[at - 1])):
            yield "", text(node)


def _method(node: Node) -> bool:
    """Does the grammar part a call from its arguments, as it does in `Verb $a.Get('x')`?"""
    return any(n.type == "member_access" for n in (node, *node.children))


def _keys(script: Script, variable: str) -> Iterator[str]:
    """The keys of the hash literals that a variable is given, and those that are set one by one."""
    for node in script.of("assignment_expression"):
        left, right = node.children[0], node.children[-1]
        if text(left) == f"${variable}":
            yield from literal_keys(right)
        elif match := re.fullmatch(rf"\${variable}\['(\w+)'\]", text(left)):
            yield match[1]


def literal_keys(node: Node) -> Iterator[str]:
    """The keys of each hash literal in a node."""
    for key in below(node):
        if key.type == "key_expression":
            yield text(key).strip("'\"")


def types(script: Script) -> Iterator[Used]:
    """Each `[Type]`, also one in a cast; attributes and the arrays of a type count as the type."""
    for node in script.of("type_literal"):
        yield Used(_line(node), _plain(text(node)))


def made(script: Script) -> Iterator[Used]:
    """Each New-Object: the type and the number of arguments; a COM object has the name "COM"."""
    for node in script.of("command"):
        if not re.match(r"New-Object\b", text(node), re.IGNORECASE):
            continue
        call = next(c for c in calls_of(script, node))
        if "-ComObject" in call.words:
            yield Used(call.line, call.values[-1].strip("'"), "COM")
        else:
            owner = _resolved(script, call.values[0])
            yield Used(call.line, owner, "", _arity(node))


def calls_of(script: Script, node: Node) -> Iterator[Call]:
    """The one call that a command's node is."""
    words = list(_words(script, node))
    yield Call(_line(node), "", tuple(w for w, _ in words), tuple(v for _, v in words), False)


def _resolved(script: Script, name: str) -> str:
    """A type's name that a variable holds (the bootstrap is kept short that way)."""
    if name.startswith("$"):
        given = re.search(rf"^\s*\{name}\s*=\s*'([^']+)'", script.data.decode("ascii", "replace"), re.MULTILINE)
        name = given[1] if given else name
    return _plain(name)


def _arity(command: Node) -> int:
    """How many arguments a constructor gets: `(a, b)` two, `(,a)` one, a plain value one."""
    parts = [n for c in command.children if c.type == "command_elements" for n in c.named_children]
    arguments = [n for n in parts if n.type != "command_argument_sep"][1:]
    if not arguments:
        return 0
    listed = [n for n in below(arguments[0]) if n.type == "argument_expression" and _inside(n, arguments[0])]
    if arguments[0].type == "argument_list":
        return len(listed)
    inner = next((n for n in below(arguments[0]) if n.type == "array_literal_expression"), None)
    if inner is not None and text(inner) == text(arguments[0])[1:-1]:
        return inner.named_child_count
    return 1


def _inside(node: Node, outer: Node) -> bool:
    """Is an argument of this list, and not of one within?"""
    above = node.parent
    while above is not None and above.type != "argument_list":
        above = above.parent
    return above == outer


def members(script: Script) -> Iterator[Used]:
    """Each `.Name`, `.Name()`, `[Type]::Name` and `[Type]::Name()`."""
    for node in script.of("member_name"):
        name, access = text(node), node.parent
        if access is None or not re.fullmatch(r"\w+", name):
            continue
        first = access.children[0]
        yield Used(_line(node), _owner(first), name, _given(access))


def _given(access: Node) -> int | None:
    listed = next((c for c in access.children if c.type == "argument_list"), None)
    if listed is None:
        listed = _parted(access)
    if listed is None:
        return None
    return sum(1 for n in below(listed) if n.type == "argument_expression" and _inside(n, listed))


def _parted(access: Node) -> Node | None:
    """The argument list that the grammar puts beside the member, in a command's argument."""
    node = access if access.next_sibling is not None else access.parent
    after = node.next_sibling if node is not None else None
    return after if after is not None and after.type == "argument_list" and node is not None else None


def _owner(node: Node) -> str:
    if node.type == "type_literal":
        return f"[{_plain(text(node))}]"
    first = node
    while first.children and first.type in (
        "member_access",
        "invocation_expression",
        "element_access",
        "unary_expression",
    ):
        first = first.children[0]
    return text(first) if first.type == "variable" else ""


def _plain(name: str) -> str:
    """A type's name without quotes, the brackets about it, and what makes an array of it."""
    name = name.strip("'\"")
    return (name[1:-1] if name.startswith("[") else name).removesuffix("[]")


def properties(script: Script) -> Iterator[tuple[int, str, Sequence[str]]]:
    """Each CIM class that is asked for by its name, with the properties that are asked for; none means all."""
    for call in calls(script):
        if call.name.lower() not in ("get-ciminstance", "new-ciminstance", "invoke-cimmethod"):
            continue
        values = dict(zip(call.words, call.values[1:], strict=False))
        name = values.get("-ClassName") or (call.values[0] if call.words and not call.words[0] else "")
        if name and not name.startswith("$"):
            yield call.line, name.strip("'"), _asked(script, values.get("-Property", ""), call.line)


def _asked(script: Script, value: str, line: int) -> list[str]:
    """Names in a list, or in the list that a variable was given last."""
    if value.startswith("$"):
        before = "\n".join(script.data.decode("ascii", "replace").split("\n")[:line])
        given = re.findall(rf"^\s*\{value}\s*=\s*('.*')$", before, re.MULTILINE)
        value = given[-1] if given else ""
    return re.findall(r"\w+", value)


def _line(node: Node) -> int:
    return node.start_point[0] + 1
