"""Every firewall platform against its strict laboratory device, over real SSH through netmiko's unmodified driver."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from lab.cli import Session as Shell
from lab.device import Faults
from tasks import firewalls
from tasks.firewalls import Command, Entry, Listing
from tasks.model import Remote, TargetError, Unreachable
from tasks.transports.device import Session
from tests.firewalls import cases
from tests.firewalls.conftest import INCIDENT, Rig, rig, sleeps

pytestmark = pytest.mark.lab
CASES = [cases.load(name) for name in cases.names()]


def _of(chosen: Iterable[cases.Case]) -> pytest.MarkDecorator:
    """Only these platforms: the others have no such thing."""
    return pytest.mark.parametrize("case", found := list(chosen), ids=[c.platform for c in found])


ALL = _of(CASES)
ROUND_TRIPS = [(c, remote) for c in CASES for remote in c.remotes]
REFUSED = [(c, name) for c in CASES for name in c.refused]
BYSTANDER = {4: "198.51.100.200", 6: "2001:db8:ffff::200"}


def ready(case: cases.Case) -> list[str]:
    """The lines of a provisioned device with another administrator's entry in the list."""
    lines = case.provisioned or "\n".join(firewalls.load(case.platform).provision("HEMOSTAT"))
    return [*case.bare.splitlines(), *lines.splitlines(), *case.neighbour.splitlines()]


@pytest.fixture
def device(case: cases.Case, tmp_path: Path) -> Iterator[Rig]:
    """A provisioned device of the case's platform."""
    with rig(case, tmp_path, ready(case)) as running:
        yield running


def test_every_platform_has_its_case_folder() -> None:
    """Untested otherwise: write tests/firewalls/<platform>/case.yaml and lab/devices/<platform>, or test_<platform>.py on a real one."""
    with_cli = {name for name in firewalls.platforms() if firewalls.load(name).channel == "cli"}
    real = {name for name in with_cli if (cases.FOLDER / f"test_{name}.py").exists()}
    assert with_cli - real == set(cases.names())


@pytest.mark.parametrize("name", firewalls.platforms())
def test_what_would_be_said_can_be_shown_before_the_device_was_read(name: str) -> None:
    """The approval and the plan show the commands without a listing: they name the remote."""
    firewall = firewalls.load(name)
    for remote in ("203.0.113.9", "2001:db8::9"):
        entry = Entry(Remote.parse(remote), INCIDENT)
        said = [c.stdin or c.text for c in (*firewall.block(entry, Listing(False, True, "")), *firewall.cut(entry))]
        assert any(remote in line for line in said), said


@ALL
def test_what_is_not_provisioned_is_told(case: cases.Case, tmp_path: Path) -> None:
    """A bare device is no crash: the listing says that nothing is in force, and which lines to put in place."""
    with rig(case, tmp_path, case.bare.splitlines()) as bare, bare.session() as session:
        seen = bare.look(session, case.remotes[0])
    assert (seen.present, seen.enforced) == (False, False)
    assert seen.missing


@ALL
def test_the_provisioning_lines_do_provision(device: Rig) -> None:
    """What `hemostat check --live` prints, put in place, makes the list one in force, and nothing is missing any more."""
    with device.session() as session:
        for remote in device.case.remotes:
            seen = device.look(session, remote)
            assert (seen.present, seen.enforced, seen.missing) == (False, True, ()), seen


@pytest.mark.parametrize(("case", "remote"), ROUND_TRIPS, ids=[f"{c.platform} {r}" for c, r in ROUND_TRIPS])
def test_block_look_unblock_look(device: Rig, remote: str) -> None:
    """In, seen in force, out, gone; the configuration is byte for byte as before, with the neighbour's entry in it."""
    before = device.box.config()
    with device.session() as session:
        device.block(session, remote)
        seen = device.look(session, remote)
        assert (seen.present, seen.enforced, seen.missing) == (True, True, ()), seen
        assert len(device.box.config()) > len(before), "nothing was added: is the change committed?"
        device.unblock(session, remote)
        assert not device.look(session, remote).present
    assert device.box.config() == before


@pytest.mark.parametrize(("case", "remote"), ROUND_TRIPS, ids=[f"{c.platform} {r}" for c, r in ROUND_TRIPS])
def test_said_twice_is_still_one_entry(device: Rig, remote: str) -> None:
    """A second run that lost the race, and a second unblock, leave what one leaves (the device may refuse, no more)."""
    before = device.box.config()
    with device.session() as session:
        twice = device.firewall.block(device.entry(remote), device.look(session, remote))
        _said(session, twice)
        once = device.box.config()
        _said(session, twice)
        assert device.box.config() == once
        back = device.firewall.unblock(device.entry(remote), device.look(session, remote))
        _said(session, back)
        _said(session, back)
        assert device.box.config() == before
        assert not device.look(session, remote).present


def _said(session: Session, commands: Sequence[Command]) -> None:
    try:
        session.ask(commands)
    except TargetError:
        return


@ALL
def test_other_remotes_stay_when_one_goes(device: Rig) -> None:
    """Several incidents share the list; taking one back leaves the others'."""
    first, *others = device.case.remotes
    with device.session() as session:
        for remote in device.case.remotes:
            device.block(session, remote)
        device.unblock(session, first)
        assert not device.look(session, first).present
        for remote in others:
            assert device.look(session, remote).present, remote


@pytest.mark.parametrize(("case", "remote"), ROUND_TRIPS, ids=[f"{c.platform} {r}" for c, r in ROUND_TRIPS])
def test_sessions_are_counted_and_cut_with_a_filter(device: Rig, remote: str) -> None:
    """Only the remote's sessions end; where the platform can tell, it counts exactly them."""
    entry = device.entry(remote)
    address = str(entry.address)
    device.connect(address, BYSTANDER[entry.address.version])
    asked, cut = device.firewall.sessions(entry), device.firewall.cut(entry)
    assert bool(cut) == device.case.cuts
    with device.session() as session:
        assert not asked or device.firewall.count(entry, session.ask(asked)) == 1
        session.ask(cut)
        assert not asked or device.firewall.count(entry, session.ask(asked)) == (0 if cut else 1)
    assert device.ended == ([address] if cut else [])


@ALL
def test_what_was_saved_survives_a_reboot(device: Rig) -> None:
    """After `save` the entry is there again; what was not saved is lost where the platform keeps two configurations."""
    first, second = device.case.remotes[:2]
    with device.session() as session:
        device.block(session, first)
        session.ask(device.firewall.save())
        device.block(session, second)
    device.box.reboot()
    with device.session() as session:
        assert device.look(session, first).present is not device.case.forgets
        assert device.look(session, second).present is not (device.case.saves or device.case.forgets)


@pytest.mark.parametrize(("case", "name"), REFUSED, ids=[f"{c.platform}: {n}" for c, n in REFUSED])
def test_a_refusal_is_an_error_and_changes_nothing(device: Rig, name: str) -> None:
    """What the device refuses is never taken for done, is told in its words, and the session leaves no half-done change."""
    refusal, remote = device.case.refused[name], device.case.remotes[0]
    before = device.box.config()
    with device.session() as session:
        device.box.faults = Faults(**refusal.faults)
        with pytest.raises(TargetError) as error:
            device.block(session, remote)
        assert re.search(refusal.says, error.value.seen), error.value.seen
        device.box.faults = Faults()
        if refusal.residue:
            assert not device.look(session, remote).present
            device.unblock(session, remote)
        assert device.box.config() == before
        device.block(session, remote)
        assert device.look(session, remote).present


@_of(c for c in CASES if c.enable)
def test_a_wrong_enable_secret_ends_unreachable(device: Rig) -> None:
    """A wrong enable secret is told as such, and soon."""
    device.box.faults.wrong_enable = True
    with pytest.raises(Unreachable, match="enable secret"), device.session(timeout=4.0):
        pass


@ALL
def test_a_connection_lost_after_the_line_is_no_failure_but_unknown(device: Rig) -> None:
    """The line was obeyed and the connection broke: a second look tells the truth, and the block can be finished."""
    remote, drop = device.case.remotes[0], device.case.dropped
    with device.session() as session:
        device.box.faults.drop_after = drop.line
        with pytest.raises(Unreachable, match="not known"):
            device.block(session, remote)
    device.box.faults = Faults()
    with device.session() as session:
        assert device.look(session, remote).present is drop.stands
        if not drop.stands:
            device.block(session, remote)
        assert device.look(session, remote).present


@ALL
@pytest.mark.parametrize("at", [30, 300, 900])
def test_a_connection_cut_at_any_byte_ends_unreachable(device: Rig, at: int) -> None:
    """Wherever the wire is cut, in the login or in an answer, nothing is taken for done."""
    device.box.faults.cut_after = at
    with pytest.raises(Unreachable), device.session(timeout=0.4) as session:
        for _ in range(50):
            device.look(session, device.case.remotes[0])


@ALL
def test_a_slow_device_is_waited_for(device: Rig) -> None:
    """Answers that come late are waited for, not misread."""
    device.box.faults.delay = 0.03
    remote = device.case.remotes[0]
    with device.session() as session:
        device.block(session, remote)
        assert device.look(session, remote).present


@ALL
def test_the_cycle_waits_for_prompts_not_for_sleeps(device: Rig) -> None:
    """Look, block, look, cut, save take no time of their own: each sleep of netmiko's (2.2 s are one) would be seen."""
    remote = device.case.remotes[0]
    with device.session() as session, sleeps() as slept:
        device.block(session, remote)
        session.ask(device.firewall.cut(device.entry(remote)))
        assert device.look(session, remote).present
    assert slept == [], "which command's answer does its `expect` or the prompt not end?"


@_of(c for c in CASES if c.pending)
def test_another_administrators_pending_change_is_not_shipped(device: Rig) -> None:
    """What someone else has typed and not committed stays uncommitted when hemostat commits its own change."""
    pending = device.case.pending
    assert pending is not None
    other = Shell(device.box, _Silent(), "alice")
    for line in pending.lines.splitlines():
        said = other.answer(line)
        assert "error" not in said, said
    remote = device.case.remotes[0]
    with device.session() as session:
        if pending.refused:
            with pytest.raises(TargetError, match=pending.refused):
                device.block(session, remote)
        else:
            device.block(session, remote)
        assert device.look(session, remote).present is not bool(pending.refused)
    assert pending.mark not in device.box.config()


class _Silent:
    def write(self, text: str) -> None:
        pass

    def line(self, hidden: bool = False) -> str:
        raise EOFError

    key = line
