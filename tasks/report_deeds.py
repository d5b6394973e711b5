"""What was done, asked, checked and kept, each with its people and times. Pure; must not know how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tasks.model import Action, Evidence, Receipt
from tasks.report_lines import RESULT_TONES, duration, joined, size, stamp
from tasks.report_proofs import Proof
from tasks.report_times import Trace, Wait, aware, traces, waits
from tasks.state import UNDO, Act, State

# Kinds of action after which a process is gone.
KILLS = frozenset({"kill", "process", "kill_tree", "process.kill", "windows.process"})


@dataclass(frozen=True, slots=True)
class Deed:
    """One act: intent, receipt, who approved, what takes it back and whether that was done."""

    step: str
    begun: str
    action: Action
    before: str
    result: str
    tone: str
    seen: str
    approved: str
    undo: str
    back: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One approval: the question, the answer, and how long it stood open."""

    wait: Wait
    asked: str
    answer: str
    waited: str


@dataclass(frozen=True, slots=True)
class Tested:
    """One check with its tone; `current` False: a later attempt looked again."""

    proof: Proof
    word: str
    at: str
    tone: str


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of evidence with its custody in words; `same`: the copy's hash is the source's."""

    item: Evidence
    size: str
    same: bool
    at_source: str
    custody: str


def deeds(state: State) -> tuple[Deed, ...]:
    """Every act that was begun; what took it back stands with it."""
    all_traces = traces(state.records)
    return tuple(
        _deed(state, act, trace) for act, trace in zip(state.acts, all_traces, strict=True) if act.step != UNDO
    )


def _deed(state: State, act: Act, trace: Trace) -> Deed:
    result, tone = outcome(act.receipt)
    return Deed(
        step=act.step,
        begun=stamp(trace.begun),
        action=act.action,
        before=act.before.seen,
        result=result,
        tone=tone,
        seen=act.receipt.seen if act.receipt else "",
        approved=_approved(state, act, trace),
        undo=act.action.undo or "it cannot be taken back",
        back=_back(state, act),
    )


def outcome(receipt: Receipt | None) -> tuple[str, str]:
    """How an act came out in words, and its tone."""
    if receipt is None:
        return "not known: begun, no receipt", "held"
    if not receipt.ok:
        return "failed, and something was changed" if receipt.changed else "failed, nothing was changed", "bad"
    found = " (found done after an interruption)" if receipt.recovered else ""
    return ("changed" if receipt.changed else "nothing to change: it was so before") + found, "good"


def _approved(state: State, act: Act, trace: Trace) -> str:
    wait = next((w for w in waits(state.records) if w.digest == trace.digest and w.given), None)
    if wait:
        return joined(f"{wait.by}, {stamp(wait.answered)}", wait.via, wait.reason, by=" · ")
    if act.action.needs_approval:
        return "an approval was needed and none is in the journal"
    return f"by the playbook, without a question; run by {state.incident.operator}"


def _back(state: State, act: Act) -> str:
    back = state.act(act.action.id, UNDO)
    if back is None:
        return "no"
    finished = next(t.finished for a, t in zip(state.acts, traces(state.records), strict=True) if a is back)
    result, _ = outcome(back.receipt)
    return joined(result, stamp(finished) if finished else "", back.receipt.seen if back.receipt else "", by=" · ")


def asked(state: State) -> tuple[Asked, ...]:
    """Every question to a person."""
    return tuple(_asked(state, wait) for wait in waits(state.records))


def _asked(state: State, wait: Wait) -> Asked:
    if wait.answered is None:
        return Asked(wait, stamp(wait.asked), "not answered yet", _span(state.records[-1].time - wait.asked))
    word = "approved" if wait.given else "refused"
    answer = joined(f"{word} by {wait.by}, {stamp(wait.answered)}", wait.via, wait.reason, by=" · ")
    return Asked(wait, stamp(wait.asked), answer, _span(wait.answered - wait.asked))


def _span(span: timedelta) -> str:
    return duration(max(timedelta(), span))


def guards(state: State) -> tuple[tuple[str, str, str], ...]:
    """Guards that an override lifted: (guard, override, by)."""
    lifted = [r.data for r in state.records if r.kind == "guard"]
    return tuple((str(d.get("guard", "")), str(d.get("override", "")), str(d.get("by", ""))) for d in lifted)


def tested(proof: Proof) -> Tested:
    """The check as it is shown; a superseded one says so."""
    word = proof.check.result.value + ("" if proof.current else f" (attempt {proof.attempt}, looked again since)")
    return Tested(proof, word, stamp(proof.at), RESULT_TONES[proof.check.result])


def kept(item: Evidence) -> Item:
    """The evidence as it is shown. A hash that is missing at the source is not the same hash."""
    return Item(
        item=item,
        size=size(item.size),
        same=item.sha256_at_source == item.sha256,
        at_source=item.sha256_at_source or "not known: it was not hashed at the source",
        custody=f"{item.by}, {item.host}, {stamp(aware(item.at))}",
    )
