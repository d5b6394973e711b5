"""Pure judgement: which order is legal, what a verdict is, what a proof shows. Facts in, decisions out; no clock, no host, no file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from tasks.facts import Connection
from tasks.firewalls.shape import Entry, Listing
from tasks.model import (
    Action,
    Approval,
    Check,
    Decision,
    Most,
    Outcome,
    Refused,
    Remote,
    Result,
    Step,
    StepEnd,
    Verdict,
)
from tasks.settings import ConfirmRule, Host, Playbook, Policy
from tasks.state import State

Needs = Literal["nothing", "confirmed", "contained", "looked", "sealed", "cleaned", "verified"]

# The legal orders: a step (or an undo) needs its condition, and `override` is the word that lifts it, if any does.
# Report needs nothing: what happened can always be told.
GATES: tuple[tuple[str, Needs, str | None], ...] = (
    (Step.CONFIRM, "nothing", None),
    (Step.BLOCK, "confirmed", "unconfirmed"),
    (Step.TRIAGE, "contained", None),
    (Step.COLLECT, "looked", None),
    (Step.CLEANUP, "sealed", None),
    (Step.VERIFY, "cleaned", None),
    (Step.REPORT, "nothing", None),
    ("undo cleanup", "nothing", None),
    ("undo block", "verified", "unverified"),
    ("undo isolate", "verified", "unverified"),
)

_MISSING: dict[Needs, tuple[str, str]] = {
    "confirmed": ("the alert is not confirmed", "look at the verdict with `hemostat show`"),
    "contained": (
        "the block neither stands nor was skipped",
        "fix the block and `hemostat resume --redo block`, or skip it",
    ),
    "looked": ("triage has not ended", "`hemostat resume --redo triage`"),
    "sealed": (
        "there is no sealed manifest of the evidence",
        "`hemostat resume --redo collect`; no cleanup without evidence",
    ),
    "cleaned": ("cleanup has not ended", "approve it, redo it, or skip it"),
    "verified": (
        "no passed verification stands: the host may still call home",
        "verify first, or lift this guard by name",
    ),
}


def gate(step: str, state: State) -> None:
    """Let the step pass or raise Refused with what is missing and what to do."""
    needs, override = next((n, o) for s, n, o in GATES if s == step)
    if _holds(needs, state) or (override and override in state.overrides):
        return
    seen, do = _MISSING[needs]
    raise Refused(f"order:{needs}", f"{step} may not run: {seen}", do, override)


def _holds(needs: Needs, state: State) -> bool:
    if needs == "confirmed":
        return state.verdict is not None and state.verdict.decision is not Decision.REJECTED
    if needs == "contained":
        return state.done(Step.BLOCK)
    if needs == "looked":
        return ended_well(state, Step.TRIAGE)
    if needs == "sealed":
        return state.seal is not None and ended_well(state, Step.COLLECT)
    if needs == "cleaned":
        return state.done(Step.CLEANUP)
    if needs == "verified":
        return ended_well(state, Step.VERIFY) and not state.verify_stale
    return True


def ended_well(state: State, step: Step) -> bool:
    """Finished by itself; a skipped step has looked at nothing and proves nothing."""
    return step in state.ends and state.ends[step].outcome.finished and step not in state.skipped


def rejected(state: State) -> bool:
    """The verdict was that there is no incident: the steps that follow have nothing to do."""
    lifted = "unconfirmed" in state.overrides
    return not lifted and state.verdict is not None and state.verdict.decision is Decision.REJECTED


def verdict(remote: Remote, seen: Sequence[Connection], samples: int, policy: Policy, today: date) -> Verdict:
    """What the host's sockets say of the alert.

    Args:
        seen: the sockets to the remote in all samples.
        samples: how many samples were taken; 0 when the host did not answer.
    """
    good = next((k for k in policy.known_good if remote.address in k.network and today <= k.expires), None)
    if good:
        return Verdict(
            Decision.REJECTED,
            90,
            (f"{remote.address} is a known good destination until {good.expires}: {good.reason}",),
        )
    if not samples:
        return Verdict(Decision.UNSURE, 40, ("the host could not be looked at; the alert stands alone",))
    if not seen:
        return Verdict(
            Decision.UNSURE,
            30,
            (f"no socket to {remote} in {samples} samples; a beacon that sleeps longer would not show",),
        )
    return Verdict(Decision.CONFIRMED, _confidence(seen), tuple(_reasons(remote, seen)))


def _confidence(seen: Sequence[Connection]) -> int:
    if any(c.pid is not None for c in seen):
        return 95
    return 85 if any(c.state not in ("TIME_WAIT", "CLOSE") for c in seen) else 70


def _reasons(remote: Remote, seen: Sequence[Connection]) -> list[str]:
    states = sorted({c.state for c in seen})
    owners = sorted({c.pid for c in seen if c.pid is not None})
    return [
        f"{len({(c.local, c.local_port) for c in seen})} socket(s) to {remote} ({', '.join(states)})",
        f"held by process {', '.join(map(str, owners))}" if owners else "held by no process that could be seen",
    ]


def block_approval(playbook: Playbook, found: Verdict, looked: bool) -> Approval:
    """Whether the block may go on by itself: an unsure verdict asks or stops, as the playbook says."""
    approval = playbook.approval(Step.BLOCK)
    if found.decision is Decision.CONFIRMED or approval is Approval.NEVER:
        return approval
    rule: ConfirmRule = playbook.confirm
    wish = rule.when_unsure if looked else rule.when_unreachable
    return {"block": approval, "ask": Approval.ASK, "stop": Approval.NEVER}[wish]


def unasked(rule: Approval, most: Most) -> Approval:
    """What the playbook lets pass without a person, an alert of a sender that may only open or ask does not: whoever may approve is asked,
    also once somebody has let the run go on.
    """
    return Approval.ASK if rule is Approval.AUTO and most != "playbook" else rule


def block_action(device: Host, entry: Entry, commands: Sequence[str], whole_address: bool) -> Action:
    """The one change on one device."""
    until = f"for {entry.minutes} minutes" if entry.minutes else "until undone"
    width = " (the whole address: this platform's list knows no ports)" if whole_address else ""
    return Action(
        id=f"block/{device.name}",
        kind="firewall.block",
        on=device.name,
        target=str(entry.remote if not whole_address else entry.address),
        reason=f"{entry.address} is denied through list {entry.name} {until}{width}",
        commands=tuple(commands),
        facts={"address": str(entry.address), "port": None if whole_address else entry.remote.port, "list": entry.name},
        undo=f"take {entry.address} out of list {entry.name} again",
    )


def rule_check(device: str, listing: Listing) -> Check:
    """Is the entry in the list, and the list in force, as the device itself says?"""
    good = listing.present and listing.enforced
    return Check(
        f"rule on {device}",
        "the remote is in the list and a rule in force uses it",
        listing.seen,
        Result.PASS if good else Result.FAIL,
    )


def time_checks(device: str, entry: Entry, seen: Listing, changed: bool) -> tuple[Check, ...]:
    """An entry that was there before, by no act of ours, may end sooner than the playbook wants."""
    if changed or not seen.present or seen.ends_in is None:
        return ()
    wanted = f"it stands for {entry.minutes} minutes" if entry.minutes else "it stands until it is undone"
    if entry.minutes and seen.ends_in >= entry.minutes * 60 - 60:
        return ()
    observed = f"the device ends the entry that was there before in {seen.ends_in // 60} minutes: redo the block then"
    return (Check(f"time on {device}", wanted, observed, Result.UNKNOWN),)


def counter_check(device: str, before: Listing, after: Listing) -> Check:
    """Has the rule's counter moved since the block? No movement proves nothing: the beacon may sleep."""
    if before.hits is None or after.hits is None:
        return Check(
            f"counter on {device}", "denied packets are counted", "the platform shows no counter", Result.UNKNOWN
        )
    moved = after.hits - before.hits
    return Check(
        f"counter on {device}",
        "denied packets are counted",
        f"{moved} since the block",
        Result.PASS if moved > 0 else Result.UNKNOWN,
    )


def host_check(established: int | None) -> Check:
    """Does the host still hold an established socket? A dropped one stays ESTAB on the host, so that proves nothing."""
    expected = "no established socket to the remote on the host"
    if established is None:
        return Check("beacon at the host", expected, "the host was not looked at", Result.UNKNOWN)
    result = Result.UNKNOWN if established else Result.PASS
    return Check("beacon at the host", expected, f"{established} established", result)


def outcome_of(step: Step, checks: Sequence[Check], changed: int, did: str, nothing: str) -> StepEnd:
    """A step's end from its checks: any failed one fails the step, whatever else was done."""
    failed = [c for c in checks if c.result is Result.FAIL]
    if failed:
        text = "; ".join(f"{c.name}: expected {c.expected}, saw {c.observed}" for c in failed)
        return StepEnd(step, Outcome.FAILED, text, f"fix it and `hemostat resume --redo {step}`, or `--skip {step}`")
    return StepEnd(step, Outcome.DONE, did) if changed else StepEnd(step, Outcome.NOTHING_TO_DO, nothing)
