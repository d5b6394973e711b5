"""What differs from device to device of one make: prompts with a prefix, a terminal that repaints, an entry that ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.cli import Session as Shell
from lab.typed import Silent
from tasks import firewalls
from tasks.firewalls import Command, Entry, Listing
from tasks.model import Remote, TargetError
from tasks.transports.device import checked
from tests.firewalls import cases
from tests.firewalls.conftest import INCIDENT, Rig, rig
from tests.firewalls.test_platforms import ready

pytestmark = pytest.mark.lab
PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l\r"


@pytest.fixture
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A provisioned device of the platform that the test is for."""
    case = cases.load(request.param)
    with rig(case, tmp_path, ready(case)) as running:
        yield running


def prefixed(prefix: str) -> Callable[[Any], None]:
    """A device whose every prompt has this in front."""

    def change(box: Any) -> None:
        box.modes = {name: replace(mode, prompt=prefix + mode.prompt) for name, mode in box.modes.items()}

    return change


def pasting(box: Any) -> None:
    """A bash with bracketed paste: switched on with every prompt, off after every line."""
    box.modes = {
        name: replace(mode, prompt=mode.prompt.replace("{user}", f"{PASTE_ON}{{user}}"))
        for name, mode in box.modes.items()
    }
    box.guard = lambda session, line: session.terminal.write(PASTE_OFF)


def long_name(box: Any) -> None:
    """A name longer than a prompt can be trusted with."""
    box.hostname = "edge-firewall-7.branch-office"


def active(box: Any) -> None:
    """A device of a pair, which says so behind its name."""
    box.modes = {n: replace(m, prompt=m.prompt.replace("{host}", "{host}(active)")) for n, m in box.modes.items()}


DIALECTS = [
    ("juniper_junos", "node of a cluster", prefixed("{{primary:node0}}\n")),
    ("paloalto_panos", "active of a pair", active),
    ("huawei", "active of a pair", prefixed("HRP_M")),
    ("huawei", "standby of a pair", prefixed("HRP_S")),
    ("hp_comware", "primary of a pair", prefixed("RBM_P")),
    ("vyos", "bracketed paste", pasting),
    *((p, "long name", long_name) for p in cases.names()),
]


@pytest.mark.parametrize(
    ("device", "change"),
    [(p, c) for p, _, c in DIALECTS],
    indirect=["device"],
    ids=[f"{p}: {n}" for p, n, _ in DIALECTS],
)
def test_the_round_trip_works_in_this_dialect(device: Rig, change: Callable[[Any], None]) -> None:
    """Another shape of the prompt ends every answer as well."""
    change(device.box)
    remote = device.case.remotes[0]
    with device.session() as session:
        device.block(session, remote)
        assert device.look(session, remote).present
        session.ask(device.firewall.save())
        device.unblock(session, remote)
        assert not device.look(session, remote).present


@pytest.mark.parametrize("device", ["vyos"], indirect=True)
def test_vyos_keeps_what_another_administrator_committed_meanwhile(device: Rig) -> None:
    """Two sessions began from one configuration; both changes are in force, and our commit carries the incident."""
    other = Shell(device.box, Silent(), "alice")
    for line in ("configure", "set interfaces ethernet eth1 description uplink"):
        assert not other.answer(line)
    with device.session() as session:
        device.block(session, device.case.remotes[0])
        assert "failed" not in other.answer("commit")
        assert device.look(session, device.case.remotes[0]).present
    assert "uplink" in device.box.config()
    assert f"hemostat {INCIDENT}" in device.box.comments_of_commits


FOREIGN = [
    '[interfaces ethernet eth1]\n+ description "half-typed"\n\n[firewall group address-group HEMOSTAT]\n+ address "203.0.113.9"\n\n[edit]',
    '[firewall group address-group HEMOSTAT]\n+ address "203.0.113.9"\n+ address "203.0.113.10"\n\n[edit]',
    '[firewall group address-group HEMOSTAT]\n- address "203.0.113.9"\n\n[edit]',
    "[edit interfaces ethernet eth0]\n-hw-id 00:50:56:bf:c5:6d\n[edit]",
]
OURS = [
    '[firewall group address-group HEMOSTAT]\n+ address "203.0.113.9"\n\n[edit]',
    "[edit firewall group address-group HEMOSTAT]\n+address 203.0.113.9\n[edit]",
    "No changes between working and active configurations.\n\n[edit]",
]


def _compare() -> Command:
    entry = Entry(Remote.parse("203.0.113.9"), INCIDENT)
    said = firewalls.load("vyos").block(entry, Listing(False, True, ""))
    return next(command for command in said if command.text == "compare")


@pytest.mark.parametrize("answer", FOREIGN)
def test_vyos_refuses_to_commit_what_is_not_ours(answer: str) -> None:
    """`compare` shows anything but our one line: nothing is committed, whoever's change it is."""
    with pytest.raises(TargetError):
        checked(_host(), firewalls.load("vyos"), _compare(), answer)


@pytest.mark.parametrize("answer", OURS)
def test_vyos_commits_our_own_line(answer: str) -> None:
    """Our line alone, as VyOS 1.3 and 1.4 print it, or nothing (it is there already)."""
    assert checked(_host(), firewalls.load("vyos"), _compare(), answer) == answer


def _host() -> Any:
    from tests.firewalls.test_words import HOST

    return HOST


@pytest.mark.parametrize("device", ["mikrotik_routeros"], indirect=True)
def test_routeros_entries_carry_the_incident_and_run_out(device: Rig) -> None:
    """The comment is the incident; when its time is over the entry is gone, on the router itself."""
    remote = device.case.remotes[0]
    with device.session() as session:
        device.block(session, remote)
        note = device.look(session, remote).note
        assert note.startswith(INCIDENT)
        assert "59m" in note or "1h" in note
        for item in device.box.menus[4, "address-list"].all:
            if item.expires is not None:
                item.expires = 0.0
        assert not device.look(session, remote).present


@pytest.mark.parametrize("device", ["huawei"], indirect=True)
def test_huawei_items_are_timed_as_far_as_the_device_can(device: Rig) -> None:
    """An hour is the device's to end; a week is more than it takes and stands until hemostat ends it."""
    for minutes, timed in ((60, 60), (7 * 24 * 60, None)):
        entry = replace(device.entry("203.0.113.20"), minutes=minutes)
        with device.session() as session:
            session.ask(device.firewall.block(entry, Listing(False, True, "")))
        item = next(i for i in device.box.items.values() if str(i.address) == "203.0.113.20")
        assert item.minutes == timed


@pytest.mark.parametrize("device", ["huawei"], indirect=True)
@pytest.mark.parametrize("half", ["tcp", "udp"])
def test_huawei_half_a_port_is_finished_and_taken_back(device: Rig, half: str) -> None:
    """The connection broke between the two items of a port: a second block adds the other, an undo takes back what there is."""
    remote, before = "198.51.100.9:8443", device.box.config()
    with device.session() as session:
        item = f"firewall blacklist item destination-ip 198.51.100.9 destination-port 8443 protocol {half}"
        session.ask([Command("system-view"), Command(item), Command("return")])
        assert not device.look(session, remote).present
        device.block(session, remote)
        assert device.look(session, remote).present
        session.ask([Command("system-view"), Command(f"undo {item}"), Command("return")])
        device.unblock(session, remote)
    assert device.box.config() == before
