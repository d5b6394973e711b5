"""What is left behind when a change stops half-way: candidates, objects without a group, filters that were refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cli import Denied
from lab.cli import Session as Shell
from lab.device import Faults
from lab.typed import Silent
from tasks.model import ConfigError, TargetError, Unreachable
from tests.firewalls import cases
from tests.firewalls.conftest import Rig, rig
from tests.firewalls.test_platforms import BYSTANDER, ready

pytestmark = pytest.mark.lab
REMOTE = "203.0.113.9"


@pytest.fixture
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A provisioned device of the platform that the test is for."""
    case = cases.load(request.param)
    with rig(case, tmp_path, ready(case)) as running:
        yield running


def on(platform: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("device", [platform], indirect=True)


def alice(device: Rig, *lines: str) -> Shell:
    """Another administrator who says these lines."""
    shell = Shell(device.box, Silent(), "alice")
    for line in lines:
        said = shell.answer(line)
        assert "error" not in said.lower(), said
    return shell


@on("paloalto_panos")
def test_a_refused_commit_leaves_our_change_out_of_everybodys_candidate(device: Rig) -> None:
    """PAN-OS has one candidate for all: ours is taken back out of it, another administrator's stays in."""
    alice(device, "configure", "set address half-done ip-netmask 198.51.100.99/32")
    device.box.faults = Faults(refuse_commit=True)
    with device.session() as session, pytest.raises(TargetError):
        device.block(session, REMOTE)
    assert set(device.box.changes.values()) == {"alice"}
    assert not [s for s in device.box.candidate if REMOTE in " ".join(s)]


@on("paloalto_panos")
def test_a_connection_lost_before_the_commit_is_finished_by_the_next_run(device: Rig) -> None:
    """The object is in the candidate and not in force: the look says absent, and a second run commits one object."""
    with device.session() as session:
        device.box.faults = Faults(drop_after="^set address .* tag ")
        with pytest.raises(Unreachable, match="not known"):
            device.block(session, REMOTE)
    device.box.faults = Faults()
    with device.session() as session:
        assert not device.look(session, REMOTE).present
        device.block(session, REMOTE)
        assert device.look(session, REMOTE).present
    assert device.box.config().count(f"address hemostat-{REMOTE} ip-netmask") == 1


@on("juniper_junos")
def test_a_private_candidate_ends_with_its_session(device: Rig) -> None:
    """The connection breaks before the commit: nothing of ours is in force or in the way of another administrator."""
    before = device.box.config()
    with device.session() as session:
        device.box.faults = Faults(drop_after="^set .* address-set ")
        with pytest.raises(Unreachable, match="not known"):
            device.block(session, REMOTE)
    device.box.faults = Faults()
    assert device.box.config() == before
    alice(
        device, "configure private", "set security address-book global address hers 198.51.100.9/32", "commit and-quit"
    )
    assert "hers" in device.box.config()


@on("juniper_junos")
def test_what_was_committed_meanwhile_stays(device: Rig) -> None:
    """Another administrator commits between our `configure private` and our commit: both changes are in force."""
    hers = alice(device, "configure private", "set security address-book global address hers 198.51.100.9/32")
    with device.session() as session:
        device.block(session, REMOTE)
        assert "commit complete" in hers.answer("commit and-quit")
        assert device.look(session, REMOTE).present
    assert "address hers 198.51.100.9/32" in device.box.config()


@on("fortinet")
def test_an_object_that_never_came_into_the_group_is_taken_back(device: Rig) -> None:
    """Half written: the look says absent, and an unblock leaves nothing."""
    before = device.box.config()
    with device.session() as session:
        device.box.faults = Faults(drop_after="^config firewall addrgrp$")
        with pytest.raises(Unreachable, match="not known"):
            device.block(session, REMOTE)
    device.box.faults = Faults()
    with device.session() as session:
        assert not device.look(session, REMOTE).present
        assert device.box.config() != before
        device.unblock(session, REMOTE)
    assert device.box.config() == before


@on("fortinet")
def test_a_refused_filter_clears_no_session(device: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """`diagnose sys session clear` without a filter would end every session: it is not said when the filter was refused."""

    def refuse(session: Shell, line: str) -> None:
        if "filter dst" in line:
            raise Denied("command parse error before 'dst'\nCommand fail. Return code -61")

    monkeypatch.setattr(device.box, "guard", refuse)
    device.connect(REMOTE, BYSTANDER[4])
    with device.session() as session, pytest.raises(TargetError):
        session.ask(device.firewall.cut(device.entry(REMOTE)))
    assert device.ended == []


@on("fortinet")
def test_paging_is_as_it_was_after_the_session(device: Rig) -> None:
    """With the owner's leave netmiko's driver takes paging out of the configuration at login; nobody finds it changed afterwards."""
    device.box.page = 24
    with device.session(change_at_login=True) as session:
        assert device.box.page == 0
        device.block(session, REMOTE)
        assert device.look(session, REMOTE).present
    assert device.box.page == 24


@on("fortinet")
def test_a_device_that_pages_is_not_changed_without_leave(device: Rig) -> None:
    """No login writes configuration by itself: the owner is told the lines to type once, or how to allow it."""
    device.box.page = 24
    before = device.box.config()
    with pytest.raises(ConfigError) as caught, device.session():
        pass
    assert "set output standard" in str(caught.value)
    assert "change_at_login" in str(caught.value)
    assert (device.box.page, device.box.config()) == (24, before)
