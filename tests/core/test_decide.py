"""The legal orders, the verdicts and the proofs: whole tables, case by case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest

from tasks import decide
from tasks.facts import Connection
from tasks.firewalls.shape import Entry, Listing
from tasks.model import Approval, Check, Decision, Outcome, Refused, Result, Step, StepEnd, Verdict
from tasks.settings import ConfirmRule, Host, KnownGood, Playbook, Policy
from tasks.state import State
from tests.core.desk import PLAYBOOK, REMOTE, sit_down

Change = Callable[[State], None]
ALL = {*Step, "undo cleanup", "undo block"}
ALWAYS = {Step.CONFIRM, Step.REPORT, "undo cleanup"}


def ended(step: Step, outcome: Outcome = Outcome.DONE) -> Change:
    return lambda state: state.ends.update({step: StepEnd(step, outcome, "")})


def skipped(step: Step) -> Change:
    return lambda state: state.skipped.update({step: "anna: so be it"})


def found(decision: Decision) -> Change:
    return lambda state: setattr(state, "verdict", Verdict(decision, 50, ()))


def sealed(state: State) -> None:
    state.seal = {"manifest": "manifest.json"}


def lifted(word: str) -> Change:
    return lambda state: state.overrides.add(word)


# What has happened, and what may follow besides what may always follow.
GATES: dict[str, tuple[tuple[Change, ...], set[str]]] = {
    "nothing yet": ((), set()),
    "confirmed": ((found(Decision.CONFIRMED),), {Step.BLOCK}),
    "unsure": ((found(Decision.UNSURE),), {Step.BLOCK}),
    "rejected": ((found(Decision.REJECTED),), set()),
    "rejected, lifted": ((found(Decision.REJECTED), lifted("unconfirmed")), {Step.BLOCK}),
    "no verdict, lifted": ((lifted("unconfirmed"),), {Step.BLOCK}),
    "blocked": ((ended(Step.BLOCK),), {Step.TRIAGE}),
    "blocked by someone else": ((ended(Step.BLOCK, Outcome.NOTHING_TO_DO),), {Step.TRIAGE}),
    "block failed": ((ended(Step.BLOCK, Outcome.FAILED),), set()),
    "block refused": ((ended(Step.BLOCK, Outcome.REFUSED),), set()),
    "block unreachable": ((ended(Step.BLOCK, Outcome.UNREACHABLE),), set()),
    "block waits": ((ended(Step.BLOCK, Outcome.WAITING),), set()),
    "block skipped": ((skipped(Step.BLOCK),), {Step.TRIAGE}),
    "looked": ((ended(Step.TRIAGE),), {Step.COLLECT}),
    "triage failed": ((ended(Step.TRIAGE, Outcome.FAILED),), set()),
    "triage skipped": ((skipped(Step.TRIAGE),), set()),
    "sealed": ((ended(Step.COLLECT), sealed), {Step.CLEANUP}),
    "collected and no seal": ((ended(Step.COLLECT),), set()),
    "a seal of an earlier collect": ((sealed,), set()),
    "a seal, and collect failed since": ((sealed, ended(Step.COLLECT, Outcome.FAILED)), set()),
    "collect skipped": ((skipped(Step.COLLECT), ended(Step.COLLECT, Outcome.FAILED), sealed), set()),
    "cleaned": ((ended(Step.CLEANUP),), {Step.VERIFY}),
    "cleanup waits": ((ended(Step.CLEANUP, Outcome.WAITING),), set()),
    "cleanup skipped": ((skipped(Step.CLEANUP),), {Step.VERIFY}),
    "verified": ((ended(Step.VERIFY),), {"undo block"}),
    "verify failed": ((ended(Step.VERIFY, Outcome.FAILED),), set()),
    "verify skipped": ((skipped(Step.VERIFY),), set()),
    "not verified, lifted": ((lifted("unverified"),), {"undo block"}),
    "another word": ((lifted("own-path"),), set()),
}


@pytest.mark.parametrize(("changes", "then"), GATES.values(), ids=GATES)
def test_gates(tmp_path: Path, changes: tuple[Change, ...], then: set[str]) -> None:
    """Each step against each state: it passes, or is refused with what is missing and what to do."""
    state = sit_down(tmp_path).state
    for change in changes:
        change(state)
    passed = set()
    for step in ALL:
        try:
            decide.gate(step, state)
        except Refused as error:
            assert error.guard.startswith("order:")
            assert error.do, f"the refusal of {step} does not say what to do"
        else:
            passed.add(step)
    assert passed == ALWAYS | then


def test_every_step_has_its_gate() -> None:
    """The table names each step once, and what can be undone."""
    assert [step for step, _, _ in decide.GATES] == [*Step, "undo cleanup", "undo block", "undo isolate"]


def socket(state: str = "ESTABLISHED", pid: int | None = 7, port: int = 40000) -> Connection:
    return Connection(0.0, "tcp", "192.0.2.7", port, str(REMOTE.address), 443, state, pid)


GOOD = KnownGood(ip_network("203.0.113.0/24"), "the mirror", date(2026, 6, 30))
TODAY = date(2026, 6, 30)
VERDICTS = {
    "a process holds it": ([socket()], 3, (), Decision.CONFIRMED, 95),
    "nobody seen holds it": ([socket(pid=None)], 3, (), Decision.CONFIRMED, 85),
    "only its remains": ([socket("TIME_WAIT", None)], 3, (), Decision.CONFIRMED, 70),
    "not seen": ([], 3, (), Decision.UNSURE, 30),
    "not looked at": ([], 0, (), Decision.UNSURE, 40),
    "known good on its last day": ([socket()], 3, (GOOD,), Decision.REJECTED, 90),
    "known good until yesterday": ([socket()], 3, (replace(GOOD, expires=date(2026, 6, 29)),), Decision.CONFIRMED, 95),
    "another network is good": (
        [socket()],
        3,
        (replace(GOOD, network=ip_network("198.51.100.0/24")),),
        Decision.CONFIRMED,
        95,
    ),
}


@pytest.mark.parametrize(("seen", "samples", "good", "decision", "sure"), VERDICTS.values(), ids=VERDICTS)
def test_verdicts(
    seen: list[Connection], samples: int, good: tuple[KnownGood, ...], decision: Decision, sure: int
) -> None:
    """What the sockets say; a known good destination wins, and only while it counts."""
    verdict = decide.verdict(REMOTE, seen, samples, Policy(known_good=good), TODAY)
    assert (verdict.decision, verdict.confidence) == (decision, sure)
    assert verdict.reasons


ASK, AUTO, NEVER = Approval.ASK, Approval.AUTO, Approval.NEVER
APPROVALS = [
    # verdict, looked, playbook's approval, when_unsure, when_unreachable → what the block does
    (Decision.CONFIRMED, True, AUTO, "stop", "stop", AUTO),
    (Decision.CONFIRMED, True, ASK, "block", "block", ASK),
    (Decision.CONFIRMED, True, NEVER, "block", "block", NEVER),
    (Decision.UNSURE, True, AUTO, "block", "stop", AUTO),
    (Decision.UNSURE, True, ASK, "block", "stop", ASK),
    (Decision.UNSURE, True, AUTO, "ask", "stop", ASK),
    (Decision.UNSURE, True, AUTO, "stop", "block", NEVER),
    (Decision.UNSURE, False, AUTO, "stop", "block", AUTO),
    (Decision.UNSURE, False, AUTO, "block", "ask", ASK),
    (Decision.UNSURE, False, AUTO, "block", "stop", NEVER),
    (Decision.UNSURE, True, NEVER, "block", "block", NEVER),
]


@pytest.mark.parametrize(("decision", "looked", "approval", "unsure", "unreachable", "wanted"), APPROVALS)
def test_an_unsure_block_asks_or_stops_as_the_playbook_says(
    decision: Decision, looked: bool, approval: Approval, unsure: str, unreachable: str, wanted: Approval
) -> None:
    """Never less careful than the playbook's own word for the step."""
    playbook: Playbook = replace(
        PLAYBOOK,
        approvals={Step.BLOCK: approval},
        confirm=ConfirmRule(when_unsure=unsure, when_unreachable=unreachable),
    )
    assert decide.block_approval(playbook, Verdict(decision, 50, ()), looked) is wanted


CHECKS = {
    "in the list and in force": (decide.rule_check("fw", Listing(True, True, "")), Result.PASS),
    "in the list of no rule": (decide.rule_check("fw", Listing(True, False, "")), Result.FAIL),
    "not in the list": (decide.rule_check("fw", Listing(False, True, "")), Result.FAIL),
    "counted": (
        decide.counter_check("fw", Listing(True, True, "", hits=4), Listing(True, True, "", hits=5)),
        Result.PASS,
    ),
    "not counted": (
        decide.counter_check("fw", Listing(True, True, "", hits=4), Listing(True, True, "", hits=4)),
        Result.UNKNOWN,
    ),
    "counter set back": (
        decide.counter_check("fw", Listing(True, True, "", hits=4), Listing(True, True, "", hits=0)),
        Result.UNKNOWN,
    ),
    "no counter": (
        decide.counter_check("fw", Listing(True, True, ""), Listing(True, True, "", hits=9)),
        Result.UNKNOWN,
    ),
    "silent": (decide.host_check(0), Result.PASS),
    "still established": (decide.host_check(2), Result.UNKNOWN),
    "not looked at": (decide.host_check(None), Result.UNKNOWN),
}


@pytest.mark.parametrize(("check", "result"), CHECKS.values(), ids=CHECKS)
def test_checks(check: Check, result: Result) -> None:
    """What was not seen is unknown, never a pass."""
    assert check.result is result


PASS, FAIL, UNKNOWN = (Check(r.name, "good", "seen", r) for r in (Result.PASS, Result.FAIL, Result.UNKNOWN))
OUTCOMES = [
    ((PASS, UNKNOWN), 1, Outcome.DONE),
    ((PASS,), 0, Outcome.NOTHING_TO_DO),
    ((PASS, FAIL), 1, Outcome.FAILED),
    ((FAIL,), 0, Outcome.FAILED),
]


@pytest.mark.parametrize(("checks", "changed", "outcome"), OUTCOMES)
def test_outcomes(checks: tuple[Check, ...], changed: int, outcome: Outcome) -> None:
    """A failed check fails the step, whatever was done; then whether we changed anything."""
    end = decide.outcome_of(Step.BLOCK, checks, changed, "did it", "nothing to do")
    assert end.outcome is outcome
    assert bool(end.next) is (outcome is Outcome.FAILED)


def test_the_block_says_what_it_denies() -> None:
    """A platform whose list knows no ports denies the whole address, and the action says so."""
    fw = Host("fw", "192.0.2.1", "cisco_asa", "device")
    narrow = decide.block_action(fw, Entry(REMOTE, "x", 30), ("deny",), whole_address=False)
    wide = decide.block_action(fw, Entry(REMOTE, "x"), ("deny",), whole_address=True)
    assert (narrow.target, narrow.facts["port"]) == ("203.0.113.9:443", 443)
    assert "for 30 minutes" in narrow.reason
    assert (wide.target, wide.facts["port"]) == ("203.0.113.9", None)
    assert "whole address" in wide.reason
    assert "until undone" in wide.reason
    assert narrow.id == wide.id == "block/fw"
