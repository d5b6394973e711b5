"""What may be said of an incident: one line, five lines, and what is still open. Pure; must never say more than was seen."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.model import Action, Decision, Outcome, Result, Step
from tasks.report_advice import INITIAL_ACCESS
from tasks.report_answers import answered
from tasks.report_lines import joined, many
from tasks.report_proofs import Containment, Proof, containment, passed, proofs, taken_back, verified
from tasks.state import UNDO, State


def verdict_line(state: State) -> tuple[str, str]:
    """The incident in one line, and its tone: good, held or bad."""
    held = containment(state)
    incident = state.incident
    if state.verdict and state.verdict.decision is Decision.REJECTED and not state.standing:
        return f"Not confirmed: the alert on {incident.host} does not describe an incident.", "good"
    if held is Containment.UNDONE:
        return f"Open: the block was taken back, so {incident.host} can reach {incident.remote} again.", "bad"
    if held is Containment.DOUBTFUL:
        return (
            f"In doubt: an undo began and did not take all of the block back; read {incident.remote} from the devices.",
            "bad",
        )
    if held is Containment.PROVED and verified(state):
        return f"Contained and verified: {incident.host} no longer talks to {incident.remote}.", "good"
    if held is Containment.PROVED:
        return f"Contained, not verified clean: {_stands(state)}.", "held"
    word = held.value[0].upper() + held.value[1:]
    return f"{word}: {_stands(state)}.", "bad"


def _stands(state: State) -> str:
    """Where the run stands: the first step that is not over, and how it ended."""
    step = next((s for s in Step if s is not Step.REPORT and not _over(state, s)), None)
    if step:
        return f"{step.value} {step_note(state, step)}"
    return "something was changed or taken back since" if passed(state) else "not every check passed"


def _over(state: State, step: Step) -> bool:
    return step in state.ends and state.ends[step].outcome.finished


def step_note(state: State, step: Step) -> str:
    """How a step stands, in the outcome's own words."""
    if step in state.skipped:
        return "SKIPPED"
    if state.running is step:
        return "being written" if step is Step.REPORT else "begun, no end written"
    if step in state.ends:
        return state.ends[step].outcome.label
    return "not run"


def summary(state: State) -> tuple[tuple[str, str], ...]:
    """Five lines: what, who and where, what was done, how it stands, what is open."""
    return (
        ("What", _what(state)),
        ("Who and where", _who(state)),
        ("Done", _done(state)),
        ("State now", _now(state)),
        ("Open", _open(state)),
    )


def _what(state: State) -> str:
    incident = state.incident
    alert = f"{incident.alert.source} reported “{incident.alert.signature}”: " if incident.alert else ""
    verdict = state.verdict
    decided = f"{verdict.decision.value}, confidence {verdict.confidence} of 100" if verdict else "not confirmed yet"
    beat = f", every {state.interval:g} s" if state.interval else ""
    return f"{alert}{incident.host} talks to {incident.remote}{beat} ({decided})."


def _who(state: State) -> str:
    incident, host = state.incident, state.host
    owner = f"owner {host['owner']}" if host.get("owner") else "owner not in the inventory"
    which = joined(host.get("platform"), owner, by=", ")
    return f"{incident.host} ({which}) at site {host.get('site') or 'unknown'}; run by {incident.operator}."


def _done(state: State) -> str:
    changed = [a for a in state.acts if a.step != UNDO and a.receipt and a.receipt.changed]
    kinds = ", ".join(dict.fromkeys(a.action.kind for a in changed))
    back = f", {len(taken_back(state))} of them taken back" if taken_back(state) else ""
    acts = f"{many(len(changed), 'change')} ({kinds}){back}" if changed else "nothing was changed"
    seal = f"{many(state.seal.get('items', 0), 'piece')} of evidence sealed" if state.seal else "no evidence sealed"
    return f"{acts}; {seal}."


def _now(state: State) -> str:
    standing = many(len(state.standing), "change stands", "changes stand") if state.standing else "no change stands"
    return f"{containment(state).value}; {_checked_now(state)}; {standing}."


def _checked_now(state: State) -> str:
    if verified(state):
        return "verification passed"
    if passed(state):
        return "verification passed, but something was changed or taken back since"
    return f"verify {step_note(state, Step.VERIFY)}, so not known to be clean"


def _open(state: State) -> str:
    asked = questions(state)
    return f"{many(len(asked), 'question')}; first: {asked[0]}"


def questions(state: State) -> tuple[str, ...]:
    """What this incident leaves open, the most urgent first; never empty, because a journal does not see everything."""
    return tuple(dict.fromkeys(q for ask in _ASKS for q in ask(state)))


def _block_open(state: State) -> Iterator[str]:
    incident, held = state.incident, containment(state)
    if held is Containment.UNDONE:
        yield f"The block was taken back: {incident.host} can reach {incident.remote} again. Who decided that it may?"
    if held in (Containment.DOUBTFUL, Containment.DISPROVED):
        yield f"Does a device still deny {incident.remote}? The journal shows: {held.value}. Read it from the devices now."


def _steps_open(state: State) -> Iterator[str]:
    if state.verdict and state.verdict.decision is Decision.REJECTED:
        return
    for step in Step:
        end = state.ends.get(step)
        if step in state.skipped:
            yield f"{step.value} was skipped ({state.skipped[step]}): what it would have done or seen is not known."
        elif step is not Step.REPORT and (end is None or not end.outcome.finished or state.running is step):
            yield joined(f"{step.value} is not over: {step_note(state, step)}", _why(state, step), by=". ")


def _why(state: State, step: Step) -> str:
    end = state.ends.get(step)
    return joined(end.summary.rstrip("."), end.next, by=". ") if end and state.running is not step else ""


def _acts_open(state: State) -> Iterator[str]:
    for act in state.acts:
        name = f"{act.action.kind} on {act.action.on} ({act.action.target})"
        name = f"taking back {name}" if act.step == UNDO else name
        if act.receipt is None:
            yield f"{name} was begun and has no receipt: whether it happened must be read from the target."
        elif not act.receipt.ok:
            yield f"{name} did not succeed: {act.receipt.seen}"


def _plans_open(state: State) -> Iterator[str]:
    begun = {a.action.id for a in state.acts}
    copied = {e.source for e in state.evidence}
    for step, plan in state.plans.items():
        missing = [] if step == UNDO else [a for a in plan.actions if a.id not in begun and not _copied(a, copied)]
        if missing:
            yield f"{step} planned and did not do: {', '.join(_named(a) for a in missing)}."


def _copied(action: Action, sources: set[str]) -> bool:
    """Reading a process's memory changes nothing, so it is no act: the copy itself tells that it was done."""
    return action.kind == "process.memory" and f"/proc/{action.facts['pid']}/mem" in sources


def _named(action: Action) -> str:
    return f"{action.kind} on {action.on} ({action.target})"


def _checks_open(state: State) -> Iterator[str]:
    for proof in proofs(state.records):
        if proof.current and proof.check.result is Result.FAIL:
            yield _question(proof, "failed")
    for step in (Step.BLOCK, Step.VERIFY):
        if step in state.ends and state.ends[step].outcome is Outcome.DONE and not _checked(state, step):
            yield f"{step.value} ended as done and no check of it is in the journal: it is not proved."


def _question(proof: Proof, word: str) -> str:
    check = proof.check
    return f"The {proof.step} check “{check.name}” {word}: expected {check.expected}; observed {check.observed}"


def _unknown_open(state: State) -> Iterator[str]:
    for proof in proofs(state.records):
        if proof.current and proof.check.result is Result.UNKNOWN:
            yield _question(proof, "could not be answered")


def _checked(state: State, step: Step) -> bool:
    return any(name == step for name, _ in state.checks)


def _findings_open(state: State) -> Iterator[str]:
    again = {(f.rule, f.where) for f in state.again}
    for finding in sorted(state.findings, key=lambda f: -f.score):
        if not answered(finding, state):
            still = ", and it is still there" if (finding.rule, finding.where) in again else ""
            yield f"No action answers this finding (score {finding.score}){still}: {finding.what} at {finding.where}"
    first = {(f.rule, f.where) for f in state.findings if not answered(f, state)}
    for finding in sorted(state.again, key=lambda f: -f.score):
        if (finding.rule, finding.where) not in first:
            yield f"Seen when looking again (score {finding.score}): {finding.what} at {finding.where}"


def _evidence_open(state: State) -> Iterator[str]:
    for item in state.evidence:
        if item.sha256_at_source and item.sha256_at_source != item.sha256:
            yield f"The copy {item.path} differs from its source: was it written to while it was copied, or changed?"
    for missed in (state.seal or {}).get("not_copied") or ():
        yield f"Not copied into the evidence: {missed}"
    if state.evidence and not state.seal:
        yield "The evidence is not sealed: a later change of it would not be noticed."


def _looks_open(state: State) -> Iterator[str]:
    if not any(r.get("phase") != "again" for r in state.readings) and not state.findings:
        yield f"{state.incident.host} was not read: what runs there is not known."
    if unseen(state):
        holes = many(len(unseen(state)), "thing")
        yield f"{holes} on {state.incident.host} could not be looked at (see “What could not be seen”)."
    if not state.interval and state.verdict and state.verdict.decision is Decision.CONFIRMED:
        yield "The beacon's interval was not learnt: silence was or will be judged by a fixed time."


def _notes_open(state: State) -> Iterator[str]:
    """What a step noted and went on: a file that was not copied, an address that did not resolve."""
    for record in state.records:
        if record.kind == "note":
            yield joined("Noted", record.data.get("about"), record.data.get("text"))


def _always_open(state: State) -> Iterator[str]:
    incident = state.incident
    if not any(f.attack.startswith(INITIAL_ACCESS) for f in state.findings):
        yield f"How the attacker came onto {incident.host} is not known: no finding tells of the initial access."
    yield f"Whether other hosts talk to {incident.remote} was not looked at: this incident read {incident.host} alone."
    yield f"What left {incident.host} before the block is not known: hemostat does not see past traffic."
    if any(a.step == Step.BLOCK for a in state.standing):
        yield f"The block stands until its time to live ends or someone takes it back (`hemostat undo {incident.id}`): who decides, when?"


_ASKS = (
    _block_open,
    _steps_open,
    _acts_open,
    _plans_open,
    _checks_open,
    _findings_open,
    _unknown_open,
    _evidence_open,
    _looks_open,
    _notes_open,
    _always_open,
)


def unseen(state: State) -> tuple[tuple[str, str], ...]:
    """What collectors could not look at and why, each once."""
    holes = (h for reading in state.readings for h in reading.get("unseen") or ())
    return tuple(dict.fromkeys((str(h.get("what", "")), str(h.get("why", ""))) for h in holes))
