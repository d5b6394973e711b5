"""A host behind three devices: all at once, all or report, whichever of them fails and however."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from flows import engine
from tasks.case import Case
from tasks.model import Decision, Mode, Outcome, Remote, Step, Verdict
from tasks.settings import Policy, Site
from tests.core.desk import INCIDENT, PLAYBOOK, sit_down
from tests.firewalls import cases
from tests.firewalls.conftest import SECRETS, Rig, rig
from tests.firewalls.test_platforms import ready

pytestmark = pytest.mark.lab
PLATFORMS = ("cisco_asa", "hillstone_stoneos", "vyos")
REMOTE = Remote.parse("203.0.113.9")


def behind(folder: Path, devices: list[Rig]) -> Case:
    """A confirmed drill's incident at a host behind all of these devices."""
    case = sit_down(folder / "incident", folder, PLAYBOOK, replace(INCIDENT, remote=REMOTE, mode=Mode.DRILL))
    host = replace(case.site.host("web"), firewalls=tuple(d.host.name for d in devices))
    policy = Policy(laboratory=(ip_network("203.0.113.0/24"),))
    hosts = {"web": host} | {d.host.name: d.host for d in devices}
    case.site = Site(str(folder), hosts, policy, {"test": PLAYBOOK})
    case.record("verdict", verdict=Verdict(Decision.CONFIRMED, 95, ("seen",)))
    return case


def denied(device: Rig) -> bool:
    with device.session() as session:
        return device.look(session, str(REMOTE)).present


@pytest.mark.parametrize("fault", ["refused login", "refused change", "not provisioned", "nothing listens"])
def test_two_block_although_the_third_fails(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step fails and names the third; the two others are blocked, journalled, and not touched again by the redo that mends it."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name.removeprefix("env:"), value)
    with ExitStack() as stack:
        devices = []
        for number, platform in enumerate(PLATFORMS):
            case_file = cases.load(platform)
            lines = case_file.bare.splitlines() if fault == "not provisioned" and number == 0 else ready(case_file)
            devices.append(stack.enter_context(rig(case_file, tmp_path / platform, lines)))
        bad, good = devices[0], devices[1:]
        sound = bad.host
        if fault == "refused login":
            bad.host = replace(bad.host, password="env:ENABLE")
        if fault == "nothing listens":
            bad.host = replace(bad.host, port=9)
        if fault == "refused change":
            bad.box.faults = replace(bad.box.faults, refuse_config=True)
        case = behind(tmp_path, devices)
        end = engine.run_step(case, Step.BLOCK, engine.Nobody())
        assert end.outcome is Outcome.FAILED, end
        assert bad.host.name in end.summary, f"a tired person must see which one: {end.summary}"
        assert all(map(denied, good)), "a device that works was not blocked because another one failed"
        if fault != "nothing listens" and fault != "refused login":
            assert not denied(bad)

        bad.host = sound
        bad.box.faults = replace(bad.box.faults, refuse_config=False)
        if fault == "not provisioned":
            bad.box.load("\n".join(ready(bad.case)) + "\n")
        case.site.hosts[sound.name] = sound
        case.record("step.redo", step=Step.BLOCK, by="anna", reason="mended")
        end = engine.run_step(case, Step.BLOCK, engine.Nobody())
        assert end.outcome.finished, end
        assert all(map(denied, devices))
        changes = [a.action.on for a in case.state.acts if a.receipt and a.receipt.changed]
        assert sorted(changes) == sorted(d.host.name for d in devices), "each device was changed exactly once"
        case.close()
