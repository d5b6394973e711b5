"""Everything that the postmortem shows, as frozen data from a journal's state. Pure; must not know HTML, Markdown, files or a clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tasks.model import Alert, Decision, Finding, Json, Mode, Step, Verdict
from tasks.report_advice import advice, name
from tasks.report_answers import answer
from tasks.report_deeds import KILLS, Asked, Deed, Item, Tested, asked, deeds, guards, kept, tested
from tasks.report_judge import questions, step_note, summary, unseen, verdict_line
from tasks.report_lines import Moment, duration, joined, many, moments, size, stamp
from tasks.report_picture import Mark, Picture, draw
from tasks.report_proofs import Containment, Instants, containment, instants, proofs, verified
from tasks.report_short import shortened
from tasks.report_times import Span, aware, busy, human_time, machine_time, spans, traces, waits
from tasks.state import UNDO, State


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure; `note` says what it is measured between or why it is missing."""

    name: str
    value: str
    note: str
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding with its technique's name and what became of it."""

    finding: Finding
    technique: str
    answer: str


@dataclass(frozen=True, slots=True)
class View:
    """The whole report. Every string may come from an attacker: the renderers escape all of them."""

    title: str
    verdict_line: str
    tone: str
    drill: bool
    incident_id: str
    summary: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    metrics: tuple[Metric, ...]
    score: tuple[tuple[str, str], ...]
    picture: Picture
    base: str
    timeline: tuple[Moment, ...]
    verdict: Verdict | None
    interval: str
    read: tuple[str, ...]
    found: tuple[Seen, ...]
    looked_again: bool
    again: tuple[Seen, ...]
    plans: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    deeds: tuple[Deed, ...]
    approvals: tuple[Asked, ...]
    guards: tuple[tuple[str, str, str], ...]
    checks: tuple[Tested, ...]
    evidence: tuple[Item, ...]
    seal: tuple[tuple[str, str], ...]
    unseen: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    advice: tuple[tuple[str, str], ...]
    head: str
    records: int
    root: str = ""


def view(state: State, chain_head: str) -> View:
    """Gather the report.

    Args:
        state: the folded journal, however far the incident came.
        chain_head: the hash of the last record that the report rests on.
    """
    incident, when = state.incident, instants(state)
    line, tone = verdict_line(state)
    whole = View(
        title=f"{incident.host} called home to {incident.remote}",
        verdict_line=line,
        tone=tone,
        drill=incident.mode is Mode.DRILL,
        incident_id=incident.id,
        summary=summary(state),
        facts=_facts(state, when),
        metrics=_metrics(state, when),
        score=_score(state),
        picture=_picture(state, when),
        base=f"{_since(when)} ({stamp(when.base)})",
        timeline=moments(state.records, when.base),
        verdict=state.verdict,
        interval=_interval(state),
        read=tuple(dict.fromkeys(str(r.get("artefact", "")) for r in state.readings)),
        found=_seen(state, state.findings),
        looked_again=_looked_again(state),
        again=_seen(state, state.again),
        plans=tuple((step, _pairs(plan.blast)) for step, plan in state.plans.items() if plan.blast),
        deeds=deeds(state),
        approvals=asked(state),
        guards=guards(state),
        checks=tuple(tested(p) for p in proofs(state.records)),
        evidence=tuple(kept(e) for e in state.evidence),
        seal=_seal(state, when),
        unseen=unseen(state),
        questions=questions(state),
        advice=advice(f.attack for f in sorted(state.findings, key=lambda f: -f.score)),
        head=chain_head,
        records=len(state.records),
    )
    root = str(state.host.get("root") or "/")
    return whole if root == "/" else replace(shortened(whole, root), root=root)


def _facts(state: State, when: Instants) -> tuple[tuple[str, str], ...]:
    incident, host = state.incident, state.host
    mode = "DRILL: a laboratory's incident, a laboratory's firewall" if incident.mode is Mode.DRILL else "live"
    alert = incident.alert
    named = _alert(alert) if alert else "none: opened by hand"
    return (
        ("Incident", incident.id),
        ("Host", joined(incident.host, host.get("hostname"), host.get("platform"), by=" · ")),
        (
            "Owner",
            joined(host.get("owner"), host.get("criticality") and f"criticality {host['criticality']}", by=" · "),
        ),
        ("Site", str(host.get("site") or "")),
        ("Remote", str(incident.remote)),
        ("Alert", named),
        ("Playbook", incident.playbook),
        ("Playbook SHA-256", incident.playbook_sha256),
        ("Inventory of", incident.site),
        ("Operator", incident.operator),
        ("Reason", incident.reason),
        ("Mode", mode),
        ("Overrides", ", ".join(_overrides(state)) or "none"),
        ("Opened", stamp(when.opened)),
        ("Contained", stamp(when.contained) if when.contained else containment(state).value),
        ("Closed", stamp(_closed(state, when)) if _closed(state, when) else "still open"),
        ("Prefect flow run", state.flow_run or "none in the journal"),
    )


def _overrides(state: State) -> tuple[str, ...]:
    later = (str(r.data.get("word", "")) for r in state.records if r.kind == "override")
    return tuple(dict.fromkeys((*state.incident.overrides, *later)))


def _alert(alert: Alert) -> str:
    severity = alert.severity and f"severity {alert.severity}"
    return joined(alert.source, alert.signature, alert.domain, alert.id, severity, stamp(aware(alert.at)), by=" · ")


def _since(when: Instants) -> str:
    return "the alert" if when.base == when.alert else "the opening"


def _closed(state: State, when: Instants) -> datetime | None:
    """Contained and verified, or rejected with nothing left standing."""
    if state.verdict and state.verdict.decision is Decision.REJECTED and not state.standing:
        return when.confirmed
    return when.clean if containment(state) is Containment.PROVED and verified(state) else None


def _metrics(state: State, when: Instants) -> tuple[Metric, ...]:
    reached = (
        ("Time to confirm", when.confirmed, "the verdict", "no verdict yet"),
        ("Time to contain", when.contained, "the proof of the block", f"not reached: {containment(state).value}"),
        ("Time to evidence", when.sealed, "the seal", "not reached: nothing is sealed"),
        (
            "Time to clean",
            when.clean,
            "the passed verification",
            f"not reached: verify {step_note(state, Step.VERIFY)}",
        ),
    )
    human, machine = human_time(state), machine_time(state)
    idle = max(timedelta(), when.last - state.records[0].time - human - machine)
    return (
        *(
            Metric(label, duration(at - when.base), f"from {_since(when)} to {what}")
            if at
            else Metric(label, "–", missing, False)
            for label, at, what, missing in reached
        ),
        Metric("Waited for people", duration(human), "from a question to its answer"),
        Metric("Machine time", duration(machine), "steps at work, waits for people taken off"),
        Metric("Stood still", duration(idle), "no step at work and nobody asked"),
    )


# What the drill's figures are called; times are in seconds.
_SCORE = {
    "confirm": "alert to confirmed, s",
    "contain": "alert to contained, s",
    "evidence": "alert to evidence sealed, s",
    "clean": "alert to proved clean, s",
    "beacons_before": "beacon messages before the block",
    "beacons_after": "beacon messages after the block",
    "planted": "traces planted",
    "missed": "traces missed",
}


def _score(state: State) -> tuple[tuple[str, str], ...]:
    record = next((r for r in reversed(state.records) if r.kind == "score"), None)
    if record is None:
        return ()
    return tuple(
        (_SCORE.get(key, label), text) for key, (label, text) in zip(record.data, _pairs(record.data), strict=True)
    )


def _pairs(data: Json) -> tuple[tuple[str, str], ...]:
    return tuple((str(key).replace("_", " "), _plain(value)) for key, value in data.items())


def _plain(value: Json) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_plain(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(v) for v in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _picture(state: State, when: Instants) -> Picture:
    steps = spans(state.records)
    notes = {step.value: joined(step_note(state, step), _took(steps, step), by=" · ") for step in Step}
    return draw(steps, tuple(_marks(state, when)), busy(state), when.base, notes)


def _took(steps: tuple[Span, ...], step: Step) -> str:
    own = [s for s in steps if s.step is step and s.outcome]
    return duration(sum((s.end - s.start for s in own), timedelta())) if own else ""


def _marks(state: State, when: Instants) -> list[Mark]:
    points = (
        (when.alert if when.base == when.alert else None, "alert", "bad"),
        (when.opened, "opened", "plain"),
        (when.contained, "block proved", "good"),
        (when.sealed, "evidence sealed", "good"),
        (when.clean, "verified", "good"),
    )
    return [*(Mark(at, label, tone) for at, label, tone in points if at), *_asked_marks(state), *_act_marks(state)]


def _asked_marks(state: State) -> Iterator[Mark]:
    for wait in waits(state.records):
        yield Mark(wait.asked, f"asked: {wait.step}"[:20], "held")
        if wait.answered:
            word, tone = ("approved", "good") if wait.given else ("refused", "held")
            yield Mark(wait.answered, f"{word}: {wait.step}"[:20], tone)


def _act_marks(state: State) -> Iterator[Mark]:
    for act, trace in zip(state.acts, traces(state.records), strict=True):
        if trace.finished is None or act.receipt is None or not act.receipt.ok:
            continue
        if act.step == UNDO:
            yield Mark(trace.finished, "taken back", "held")
        elif act.receipt.changed and act.action.kind in KILLS:
            yield Mark(trace.finished, "process killed", "good")


def _seen(state: State, findings: Iterable[Finding]) -> tuple[Seen, ...]:
    return tuple(Seen(f, name(f.attack), answer(f, state)) for f in sorted(findings, key=lambda f: -f.score))


def _looked_again(state: State) -> bool:
    return bool(state.again) or any(r.get("phase") == "again" for r in state.readings)


def _interval(state: State) -> str:
    return f"{state.interval:g} s" if state.interval else "not learnt"


def _seal(state: State, when: Instants) -> tuple[tuple[str, str], ...]:
    if state.seal is None:
        return ()
    return (
        ("Manifest", str(state.seal.get("manifest", ""))),
        ("Manifest SHA-256", str(state.seal.get("sha256", ""))),
        ("Content", f"{many(state.seal.get('items', 0), 'item')}, {size(state.seal.get('bytes', 0))}"),
        ("Sealed", stamp(when.sealed)),
    )
