"""The allow-list of what a shipped script may call. Knows its file's words; must not know a script, a node or a profile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

# What every cmdlet takes (about_CommonParameters), as far as we use it.
COMMON = frozenset({"-erroraction", "-errorvariable"})
_MEMBER = re.compile(r"(::)?(\w+)(?:/([\d,]+))?(?: since (\d\.\d))?")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to call a command: which arguments by place, which parameters with a value, which switches, all of one parameter set.

    In the file: `ClassName@0 Filter -Force`: by place, by name, a switch; `|InputObject` comes by the pipeline. `~Stream` is a parameter
    that the provider adds (and no profile shows), `~-File` such a switch. `since 4.0` ends it: older PowerShell lacks it.
    """

    places: tuple[str, ...]
    named: frozenset[str]
    switches: frozenset[str]
    piped: str
    added: frozenset[str]
    since: str

    def fits(self, words: tuple[str, ...], piped: bool) -> bool:
        """Is a call with these words one of this form? Its parameters are spelt in full."""
        named: set[str] = set()
        given: set[str] = set()
        places = 0
        rest = list(words)
        while rest:
            word = rest.pop(0).lower()
            if not word:
                places += 1
                continue
            name = word.strip("-:")
            if name in self.switches:
                given.add(name)
                continue
            if not rest or rest.pop(0):
                return False
            if word not in COMMON:
                named.add(name)
        return (places, named, given, piped) == (len(self.places), self.named, self.switches, bool(self.piped))


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a type: `::` before it where it is static, `/2` with two arguments; `new/2` is a constructor."""

    static: bool
    name: str
    arities: frozenset[int]
    since: str

    def fits(self, static: bool, name: str, arity: int | None) -> bool:
        if (static, name.lower()) != (self.static, self.name.lower()):
            return False
        return arity in self.arities if self.arities else arity is None


def form(told: str) -> Form:
    """One line of the file as a form."""
    told, _, since = told.partition(" since ")
    words = [word.removeprefix("~") for word in told.lower().split()]
    added = {word.strip("~-") for word in told.lower().split() if word.startswith("~")}
    places = sorted((w.split("@")[::-1] for w in words if "@" in w), key=lambda pair: int(pair[0]))
    plain = {w for w in words if "@" not in w and w[0] not in "-|"}
    switches = {w[1:] for w in words if w[0] == "-"}
    piped = next((w[1:] for w in words if w[0] == "|"), "")
    return Form(tuple(n for _, n in places), frozenset(plain), frozenset(switches), piped, frozenset(added), since)


def member(told: str) -> Member:
    """One member of the file."""
    match = _MEMBER.fullmatch(told)
    if not match:
        raise ValueError(
            f"{told!r} is no member: write Name, Name/2, ::Name or new/1, with ` since 5.1` where it is newer"
        )
    arities = frozenset(int(n) for n in match[3].split(",")) if match[3] else frozenset()
    return Member(bool(match[1]), match[2], arities, match[4] or "")


@cache
def _file() -> dict[str, Any]:
    told: dict[str, Any] = YAML(typ="safe").load((Path(__file__).parent / "allowed.yaml").read_text("utf-8"))
    return told


@cache
def commands(changes: bool) -> dict[str, tuple[Form, ...]]:
    """By lower-case name: how a script that looks (or changes) may call it."""
    told = _file()
    found: dict[str, tuple[Form, ...]] = {}
    for part in ("looks", "changes") if changes else ("looks",):
        for name, lines in told[part].items():
            found[name.lower()] = (*found.get(name.lower(), ()), *(form(line or "") for line in lines))
    return found


@cache
def types() -> dict[str, tuple[Member, ...]]:
    """By lower-case name, as the scripts write it: the members that they may ask for."""
    return {name.lower(): tuple(map(member, members)) for name, members in _file()["types"].items()}


@cache
def others() -> dict[str, tuple[Member, ...]]:
    """The same for what no profile shows: COM objects by lower-case ProgID, with what they give."""
    return {name.lower(): tuple(map(member, each["members"])) for name, each in _file()["others"].items()}


@cache
def cim() -> dict[str, frozenset[str]]:
    """By lower-case class: its properties that may be asked for, lower-case."""
    return {name.lower(): frozenset(p.lower() for p in each["properties"]) for name, each in _file()["cim"].items()}


@cache
def tools() -> dict[str, str]:
    """Windows' own console tools by full name: the only arguments that they may get."""
    return {name.lower(): arguments for name, arguments in _file()["tools"].items()}


@cache
def read() -> frozenset[str]:
    """Lower-case names that may be read from an object although no type of the list has them."""
    extra = {name.lower() for each in _file()["read"].values() for name in each["members"]}
    return frozenset(extra.union(*cim().values()))
