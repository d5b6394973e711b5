"""What the list shows: one row an incident, filters, pages. Pure: states in, rows out; must not know HTML, files or a clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from tasks.model import Alert, Decision, Finding, Mode, Outcome, Step
from tasks.report_lines import TONES
from tasks.report_proofs import Containment, containment, instants, verified
from tasks.report_times import human_time, machine_time
from tasks.state import Plan, State

PAGE = 50


@dataclass(frozen=True, slots=True)
class Stand:
    """Where an incident stands: `word` is a key of words.yaml, `step` what it is about, `why` and `do` what the run itself
    says of its end there and of what to do."""

    word: str
    tone: str
    step: str = ""
    outcome: str = ""
    why: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One incident as lists, metrics and searches need it. All texts may be an attacker's."""

    id: str
    opened: datetime
    host: str = ""
    remote: str = ""
    drill: bool = False
    signature: str = ""
    source: str = ""
    verdict: str = ""
    outcome: str = ""
    stand: Stand = Stand("stand.damaged", "bad")
    contained: datetime | None = None
    held: str = ""
    to_contain: timedelta | None = None
    human: timedelta = timedelta()
    machine: timedelta = timedelta()
    standing: int = 0
    findings: tuple[Finding, ...] = ()
    alerts: int = 1
    linked: str = ""
    damaged: str = ""

    @property
    def top(self) -> int:
        """The highest score of its findings, 0 without one."""
        return max((f.score for f in self.findings), default=0)


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the list is wanted; an empty text wants all. `text` is looked for in everything that the row shows."""

    host: str = ""
    remote: str = ""
    outcome: str = ""
    verdict: str = ""
    since: str = ""
    until: str = ""
    text: str = ""

    @classmethod
    def of(cls, asked: Iterable[tuple[str, str]]) -> Filter:
        """From a query; what it does not know is passed over."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: value.strip()[:200] for key, value in asked if key in known})

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return self != Filter()

    def fits(self, row: Row) -> bool:
        """Whether the row is wanted. A date that is none leaves nothing out."""
        return all(
            (
                self.host.lower() in row.host.lower(),
                self.remote.lower() in row.remote.lower(),
                self.outcome in ("", row.outcome),
                self.verdict in ("", row.verdict),
                self._in_time(row.opened),
                self.text.lower() in f"{row.id} {row.host} {row.remote} {row.signature} {row.source}".lower(),
            )
        )

    def _in_time(self, opened: datetime) -> bool:
        first, last = _date(self.since), _date(self.until)
        day = opened.astimezone(UTC).date()
        return (first is None or first <= day) and (last is None or day <= last)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list: rows, which page of how many, and how many rows fit in all."""

    rows: tuple[Row, ...]
    number: int
    pages: int
    total: int


def page(rows: Iterable[Row], total: int, number: int) -> Page:
    """That page of the rows, of which there are `total`; no row behind it is read. A number outside is the nearest page."""
    pages = max(1, -(-total // PAGE))
    number = min(max(number, 1), pages)
    return Page(tuple(islice(rows, (number - 1) * PAGE, number * PAGE)), number, pages, total)


def damaged(id_: str, opened: datetime, why: str) -> Row:
    """The row of a folder whose journal cannot be read: it is shown, never left out."""
    return Row(id_, opened, damaged=why)


def row(state: State, name: str) -> Row:
    """One incident's row. `name` is its folder's: links go there, whatever the journal calls itself."""
    incident, when = state.incident, instants(state)
    made = Row(
        id=name,
        opened=when.opened,
        host=incident.host,
        remote=str(incident.remote),
        drill=incident.mode is Mode.DRILL,
        verdict=state.verdict.decision.value if state.verdict else "none",
        outcome=_outcome(state),
        stand=stand(state),
        contained=when.contained,
        held=containment(state).name.lower(),
        to_contain=when.contained - when.base if when.contained else None,
        human=human_time(state),
        machine=machine_time(state),
        standing=len(state.standing),
        findings=tuple(state.findings),
    )
    alert = incident.alert
    return replace(made, signature=alert.signature, source=alert.source) if alert else made


def accepted(id_: str, alert: Alert, host: str, opened: datetime) -> Row:
    """The row of an alert that is taken and whose run has not begun."""
    stand = Stand("stand.accepted", "plain")
    return Row(id_, opened, host, str(alert.remote), False, alert.signature, alert.source, "none", "none", stand)


def told(row: Row, alerts: int, linked: str) -> Row:
    """The same with what the inbox knows."""
    return replace(row, alerts=alerts, linked=linked)


def _outcome(state: State) -> str:
    """What the filter by outcome goes by: running, or the last step's."""
    if open_plans(state):
        return Outcome.WAITING.value
    if state.running:
        return "running"
    return state.outcome.value if state.outcome else "none"


def open_plans(state: State) -> list[Plan]:
    """The plans that wait for a person's answer."""
    answered = state.approvals.keys() | state.refusals.keys()
    return [p for p in state.plans.values() if p.digest in state.asked and p.digest not in answered]


def stand(state: State) -> Stand:
    """Where it stands and what comes next, the most urgent first."""
    waits = open_plans(state)
    if waits:
        return Stand("stand.asks", "held", waits[-1].step, Outcome.WAITING.value)
    if state.running:
        return Stand("stand.running", "plain", state.running.value)
    return _stopped(state) or _over(state)


def _stopped(state: State) -> Stand | None:
    """It stopped at a step that did not finish, and nobody has skipped that."""
    step = next((s for s in Step if not state.done(s)), None)
    if step is None or step not in state.ends:
        return None if step is None else Stand("stand.pending", "plain", step.value)
    end = state.ends[step]
    return Stand("stand.stopped", TONES[end.outcome], step.value, end.outcome.value, end.summary, end.next)


def _over(state: State) -> Stand:
    """Every step is over: what of it is proved?"""
    held = containment(state)
    if state.verdict and state.verdict.decision is Decision.REJECTED and not state.standing:
        return Stand("stand.rejected", "good")
    if held is Containment.UNDONE:
        return Stand("stand.undone", "held")
    if held is not Containment.PROVED:
        return Stand("stand.unproved", "bad")
    return Stand("stand.clean", "good") if verified(state) else Stand("stand.contained", "held")
