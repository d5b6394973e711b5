"""A Windows host's own block and its isolation over real WinRM: who still gets through, what reverts by itself, what undo leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows import doors
from flows.launch import Launch, urgent
from lab.windows.range import CALLER, Range
from tasks import on_host, undo
from tasks.case import Case, opened, reopened
from tasks.containment import KINDS
from tasks.model import ISOLATE, Action, Approval, Check, HemostatError, Mode, Outcome, Result, Step, StepEnd
from tests.patience import until
from tests.windows import ground

pytestmark = pytest.mark.lab
ELSEWHERE = "203.0.113.99"
OURS: dict[str, Any] = {"approvals": {"isolate": "auto"}, "isolate": {"revert_after": 300}, "block": {"on_host": True}}


@contextmanager
def incident(folder: Path, **rules: Any) -> Iterator[tuple[Range, Case]]:
    """An incident on a Windows host whose playbook says these things; not yet begun."""
    with ground.standing(folder, "service_dll") as range_:
        _write(folder / "range" / "site" / "playbooks" / "drill.yaml", rules)
        known, requests = doors.by_alert(folder / "range" / "site", "suricata", range_.alert(), Mode.DRILL)
        with opened(folder, known, replace(requests[0], id="incident", overrides=("unverified",))) as case:
            yield range_, case


def _write(book: Path, rules: dict[str, Any]) -> None:
    yaml = YAML(typ="safe")
    said = yaml.load(book.read_text())
    said |= {key: said.get(key, {}) | value for key, value in rules.items()}
    with book.open("w") as file:
        yaml.dump(said, file)


def blocked(case: Case) -> StepEnd:
    """Confirm and block, as a run does them; how the block ended."""
    urgent(case, Launch())
    return case.state.ends[Step.BLOCK]


def own_check(case: Case) -> Check:
    return next(c for _, c in case.state.checks if c.name.endswith("itself"))


def taken_back(case: Case, *steps: str) -> None:
    results = undo.run(case, steps, Approval.AUTO)
    assert [r.why for r in results if not r.back] == []


def the_time_is_over(range_: Range) -> None:
    """On the simulated host's clock: its dead-man's task runs now."""
    with range_.host.lock:
        assert range_.host.timers, "no dead-man's task was made"
        range_.host.timers.update(dict.fromkeys(range_.host.timers, 0.0))


def test_the_host_denies_the_remote_itself(tmp_path: Path) -> None:
    """Rules of the incident's group, in and out; they are re-read, and an undo leaves nothing."""
    with incident(tmp_path, block={"on_host": True}) as (range_, case):
        assert blocked(case).outcome is Outcome.DONE
        assert own_check(case).result is Result.PASS
        assert (range_.host.denies(*range_.plan.front), range_.host.denies(ELSEWHERE)) == (True, False)
        assert [c.result for c in on_host.again(case)] == [Result.PASS]
        taken_back(case, Step.BLOCK)
        assert range_.host.groups == {}


def test_a_rule_that_is_not_in_force_is_told(tmp_path: Path) -> None:
    """Group policy overrules local rules: the rule is there and does nothing, and nobody calls it a block."""
    with incident(tmp_path, block={"on_host": True}) as (range_, case):
        range_.host.off = ("group policy overrules local rules of the profile Domain",)
        blocked(case)
        assert own_check(case).result is Result.UNKNOWN
        assert "group policy overrules" in own_check(case).observed


def test_a_port_alone_can_be_denied(tmp_path: Path) -> None:
    """scope address_port: the other ports of that address stay open."""
    with incident(tmp_path, block={"on_host": True, "scope": "address_port"}) as (range_, case):
        action = on_host.block_action(case)
        on_host._perform(case, Step.BLOCK, action)
        address, port = range_.plan.front
        assert (range_.host.denies(address, port), range_.host.denies(address, port + 1)) == (True, False)


def test_the_host_is_cut_off_from_all_but_the_own_path(tmp_path: Path) -> None:
    """Isolated, proved by a new login, the task gone; an undo ends it and leaves the block."""
    with incident(tmp_path, **OURS) as (range_, case):
        end = blocked(case)
        assert end.outcome is Outcome.DONE, end
        assert "the host is isolated" in end.summary
        assert all(map(range_.host.denies, (ELSEWHERE, "10.66.0.99", "2001:db8::1", "10.66.0.53")))
        assert not any(
            map(range_.host.denies, (CALLER, "127.0.0.1", "::1", "fe80::1", "10.66.0.67", "255.255.255.255"))
        )
        assert range_.host.timers == {}
        assert [c.result for c in on_host.again(case)] == [Result.PASS, Result.PASS]
        taken_back(case, ISOLATE)
        assert (range_.host.denies(ELSEWHERE), range_.host.denies(*range_.plan.front)) == (False, True)


def test_nobody_gets_through_and_it_reverts(tmp_path: Path) -> None:
    """The runner's packets come from another address than the host saw: no proof, the step says so and when it ends, and it ends."""
    with incident(tmp_path, **OURS) as (range_, case):
        range_.moves = True
        end = blocked(case)
        assert end.outcome is Outcome.FAILED, end
        assert "ends its isolation by itself within 300 s" in end.summary
        assert range_.host.denies(ELSEWHERE)
        the_time_is_over(range_)
        assert until(lambda: not range_.host.denies(ELSEWHERE), 8), "the dead-man's task did nothing"
        assert range_.host.denies(*range_.plan.front), "the block stands"


def drop_only(case: Case) -> list[Action]:
    """Switch and drop, and then the runner is dead."""
    wanted = on_host._planned(case)
    for action in wanted[:2]:
        on_host._perform(case, ISOLATE, action)
    return wanted


def test_a_runner_that_dies_before_the_proof_leaves_no_host_cut_off(tmp_path: Path) -> None:
    """Nobody comes back: the host ends it by itself."""
    with incident(tmp_path, **OURS) as (range_, case):
        drop_only(case)
        assert range_.host.denies(ELSEWHERE)
        the_time_is_over(range_)
        assert until(lambda: not range_.host.denies(ELSEWHERE), 8)


def test_a_resume_looks_first_and_proves_the_way(tmp_path: Path) -> None:
    """Back in time: what stands is not done again, the way is proved, the task is taken away."""
    with incident(tmp_path, **OURS) as (range_, case):
        drop_only(case)
        intents = [r for r in case.state.records if r.kind == "intent"]
        end = blocked(case)
        assert end.outcome is Outcome.DONE, end
        more = [r.data["action"]["id"] for r in case.state.records if r.kind == "intent"][len(intents) :]
        assert [id_ for id_ in more if id_.startswith("isolate/")] == ["isolate/keep"]
        assert (range_.host.timers, range_.host.denies(ELSEWHERE)) == ({}, True)
    with reopened(tmp_path / "incident") as case:
        assert case.state.act("isolate/drop", ISOLATE) is not None


def test_a_drop_without_a_switch_is_refused(tmp_path: Path) -> None:
    """Somebody took the task away: nothing is cut off."""
    with incident(tmp_path, **OURS) as (range_, case):
        drop = on_host._planned(case)[1]
        with pytest.raises(HemostatError, match="nothing was cut off"):
            KINDS[drop.kind].act(case.hands(), drop, KINDS[drop.kind].look(case.hands(), drop))
        assert range_.host.groups == {}


def test_rules_that_would_not_be_in_force_cut_nothing_off(tmp_path: Path) -> None:
    """Better no isolation than one that only looks like it; the switch reverts nothing and goes."""
    with incident(tmp_path, **OURS) as (range_, case):
        range_.host.off = ("the firewall is off for the profile Public",)
        end = blocked(case)
        assert end.outcome is Outcome.FAILED
        assert "the firewall is off for the profile Public" in end.summary
        assert not any("isolate" in group for group in range_.host.groups)


def test_who_else_is_connected_is_not_taken_for_us(tmp_path: Path) -> None:
    """Two callers, one of them maybe the intruder: only the policy's own addresses are spared."""
    with incident(tmp_path, **OURS) as (range_, case):
        range_.callers.append("10.66.0.200")
        facts = on_host._planned(case)[0].facts
        assert facts["runner"] == []
        assert facts["own"] == [range_.plan.device[0]]
