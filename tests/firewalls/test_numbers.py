"""IOS's numbered entries: what the device does with numbers, and that hemostat's stand before every permit, whatever is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cli import Session as Shell
from lab.devices.cisco_ios import Box
from lab.typed import Silent
from tasks.firewalls import Entry, cisco_ios
from tasks.model import Remote
from tests.firewalls import cases
from tests.firewalls.conftest import INCIDENT, Rig, rig
from tests.firewalls.test_platforms import ready

ENTRY = Entry(Remote.parse("203.0.113.9"), INCIDENT)
UP = "GigabitEthernet0/1 is up, line protocol is up\n  Inbound  access list is HEMOSTAT\n"
LINES = [
    ("12 deny ip any host 203.0.113.4", "% Duplicate sequence number"),
    ("99 deny ip any host 203.0.113.3", ""),  # an equal entry changes nothing
    ("deny ip any host 203.0.113.300", "% Invalid input detected"),
    ("deny ip any", "% Incomplete command"),
    ("0 deny ip any any", "% Invalid input detected"),
    ("deny ip any 203.0.113.0 255.255.255.0 eq 80", "% Invalid input detected"),
    ("frobnicate", "% Incomplete command"),
]


@pytest.fixture
def shell() -> Shell[Box]:
    """A session in a list of two entries."""
    session = Shell(Box("ops", "x"), Silent(), "ops")
    session.mode = "config"
    for line in ("ip access-list extended L", "12 deny ip any host 203.0.113.3", "20 permit ip any any"):
        assert not session.answer(line)
    return session


@pytest.mark.parametrize(("line", "says"), LINES, ids=[line for line, _ in LINES])
def test_ios_takes_no_number_twice_and_no_wrong_word(shell: Shell[Box], line: str, says: str) -> None:
    """The refusals and the silence of the documents; the list stays as it was."""
    before = shell.device.config()
    assert says in shell.answer(line)
    assert shell.device.config() == before


def test_an_entry_without_a_number_goes_behind_the_permit(shell: Shell[Box]) -> None:
    """Why hemostat never says one: it would deny nothing."""
    shell.answer("deny ip any host 203.0.113.9")
    assert shell.device.config().splitlines()[1:4] == [
        " 12 deny ip any host 203.0.113.3",
        " 20 permit ip any any",
        " 30 deny ip any host 203.0.113.9",
    ]


@given(
    used=st.dictionaries(st.integers(1, 60), st.booleans(), max_size=50),
)
def test_the_chosen_numbers_are_free_and_before_every_permit(used: dict[int, bool]) -> None:
    """Whatever entries stand there: the numbers are unused and lower than the first permit, or the list is told to be full."""
    shown = "Extended IP access list HEMOSTAT\n" + "".join(
        f"    {n} {'permit' if permit else 'deny'} ip any host 198.51.100.{n}\n" for n, permit in sorted(used.items())
    )
    seen = cisco_ios.read(ENTRY, (shown, UP))
    first = min((n for n, permit in used.items() if permit), default=10**9)
    assert not set(seen.free) & set(used)
    assert all(0 < n < first for n in seen.free)
    assert len(set(seen.free)) == len(seen.free)
    assert seen.enforced == bool(used and seen.free)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Rig]:
    """A provisioned router."""
    case = cases.load("cisco_ios")
    with rig(case, tmp_path, ready(case)) as running:
        yield running


@pytest.mark.lab
def test_a_renumbered_list_loses_only_our_entry(device: Rig) -> None:
    """Between block and unblock somebody resequences: the entry is taken back by its words, no other one by its number."""
    before = [line.split(maxsplit=1)[1] for line in device.box.config().splitlines() if " deny ip" in line]
    with device.session() as session:
        device.block(session, "203.0.113.9")
        back = device.firewall.unblock(device.entry("203.0.113.9"), device.look(session, "203.0.113.9"))
        alice = Shell(device.box, Silent(), "alice")
        alice.mode = "config"
        assert not alice.answer("ip access-list resequence HEMOSTAT 100 5")
        session.ask(back)
    after = [line.split(maxsplit=1)[1] for line in device.box.config().splitlines() if " deny ip" in line]
    assert after == before


@pytest.mark.lab
def test_the_line_that_makes_room_makes_room(device: Rig) -> None:
    """A list whose first entry permits has no number before it: hemostat says which line helps, and it does."""
    alice = Shell(device.box, Silent(), "alice")
    alice.mode = "config"
    for line in ("ip access-list extended HEMOSTAT", "1 permit tcp any any eq 22", "exit"):
        assert not alice.answer(line)
    with device.session() as session:
        seen = device.look(session, "203.0.113.9")
        assert not seen.enforced
        assert [alice.answer(line) for line in seen.missing] == [""]
        device.block(session, "203.0.113.9")
        assert device.look(session, "203.0.113.9").present
