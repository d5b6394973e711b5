"""What one incident's page shows: where it stands, what may be ordered, the card, the report's view. Pure; must not know HTML or files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.inbox_nouns import Order
from flows.orders import NOT_DONE
from flows.web.views import Row, Stand, open_plans, row
from tasks import decide
from tasks.model import Action, Refused, Step
from tasks.report_lines import TONES
from tasks.report_short import shortened
from tasks.report_times import waits
from tasks.report_view import View, view
from tasks.state import Plan, State

_BLAST = (
    "warning",
    "host",
    "remote",
    "devices",
    "also behind them",
    "remote also met by",
    "expires",
    "undo",
    "copied",
    "holds",
    "not in the evidence",
    "left to a person",
)
_OVERRIDE = re.compile(r"--override ([a-z][a-z-]{0,40})")


@dataclass(frozen=True, slots=True)
class Card:
    """A plan that waits for an answer: what it touches, what it will do, what undoes it, and since when it waits. `digest` is what an
    approval is for."""

    step: str
    digest: str
    blast: tuple[tuple[str, str], ...]
    actions: tuple[Action, ...]
    asked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person may order now. `steps` are those that it may be about, the likely one first; `overrides` the guards it may lift."""

    kind: str
    steps: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lamp:
    """One of the seven steps: its name, a word for how it stands, its tone, what it said."""

    step: str
    word: str
    tone: str
    said: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole page. Every text may be an attacker's: the templates escape all of it."""

    row: Row
    stand: Stand
    view: View
    lamps: tuple[Lamp, ...]
    cards: tuple[Card, ...]
    choices: tuple[Choice, ...]
    orders: tuple[Order, ...]
    failed: frozenset[str]
    flow_run: str
    written: tuple[str, ...]

    @property
    def pending(self) -> bool:
        """Something goes on: the page looks again by itself."""
        return self.stand.word in ("stand.running", "stand.pending") or any(not over(o) for o in self.orders)


def over(order: Order) -> bool:
    """Nothing more will become of it."""
    return order.done is not None


def sheet(state: State, name: str, orders: Sequence[Order]) -> Sheet:
    """Gather the page of an incident, however far it came. `name` is its folder's."""
    shown, made, root = view(state, state.records[-1].hash), row(state, name), str(state.host.get("root") or "/")
    answered = {str(o.arguments.get("digest")) for o in orders if o.kind in ("approve", "reject") and not over(o)}
    since = {wait.digest: wait.asked for wait in waits(state.records)}
    cards = tuple(
        _card(plan, shown, since.get(plan.digest)) for plan in open_plans(state) if plan.digest not in answered
    )
    lamps = tuple(_lamp(state, step) for step in Step)
    return Sheet(
        row=made,
        stand=_short(made.stand, root),
        view=shown,
        lamps=lamps if root == "/" else shortened(lamps, root),
        cards=cards if root == "/" else shortened(cards, root),
        choices=tuple(choices(state, orders)),
        orders=tuple(reversed(orders))[:20],
        failed=frozenset(o.id for o in orders if o.answer.startswith(NOT_DONE)),
        flow_run=state.flow_run,
        written=tuple(state.reports),
    )


def _short(stand: Stand, root: str) -> Stand:
    made: Stand = stand if root == "/" else shortened(stand, root)
    return made


def _card(plan: Plan, shown: View, asked: datetime | None) -> Card:
    blast = dict(shown.plans).get(plan.step, ())
    return Card(plan.step, plan.digest, tuple(sorted(blast, key=lambda pair: _place(pair[0]))), plan.actions, asked)


def _place(label: str) -> int:
    """A journal keeps no order of keys: what a person must know first comes first, what this version does not know last."""
    return _BLAST.index(label) if label in _BLAST else len(_BLAST)


def _lamp(state: State, step: Step) -> Lamp:
    if step in state.skipped:
        return Lamp(step.value, "skipped", "held", state.skipped[step])
    if state.running is step:
        return Lamp(step.value, "running", "plain", "")
    if step in state.ends:
        end = state.ends[step]
        return Lamp(step.value, end.outcome.value, TONES[end.outcome], end.summary)
    return Lamp(step.value, "none", "none", "")


def choices(state: State, orders: Sequence[Order] = ()) -> Iterator[Choice]:
    """What may be ordered, in the order of a tired person's need. A step at work can be left out; it ends at its next look."""
    lifts = _lifts(state, orders)
    if state.running:
        yield Choice("skip", (state.running.value,))
    else:
        yield from _next(state, lifts)
    standing = tuple(s for s in (Step.CLEANUP.value, Step.BLOCK.value) if any(a.step == s for a in state.standing))
    if standing:
        yield Choice("undo", standing, tuple(dict.fromkeys((*_guards(state, standing), *lifts))))


def _next(state: State, lifts: tuple[str, ...]) -> Iterator[Choice]:
    left = [s.value for s in Step if not state.done(s)]
    if left and not open_plans(state):
        yield Choice("resume", tuple(left[:1]), lifts)
    if ended := _ended(state, left):
        yield Choice("redo", ended, lifts)
    if left and left[0] in state.ends:
        yield Choice("skip", tuple(left[:1]))


def _ended(state: State, left: Sequence[str]) -> tuple[str, ...]:
    """The steps that can be done anew: the one where it stopped first, then the others, last one first."""
    ended = [s.value for s in reversed(Step) if s in state.ends or s in state.skipped]
    return tuple(sorted(ended, key=lambda s: s != left[0])) if left else tuple(ended)


def _lifts(state: State, orders: Sequence[Order]) -> tuple[str, ...]:
    """The guards that the run, or the last order, itself says may be lifted by name."""
    said = [end.next for end in state.ends.values() if not end.outcome.finished]
    said += [o.answer for o in orders[-1:]]
    found = [word for text in said for word in _OVERRIDE.findall(text)]
    return tuple(word for word in dict.fromkeys(found) if word not in state.overrides)


def _guards(state: State, steps: Iterable[str]) -> Iterable[str]:
    """What an undo of those steps would be refused for, by the word that lifts it."""
    for step in steps:
        try:
            decide.gate(f"undo {step}", state)
        except Refused as error:
            if error.override:
                yield error.override


def standing_plan(state: State, step: str) -> Plan | None:
    """The plan of that step that waits now; an approval of any other digest is for what is no longer so."""
    return next((p for p in open_plans(state) if p.step == step), None)
