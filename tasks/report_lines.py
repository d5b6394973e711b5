"""One plain sentence for each kind of journal record: the timeline. Knows the journal's vocabulary; must not know HTML or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from tasks.journal import Record
from tasks.model import Json, Outcome, Result

TONES = {
    Outcome.DONE: "good",
    Outcome.NOTHING_TO_DO: "good",
    Outcome.REFUSED: "held",
    Outcome.WAITING: "held",
    Outcome.UNREACHABLE: "bad",
    Outcome.FAILED: "bad",
}
RESULT_TONES = {Result.PASS: "good", Result.FAIL: "bad", Result.UNKNOWN: "held"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline. `tone` is good, bad, held or plain."""

    at: datetime
    clock: str
    after: str
    step: str
    what: str
    by: str
    tone: str


def moments(records: Sequence[Record], base: datetime) -> tuple[Moment, ...]:
    """The timeline; a run of samples, readings, findings or evidence is one line."""
    return tuple(_moment(list(group), base) for _, group in groupby(records, key=_run))


def _run(record: Record) -> tuple[str, object]:
    """What consecutive records must share to stand on one line; any other record stands alone."""
    if record.kind in _MANY:
        return record.kind, record.data.get("phase", record.data.get("step"))
    return record.kind, record.seq


def _moment(group: list[Record], base: datetime) -> Moment:
    record = group[0]
    what = _MANY[record.kind](group) if record.kind in _MANY else _one(record)
    data = record.data
    by = str(data.get("by", "") or (data["incident"]["operator"] if record.kind == "incident.opened" else ""))
    return Moment(
        record.time, clock(record.time), since(record.time, base), str(data.get("step") or ""), what, by, tone(record)
    )


def _one(record: Record) -> str:
    say = _ONE.get(record.kind)
    return say(record.data) if say else f"{record.kind} (this version has no words for it; see the journal)"


def tone(record: Record) -> str:
    """How a record colours its line."""
    data = record.data
    if record.kind == "step.ended":
        return TONES[Outcome(data["outcome"])]
    if record.kind == "check":
        return RESULT_TONES[Result(data["check"]["result"])]
    if record.kind == "receipt":
        return "good" if data["receipt"]["ok"] else "bad"
    return _KIND_TONES.get(record.kind, "plain")


_KIND_TONES = {
    "evidence.sealed": "good",
    "approval.given": "good",
    "approval.asked": "held",
    "approval.refused": "held",
    "guard": "held",
    "override": "held",
    "step.skipped": "held",
    "journal.healed": "held",
}


def stamp(at: datetime | None) -> str:
    """A time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else "not reached"


def clock(at: datetime) -> str:
    """A time in UTC, to the tenth of a second."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 100_000}"


def duration(span: timedelta) -> str:
    """A span of time for people: 4.2 s, 2 min 13 s, 3 h 05 min, 2 d 4 h."""
    seconds = abs(span.total_seconds())
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def since(at: datetime, base: datetime) -> str:
    """The signed time since the base."""
    return ("−" if at < base else "+") + duration(at - base)


def size(count: int) -> str:
    """Bytes for people, in binary units."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def many(count: int, noun: str, nouns: str = "") -> str:
    """`1 check`, `2 checks`, `no check`."""
    return f"{count or 'no'} {noun if count < 2 else nouns or noun + 's'}"


def joined(*parts: object, by: str = ": ") -> str:
    """The parts that say something."""
    return by.join(str(p) for p in parts if p not in ("", None))


def _opened(data: Json) -> str:
    incident = data["incident"]
    alert = incident.get("alert") or {}
    came = f" by the alert {alert['signature']} of {alert['source']}" if alert else ""
    return joined(f"the incident was opened{came}", incident.get("reason"))


def _step_ended(data: Json) -> str:
    return joined(f"{data['step']} ended: {Outcome(data['outcome']).label}", data["summary"], data.get("next"), by=". ")


def _verdict(data: Json) -> str:
    verdict = data["verdict"]
    return f"verdict {verdict['decision']}, confidence {verdict['confidence']} of 100"


def _interval(data: Json) -> str:
    seconds = data.get("seconds")
    return joined(f"beacon interval {seconds:g} s" if seconds else "beacon interval not learnt", data.get("how"))


def _intent(data: Json) -> str:
    action = data["action"]
    return f"about to do {action['kind']} on {action['on']}: {action['target']} (before: {data['before']['seen']})"


def _receipt(data: Json) -> str:
    receipt = data["receipt"]
    how = "found done after an interruption" if receipt.get("recovered") else "done" if receipt["ok"] else "not done"
    changed = "changed" if receipt["changed"] else "nothing changed"
    return f"{receipt['action']} {how}, {changed}: {receipt['seen']}"


def _check(data: Json) -> str:
    check = data["check"]
    return f"check {Result(check['result']).value.upper()}, {check['name']}: {check['observed']}"


def _sealed(data: Json) -> str:
    return f"evidence sealed: {many(data.get('items', 0), 'item')}, {size(data.get('bytes', 0))}"


def _prefect(data: Json) -> str:
    if data.get("unavailable"):
        return f"Prefect could not be used, the run went on without it: {data['unavailable']}"
    return joined("Prefect flow run", data.get("flow_run"))


def _note(data: Json) -> str:
    about = ", ".join(f"{key} {value}" for key, value in data.items() if key not in ("text", "by", "step"))
    return joined(data.get("text", ""), about)


def _samples(group: list[Record]) -> str:
    counts = [len(r.data.get("connections", ())) for r in group]
    shown = f"{counts[0]} in each" if len(set(counts)) == 1 else ", ".join(map(str, counts))
    return f"{many(len(group), 'sample')} of the connections to the remote: {shown}"


def _readings(group: list[Record]) -> str:
    names = list(dict.fromkeys(str(r.data.get("artefact", "")) for r in group))
    holes = sum(len(r.data.get("unseen") or ()) for r in group)
    return joined(f"read {', '.join(names)}", many(holes, "thing") + " could not be seen" if holes else "", by="; ")


def _findings(group: list[Record]) -> str:
    best = max(r.data["finding"]["score"] for r in group)
    again = " when looking again" if group[0].data.get("phase") == "again" else ""
    return f"{many(len(group), 'finding')}{again}, the highest score is {best}"


def _evidence(group: list[Record]) -> str:
    return f"{many(len(group), 'piece')} of evidence taken, {size(sum(r.data['evidence']['size'] for r in group))}"


def _asked(data: Json) -> str:
    return f"asked a person to approve the plan {data['digest'][:12]}"


def _answer(word: str) -> Callable[[Json], str]:
    return lambda data: joined(f"plan {data['digest'][:12]} {word} via {data.get('via') or '?'}", data.get("reason"))


_MANY: dict[str, Callable[[list[Record]], str]] = {
    "sample": _samples,
    "reading": _readings,
    "finding": _findings,
    "evidence": _evidence,
}

_ONE: dict[str, Callable[[Json], str]] = {
    "incident.opened": _opened,
    "step.started": lambda d: f"{d['step']} began" + (f", attempt {d['attempt']}" if d["attempt"] > 1 else ""),
    "step.ended": _step_ended,
    "step.skipped": lambda d: joined(f"{d['step']} was skipped", d.get("reason")),
    "step.redo": lambda d: joined(f"{d['step']} shall be done again", d.get("reason")),
    "verdict": _verdict,
    "interval": _interval,
    "override": lambda d: joined(f"a person lifted the guard {d.get('word')}", d.get("reason")),
    "guard": lambda d: joined(
        f"the guard {d.get('guard')} was lifted by the override {d.get('override')}", d.get("seen")
    ),
    "plan": lambda d: f"planned {many(len(d['actions']), 'action')} (plan {d['digest'][:12]})",
    "approval.asked": _asked,
    "approval.given": _answer("approved"),
    "approval.refused": _answer("refused"),
    "intent": _intent,
    "receipt": _receipt,
    "check": _check,
    "cut": lambda d: f"sessions to the remote were cut on {d.get('on')}: {'; '.join(d.get('commands', ()))}",
    "counter": lambda d: f"the deny rule's counter on {d.get('on')} stands at {d.get('hits', 'unknown')}",
    "approval.reset": lambda d: f"earlier answers to {d.get('step')} no longer count",
    "release": lambda d: f"{d.get('action')} was there before and stays; this incident no longer needs it",
    "evidence.sealed": _sealed,
    "report.written": lambda d: f"report written: {', '.join(d['files'])}",
    "prefect": _prefect,
    "note": _note,
    "resumed": lambda d: joined("a person let the run go on", d.get("reason")),
    "order": lambda d: f"a person asked on a page: {d.get('asked')} (order {str(d.get('order'))[:8]})",
    "order.done": lambda d: f"order {str(d.get('order'))[:8]}: {d.get('answer')}",
    "goes.on": lambda d: f"the run goes on: {d.get('why')}",
    "linked": lambda d: joined(f"see also incident {d.get('incident')}", d.get("why")),
    "alerts": lambda d: (
        f"{many(d.get('count', 0), 'alert')} of this by now, the last at {d.get('last')}"
        + (f"; still talking since the undo: {many(d['since_undo'], 'alert')}" if d.get("since_undo") else "")
    ),
    "score": lambda _: "the drill was scored",
    "journal.healed": lambda d: (
        f"a torn last line of {size(d.get('lost_bytes', 0))} was cut off and kept in {d.get('kept_in')}"
    ),
}


def known_kinds() -> Iterable[str]:
    """The kinds of records that have words."""
    return _ONE.keys() | _MANY.keys()
