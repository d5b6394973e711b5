"""The allow-list holds what the shipped scripts call and nothing more, so that each line of it was checked for a reason."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.powershell import allowed, uses
from tests.powershell.script import Script

SCRIPTS = sorted((Path(__file__).parents[2] / "tasks").rglob("*.ps1"))


@cache
def scripts() -> tuple[Script, ...]:
    """Every shipped script."""
    return tuple(Script(path.read_bytes()) for path in SCRIPTS)


@pytest.mark.parametrize("name", allowed.commands(changes=True))
def test_each_way_to_call_a_command_is_one_of_ours(name: str) -> None:
    """A form that no script uses is taken off the list."""
    called = [call for script in scripts() for call in uses.calls(script) if call.name.lower() == name]
    idle = [f for f in allowed.commands(changes=True)[name] if not any(f.fits(c.words, c.piped) for c in called)]
    assert not idle, f"no script calls {name} so: remove it from allowed.yaml"


def test_each_type_and_class_is_one_of_ours() -> None:
    """A type that no script names, makes or has in hand is taken off the list; so is a CIM property that none reads."""
    read = {used.name.lower() for script in scripts() for used in uses.members(script)}
    texts = b"\n".join(script.data for script in scripts()).decode("ascii").lower()
    for name, members in allowed.types().items():
        assert name in texts or any(m.name.lower() in read for m in members), f"{name}: remove it from allowed.yaml"
    for name, properties in allowed.cim().items():
        assert all(p in texts for p in properties), f"{name}: remove from allowed.yaml what no script reads of it"


@pytest.mark.parametrize("name", allowed.types())
def test_each_member_of_a_type_is_one_of_ours(name: str) -> None:
    """A member that no script asks for is taken off the list."""
    asked = [used for script in scripts() for used in uses.members(script)]
    made = [used for script in scripts() for used in uses.made(script) if used.owner.lower() == name]
    for member in allowed.types()[name]:
        mine = made if member.name == "new" else [u for u in asked if u.name.lower() == member.name.lower()]
        wanted = member.arities or {None}
        assert wanted <= {used.arity for used in mine}, f"{name}.{member.name}: no script asks for it so"


def test_what_is_no_member_is_told_with_what_one_looks_like() -> None:
    """A slip in the file is told as one."""
    with pytest.raises(ValueError, match=r"'Name\(\)' is no member: write Name"):
        allowed.member("Name()")
