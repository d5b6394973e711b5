"""Folds the records of a journal into a State. Pure; must not read a file, a clock or a host.

The vocabulary of the journal, kind by kind, with the keys of `data`:

| kind | data | written by |
|---|---|---|
| incident.opened | incident, host, playbook | the door that opened it |
| step.started / step.ended | step, attempt / step, outcome, summary, next, seconds | every step |
| step.skipped / step.redo | step, by, reason | a person |
| verdict | verdict | confirm |
| interval | seconds, how | triage: the beacon's interval as learnt from the samples |
| sample | step, at, connections | confirm, triage, verify |
| resumed | by, reason | a person, after whom the run goes on |
| order / order.done | order, asked, by, arguments / order, answer | a person, from a page |
| goes.on | why | the worker: an order that stopped the run was not followed, or the alert came again before a device that was away |
| linked | incident, why | the inbox: an earlier incident of the same host |
| alerts | count, last, since_undo | the inbox: how many alerts it has had by now, and since its block was taken back |
| override | word, by, reason | a person who lifts a guard by its name |
| guard | guard, override, by, seen | a guard that an override lifted |
| plan | step, actions, digest, blast | block, cleanup, undo; "isolate" within block, "memory" within collect |
| approval.reset | step | undo: an earlier answer no longer counts |
| approval.asked / .given / .refused | step, digest, by, via, reason | block, cleanup, undo; a person |
| intent / receipt | step, action, before / step, receipt | every act; step "undo" takes back, "isolate" is within block |
| check | step, check | block (proof), verify, undo |
| reading / finding | artefact, path, sha256, size, unseen / finding | triage (phase "first"), verify (phase "again") |
| evidence / evidence.sealed | evidence / manifest, sha256, items, bytes | collect |
| report.written | files (name to sha256), head | report |
| prefect | flow_run, url or unavailable | the flows |
| cut / counter | step, on, commands / step, on, hits | block: sessions that were ended, the deny rule's counter |
| release | action | undo: a block that was there before is left, and no longer this incident's |
| note | text, and what it is about | anyone |
| score | the drill's figures | the drill |
| journal.healed | lost_bytes, kept_in | the journal |
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.journal import Record
from tasks.model import (
    ISOLATE,
    MEMORY,
    Action,
    Bug,
    Check,
    ConfigError,
    Evidence,
    Finding,
    Incident,
    Json,
    Look,
    Outcome,
    Receipt,
    Step,
    StepEnd,
    Verdict,
)
from tasks.settings import Playbook
from tasks.state import UNDO, Act, Plan, State, typed


def fold(records: Iterable[Record]) -> State:
    """Build the state.

    Raises:
        ConfigError: there is no record.
        Bug: the first record does not open an incident.
    """
    whole = list(records)
    if not whole:
        raise ConfigError(
            "read the journal", "it is empty: the runner died before anything was done", "start the incident again"
        )
    if whole[0].kind != "incident.opened":
        raise Bug("read the journal", "it does not begin with incident.opened", "keep the folder and report it")
    first = whole[0].data
    playbook = typed(Playbook, first["playbook"]) if "playbook" in first else None
    state = State(typed(Incident, first["incident"]), first.get("host", {}), [], playbook=playbook)
    state.overrides |= set(state.incident.overrides)
    for record in whole:
        absorb(state, record)
    return state


def absorb(state: State, record: Record) -> None:
    """Take one more record into the state."""
    state.records.append(record)
    handler = _HANDLERS.get(record.kind)
    if handler:
        handler(state, record.data)


def _started(state: State, data: dict[str, Json]) -> None:
    step = Step(data["step"])
    state.running, state.attempts[step] = step, data["attempt"]
    state.skipped.pop(step, None)
    # A step that begins anew looks anew; what it copied or changed stands (evidence, receipts).
    state.checks = [(s, c) for s, c in state.checks if s != step]
    if step is Step.TRIAGE:
        state.findings, state.readings = [], []
    if step is Step.VERIFY:
        state.again, state.readings = [], [r for r in state.readings if r.get("phase") != "again"]


def _ended(state: State, data: dict[str, Json]) -> None:
    step = Step(data["step"])
    state.running = None
    state.verify_stale &= step is not Step.VERIFY
    state.ends.pop(step, None)
    state.ends[step] = StepEnd(step, Outcome(data["outcome"]), data["summary"], data.get("next", ""))


def _skipped(state: State, data: dict[str, Json]) -> None:
    state.skipped[Step(data["step"])] = f"{data['by']}: {data['reason']}"


def _redo(state: State, data: dict[str, Json]) -> None:
    """A step that is done anew takes all later ones with it: they stood on what it found."""
    state.resumed = data["by"]
    order = list(Step)
    for step in order[order.index(Step(data["step"])) :]:
        state.ends.pop(step, None)
        state.skipped.pop(step, None)
        for asked in (step, *_WITHIN.get(step, ())):
            _forget_answers(state, asked)


# What is asked about by itself within a step.
_WITHIN = {Step.BLOCK: (ISOLATE,), Step.COLLECT: (MEMORY,)}


def _forget_answers(state: State, step: str) -> None:
    """A yes or a no was for one go; whoever wants the step anew is asked anew."""
    if step in state.plans:
        digest = state.plans[step].digest
        for answers in (state.asked, state.approvals, state.refusals):
            answers.pop(digest, None)


def _reset(state: State, data: dict[str, Json]) -> None:
    _forget_answers(state, data["step"])


def _override(state: State, data: dict[str, Json]) -> None:
    state.overrides.add(data["word"])


def _resumed(state: State, data: dict[str, Json]) -> None:
    state.resumed = data["by"]


def _verdict(state: State, data: dict[str, Json]) -> None:
    state.verdict = typed(Verdict, data["verdict"])


def _interval(state: State, data: dict[str, Json]) -> None:
    state.interval = data.get("seconds")


def _plan(state: State, data: dict[str, Json]) -> None:
    actions = typed(tuple[Action, ...], data["actions"])
    state.plans[data["step"]] = Plan(data["step"], actions, data["digest"], data.get("blast", {}))


def _asked(state: State, data: dict[str, Json]) -> None:
    state.asked[data["digest"]] = data["step"]


def _given(state: State, data: dict[str, Json]) -> None:
    state.approvals[data["digest"]] = data["by"]
    state.refusals.pop(data["digest"], None)


def _refused(state: State, data: dict[str, Json]) -> None:
    state.refusals[data["digest"]] = f"{data['by']}: {data.get('reason', '')}".rstrip(": ")


def _intent(state: State, data: dict[str, Json]) -> None:
    act = Act(data["step"], typed(Action, data["action"]), typed(Look, data["before"]))
    if act.step != UNDO:
        # It was looked at just now: whatever an earlier act or undo of that id had done no longer stands.
        _supersede(state, act.action.id, undo=True)
        _supersede(state, act.action.id, undo=False)
    state.acts.append(act)


def _supersede(state: State, action_id: str, undo: bool) -> None:
    """An act that was taken back no longer counts, nor does an undo whose act was done anew."""
    for act in state.acts:
        if act.action.id == action_id and (act.step == UNDO) is undo:
            act.superseded = True


def _receipt(state: State, data: dict[str, Json]) -> None:
    receipt = typed(Receipt, data["receipt"])
    act = state.act(receipt.action, data["step"])
    if act is None:
        raise Bug("read the journal", f"a receipt without an intent: {receipt.action}", "keep the folder and report it")
    act.receipt = receipt
    if act.step == UNDO and receipt.ok:
        _taken_back(state, receipt.action)


def _taken_back(state: State, action_id: str) -> None:
    """What was verified is no longer so once a part of the cleanup is taken back."""
    state.verify_stale |= any(a.action.id == action_id and a.step == Step.CLEANUP for a in state.acts)
    _supersede(state, action_id, undo=False)


def _release(state: State, data: dict[str, Json]) -> None:
    _supersede(state, data["action"], undo=False)


def _check(state: State, data: dict[str, Json]) -> None:
    state.checks.append((data["step"], typed(Check, data["check"])))


def _reading(state: State, data: dict[str, Json]) -> None:
    state.readings.append(data)


def _finding(state: State, data: dict[str, Json]) -> None:
    (state.again if data.get("phase") == "again" else state.findings).append(typed(Finding, data["finding"]))


def _evidence(state: State, data: dict[str, Json]) -> None:
    state.evidence.append(typed(Evidence, data["evidence"]))


def _sealed(state: State, data: dict[str, Json]) -> None:
    state.seal = data


def _reported(state: State, data: dict[str, Json]) -> None:
    state.reports = {**state.reports, **data["files"]}


def _prefect(state: State, data: dict[str, Json]) -> None:
    state.flow_run = data.get("flow_run", state.flow_run)


_HANDLERS = {
    "step.started": _started,
    "step.ended": _ended,
    "step.skipped": _skipped,
    "step.redo": _redo,
    "override": _override,
    "resumed": _resumed,
    "verdict": _verdict,
    "interval": _interval,
    "plan": _plan,
    "approval.asked": _asked,
    "approval.given": _given,
    "approval.reset": _reset,
    "approval.refused": _refused,
    "intent": _intent,
    "receipt": _receipt,
    "release": _release,
    "check": _check,
    "reading": _reading,
    "finding": _finding,
    "evidence": _evidence,
    "evidence.sealed": _sealed,
    "report.written": _reported,
    "prefect": _prefect,
}
