"""Checks the allow-list against a compatibility profile of a real machine (PSScriptAnalyzer's JSON). Knows both; must not know a script.

A profile's shape is PSCompatibilityCollector's (github.com/PowerShell/PSScriptAnalyzer): Runtime.Modules, .Common and .Types. It leaves out
the attributes of a parameter that is in all sets, so whether such a one is mandatory stays unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.powershell import allowed
from tests.powershell.allowed import Form, Member

_SWITCH = "System.Management.Automation.SwitchParameter"
_EVERY = "__AllParameterSets"
# SupportsShouldProcess adds them; a profile does not list them for a cmdlet that is no function.
_ASKING = frozenset({"confirm", "whatif"})


@dataclass(frozen=True)
class Profile:
    """One machine's dump."""

    told: dict[str, Any]

    @property
    def version(self) -> tuple[int, ...]:
        """PowerShell's, as far as it counts here: (5, 1)."""
        return _version(self.told["Platform"]["PowerShell"]["Version"])

    @property
    def name(self) -> str:
        """Windows and PowerShell in words."""
        platform = self.told["Platform"]
        return f"{platform['OperatingSystem']['Name']}, PowerShell {platform['PowerShell']['Version']}"

    @cached_property
    def commands(self) -> dict[str, dict[str, Any]]:
        """Cmdlets and functions by lower-case name."""
        modules = [m for versions in self.told["Runtime"]["Modules"].values() for m in versions.values()]
        return {n.lower(): c for m in modules for k in ("Cmdlets", "Functions") for n, c in m.get(k, {}).items()}

    @cached_property
    def types(self) -> dict[str, dict[str, Any]]:
        """Types by lower-case full name; accelerators by theirs."""
        rooms = [a.get("Types", {}) for a in self.told["Runtime"]["Types"]["Assemblies"].values()]
        found = {f"{space}.{n}".lower(): t for room in rooms for space, ts in room.items() for n, t in ts.items()}
        short = self.told["Runtime"]["Types"]["TypeAccelerators"]
        return found | {n.lower(): found[a["Type"].lower()] for n, a in short.items() if a["Type"].lower() in found}

    def type(self, name: str) -> dict[str, Any] | None:
        """A type as a script names it: without `System.`, of a generic one the first argument is left out."""
        plain = re.sub(r"\[.*\]", "`1", name.lower())
        return self.types.get(plain) or self.types.get(f"system.{plain}")


def read(path: Path) -> Profile:
    """A profile file.

    Raises:
        ValueError: it is none.
    """
    told = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(told, dict) or not {"Runtime", "Platform"} <= told.keys():
        raise ValueError(f"{path} is no compatibility profile: it lacks Runtime and Platform")
    return Profile(told)


def faults(profile: Profile) -> list[str]:
    """Everything on the allow-list that this machine does not know."""
    commands = allowed.commands(changes=True)
    found = [
        f"{name}: {why}" for name, forms in commands.items() for f in forms for why in of_command(profile, name, f)
    ]
    found += [
        f"[{name}]: {why}" for name, members in allowed.types().items() for why in of_type(profile, name, members)
    ]
    files = {name.lower() for name in profile.told["Runtime"].get("NativeCommands", {})}
    return found + [f"{tool}: it is not there" for tool in allowed.tools() if files and tool not in files]


def of_command(profile: Profile, name: str, form: Form) -> Iterator[str]:
    """Why this machine would refuse a command in this form."""
    if _newer(form.since, profile):
        return
    command = profile.commands.get(name)
    if command is None:
        yield "there is no such command"
        return
    parameters = {n.lower(): p for n, p in command.get("Parameters", {}).items()}
    wanted = {*form.places, *form.named, *form.switches, *([form.piped] if form.piped else [])} - form.added - _ASKING
    if missing := wanted - parameters.keys():
        yield f"there is no parameter {', '.join(sorted(missing))}"
        return
    for one in wanted:
        if (parameters[one]["Type"] == _SWITCH) != (one in form.switches):
            yield f"-{one} is {'a' if parameters[one]['Type'] == _SWITCH else 'no'} switch"
    sets = command.get("ParameterSets") or [_EVERY]
    if not any(_in_set(parameters, form, wanted, each) for each in sets):
        yield f"no parameter set has {', '.join(sorted(wanted)) or 'nothing'} and needs no more"


def _in_set(parameters: dict[str, Any], form: Form, wanted: set[str], each: str) -> bool:
    inside = {name: place for name, p in parameters.items() if (place := _place(p, each)) is not None}
    needed = {name for name, place in inside.items() if "Mandatory" in place.get("Flags", ())}
    by_place = [n for _, n in sorted((p["Position"], n) for n, p in inside.items() if p.get("Position", -1) >= 0)]
    by_place = [name for name in by_place if name not in form.named]
    known = [name for name in form.places if inside.get(name)]
    return wanted <= inside.keys() and needed <= wanted and by_place[: len(known)] == known


def _place(parameter: dict[str, Any], each: str) -> dict[str, Any] | None:
    """What a parameter is in one set; a profile leaves Position out where it is 0, and all where it is in every set alike."""
    sets = parameter.get("ParameterSets")
    if sets is None:
        return {}
    if each not in sets and _EVERY not in sets:
        return None
    return {"Position": 0, **(sets.get(each) or sets.get(_EVERY) or {})}


def of_type(profile: Profile, name: str, members: tuple[Member, ...]) -> Iterator[str]:
    """What of a type this machine does not have."""
    told = profile.type(name)
    if told is None:
        yield "there is no such type"
        return
    for member in members:
        if not _newer(member.since, profile) and not _has(told, member):
            yield f"it has no {'::' if member.static else ''}{member.name} as the list has it"


def _has(told: dict[str, Any], member: Member) -> bool:
    side = told.get("Static" if member.static else "Instance", {})
    if member.name == "new":
        return member.arities <= {len(taken) for taken in side.get("Constructors", [])}
    if member.arities:
        methods = {n.lower(): m for n, m in side.get("Methods", {}).items()}
        overloads = methods.get(member.name.lower(), {}).get("OverloadParameters", [])
        return member.arities <= {len(taken) for taken in overloads}
    return member.name.lower() in {n.lower() for kind in ("Properties", "Fields") for n in side.get(kind, {})}


def _newer(since: str, profile: Profile) -> bool:
    return bool(since) and _version(since) > profile.version


def _version(told: str) -> tuple[int, ...]:
    return tuple(int(part) for part in told.split(".")[:2])
