"""After the block: what a reboot, a refused cut and somebody else's entry make of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tasks import block, decide, undo, verify
from tasks.firewalls import Command, Entry, Listing, cisco_asa, linux
from tasks.model import Outcome, Remote, Result, Step
from tests.firewalls import cases
from tests.firewalls.conftest import SECRETS, rig
from tests.firewalls.test_platforms import ready
from tests.firewalls.test_step import desk

pytestmark = pytest.mark.lab
SAVING = [name for name in cases.names() if cases.load(name).saves]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name.removeprefix("env:"), value)


@pytest.mark.parametrize("platform", SAVING)
def test_a_saved_block_that_was_undone_does_not_come_back_with_a_reboot(platform: str, tmp_path: Path) -> None:
    """The undo is saved as the block was."""
    case_file = cases.load(platform)
    with rig(case_file, tmp_path, ready(case_file)) as device:
        case = desk(tmp_path, device)
        assert case.state.playbook is not None
        case.state.playbook = replace(case.state.playbook, block=replace(case.playbook.block, save=True, minutes=0))
        assert block.run(case).outcome is Outcome.DONE
        (act,) = [act for act in case.state.standing if act.step == Step.BLOCK]
        assert undo.take_back(case, act).back
        device.box.reboot()
        with device.session() as session:
            assert not device.look(session, device.case.remotes[0]).present, "the block is back after the reboot"
        case.close()


def test_a_refused_cut_fails_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule stands and says so; the sessions that could not be ended are what failed."""
    monkeypatch.setattr(cisco_asa, "cut", lambda entry: (Command("clear nothing-of-the-kind"),))
    case_file = cases.load("cisco_asa")
    with rig(case_file, tmp_path, ready(case_file)) as device:
        case = desk(tmp_path, device)
        end = block.run(case)
        results = {check.name: check.result for _, check in case.state.checks}
        assert end.outcome is Outcome.FAILED
        assert results["rule on cisco-asa"] is Result.PASS, (
            "the block stands, and a tired person must not read that it does not"
        )
        assert results["sessions on cisco-asa"] is Result.FAIL
        case.close()


def test_somebody_elses_entry_is_not_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours ended; another administrator put the same remote in since: the undo leaves it and says whose it is."""
    read = cisco_asa.read
    case_file = cases.load("cisco_asa")
    with rig(case_file, tmp_path, ready(case_file)) as device:
        case = desk(tmp_path, device)
        assert block.run(case).outcome is Outcome.DONE
        monkeypatch.setattr(cisco_asa, "read", lambda e, a: replace(read(e, a), foreign=True, note="CHG77 of bob"))
        (act,) = [act for act in case.state.standing if act.step == Step.BLOCK]
        result = undo.take_back(case, act)
        assert not result.back
        assert "CHG77 of bob" in result.why
        monkeypatch.undo()
        assert str(case.incident.remote.address) in device.box.config()
        case.close()


TIMES = {
    "ours": (30, 1700, True, 0),
    "theirs, long enough": (30, 1790, False, 0),
    "theirs, too short": (30, 300, False, 1),
    "theirs with an end, ours without": (0, 90000, False, 1),
    "no clock": (30, None, False, 0),
}


@pytest.mark.parametrize(("minutes", "ends_in", "changed", "checks"), TIMES.values(), ids=TIMES)
def test_an_entry_that_ends_sooner_is_told(minutes: int, ends_in: int | None, changed: bool, checks: int) -> None:
    """An entry found there counts as our block only as long as it stands: what ends sooner is unknown, not passed."""
    seen = Listing(True, True, "", ends_in=ends_in)
    told = decide.time_checks("gate", Entry(Remote.parse("203.0.113.9"), "x", minutes), seen, changed)
    assert [c.result for c in told] == [Result.UNKNOWN] * checks


@pytest.mark.parametrize("how", ["somebody removes it", "a reboot without a save"])
def test_a_block_that_is_gone_is_seen_and_done_anew(how: str, tmp_path: Path) -> None:
    """The journal says DONE, the device says otherwise: the device is believed, and a redo blocks again."""
    case_file = cases.load("cisco_asa")
    with rig(case_file, tmp_path, ready(case_file)) as device:
        case = desk(tmp_path, device)
        assert block.run(case).outcome is Outcome.DONE
        if how == "somebody removes it":
            with device.session() as session:
                device.unblock(session, str(case.incident.remote))
        else:
            device.box.reboot()
        (seen,) = dict(verify._rules(case)).values()
        assert isinstance(seen, Listing)
        assert decide.rule_check("cisco-asa", seen).result is Result.FAIL, "verify would have called it blocked"
        assert block.run(case).outcome is Outcome.DONE
        with device.session() as session:
            assert device.look(session, str(case.incident.remote)).present
        assert len(case.state.standing) == 1, "the act that is gone still counts"
        case.close()


BINDINGS = {
    "the interface's own list": ("access-group IN_A in interface inside", {"IN_A"}),
    "the global list alone": ("access-group GL global", {"GL"}),
    "the interface's list comes first": ("access-group IN_A in interface inside\naccess-group GL global", {"IN_A"}),
    "traffic to the box": ("access-group CP in interface outside control-plane", set()),
    "traffic that leaves": ("access-group OUT out interface outside", set()),
}


@pytest.mark.parametrize(("shown", "bound"), BINDINGS.values(), ids=BINDINGS)
def test_only_a_list_that_through_traffic_meets_first_counts(shown: str, bound: set[str]) -> None:
    """A deny rule in any other list of the ASA is no containment."""
    assert cisco_asa._bound(shown + "\n") == bound


def _nft(*expr: object, flags: tuple[str, ...] = (), hook: str = "forward") -> str:
    """nft's JSON for a table with one member and one rule."""
    return json.dumps(
        {
            "nftables": [
                {"table": {"name": "hemostat", "flags": list(flags)}},
                {
                    "set": {
                        "name": "remotes4",
                        "elem": [{"elem": {"val": "203.0.113.9", "comment": "x", "expires": 90}}],
                    }
                },
                {"chain": {"name": "c", "hook": hook}},
                {"rule": {"chain": "c", "expr": list(expr)}},
            ]
        }
    )


def _match(field: str, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": {"payload": {"protocol": "ip", "field": field}}, "right": "@remotes4"}}


TCP = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}
COUNTER = {"counter": {"packets": 3, "bytes": 180}}
RULES = {
    "what goes there is dropped": (_nft(_match("daddr"), COUNTER, {"drop": None}), True),
    "only what comes from there": (_nft(_match("saddr"), COUNTER, {"drop": None}), False),
    "TCP alone": (_nft(_match("daddr"), TCP, COUNTER, {"reject": None}), False),
    "everything but that": (_nft(_match("daddr", "!="), COUNTER, {"drop": None}), False),
    "accepted": (_nft(_match("daddr"), COUNTER, {"accept": None}), False),
    "a dormant table": (_nft(_match("daddr"), COUNTER, {"drop": None}, flags=("dormant",)), False),
    "another hook": (_nft(_match("daddr"), COUNTER, {"drop": None}, hook="input"), False),
}


@pytest.mark.parametrize(("shown", "enforced"), RULES.values(), ids=RULES)
def test_nft_denies_only_by_a_rule_that_stops_all_that_goes_there(shown: str, enforced: bool) -> None:
    """Any other rule that names the set is no containment; whose the entry is and when it ends is read beside."""
    seen = linux.read(Entry(Remote.parse("203.0.113.9"), "y"), (shown,))
    assert (seen.present, seen.enforced, seen.foreign, seen.ends_in) == (True, enforced, True, 90)
