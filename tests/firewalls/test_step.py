"""The block step itself on every platform: guard, plan, approval, act, cut, proof, journal, and undo, over real SSH."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from tasks import block, undo
from tasks.case import Case
from tasks.model import Mode, Outcome, Remote, Result, Step
from tasks.settings import Policy, Site
from tests.core.desk import INCIDENT, PLAYBOOK, sit_down
from tests.firewalls import cases
from tests.firewalls.conftest import SECRETS, Rig, rig
from tests.firewalls.test_platforms import ready

pytestmark = pytest.mark.lab


def desk(folder: Path, device: Rig) -> Case:
    """A drill's incident at a host behind this device; the person at the terminal says yes."""
    incident = replace(INCIDENT, remote=Remote.parse(device.case.remotes[0]), mode=Mode.DRILL)
    book = replace(PLAYBOOK, block=replace(PLAYBOOK.block, minutes=30))
    case = sit_down(folder / "incident", folder, book, incident)
    host = replace(case.site.host("web"), firewalls=(device.host.name,))
    policy = Policy(laboratory=(ip_network("203.0.113.0/24"),))
    case.site = Site(str(folder), {"web": host, device.host.name: device.host}, policy, {"test": book})
    case.ask = lambda plan: (True, "anna")
    return case


@pytest.mark.parametrize("platform", cases.names())
def test_block_twice_and_undo_through_the_journal(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done and proved; done again is nothing to do; the undo leaves the device as it was before hemostat came."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name.removeprefix("env:"), value)
    case_file = cases.load(platform)
    with rig(case_file, tmp_path, ready(case_file)) as device:
        before, case, second = device.box.config(), desk(tmp_path / "1", device), desk(tmp_path / "2", device)
        device.connect(str(case.incident.remote.address))
        assert block.run(case).outcome is Outcome.DONE
        proofs = {check.name: check.result for _, check in case.state.checks}
        assert proofs[f"rule on {device.host.name}"] is Result.PASS, proofs
        assert proofs.get(f"sessions on {device.host.name}", Result.PASS) is not Result.FAIL, proofs
        assert block.run(second).outcome is Outcome.NOTHING_TO_DO
        assert not any(act.receipt and act.receipt.changed for act in second.state.standing), "it was there before"
        (act,) = [act for act in case.state.standing if act.step == Step.BLOCK]
        assert undo.take_back(case, act).back
        assert device.box.config() == before
        case.close()
        second.close()
