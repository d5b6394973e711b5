"""What people ask of an incident, put into its journal exactly once. Knows records; must not know a terminal, a page or a thread.

The arguments of an order, by kind. Every kind also takes `reason` (text) and `overrides` (words that lift guards by name):

| kind | arguments | what follows |
|---|---|---|
| approve / reject | digest: of the plan that the person saw | the step goes on, or ends REFUSED |
| redo / skip | step | that step anew and all that stand on it / without it; the run goes on |
| undo | steps: block, cleanup or both (both when left out) | what we changed is taken back; the run does not go on |
| resume / override | – | the run goes on where it stands, also past a sender that may only open incidents: then an approver is asked |
"""

from __future__ import annotations

from collections.abc import Callable

from flows import engine
from flows.inbox import Inbox, Order
from tasks import undo as undoing
from tasks.acts import Waiting
from tasks.case import Case
from tasks.model import Approval, ConfigError, HemostatError, Json, Outcome, Step
from tasks.state import UNDO, State

# What cannot run without a step is skipped with it.
STANDS_ON: dict[Step, tuple[Step, ...]] = {
    Step.TRIAGE: (Step.TRIAGE, Step.COLLECT, Step.CLEANUP, Step.VERIFY),
    Step.COLLECT: (Step.COLLECT, Step.CLEANUP),
}
# A person's word after which the run goes on.
GO = frozenset({"approval.given", "approval.refused", "step.redo", "step.skipped", "resumed", "goes.on"})
# Orders that do not wait for the step that is under way: it ends at its next look.
INTERRUPTING = frozenset({"redo", "skip", "undo"})
NOT_DONE = "not done"
CUT_OFF_AT_MOST = 10


def goes_on(state: State) -> bool:
    """Does the run go on by itself? Not while it waits for a person: a step ended unfinished and nobody has said anything since.

    Nor when a step was cut off again and again: it may be what kills the process, and others want to be served.
    """
    if all(state.done(step) for step in Step):
        return False
    for record in reversed(state.records):
        if record.kind == "step.started":
            return bool(record.data["attempt"] < CUT_OFF_AT_MOST)
        if record.kind in GO and record.data.get("step") != UNDO:
            return True
        if record.kind == "step.ended":
            return state.done(Step(record.data["step"]))
    return True


def follow(case: Case, inbox: Inbox) -> None:
    """Follow every order that waits for this incident, oldest first. One that died half-way is finished, never done again."""
    stopped = _stopped(case.state)
    for order in inbox.pending(case.incident.id):
        inbox.done(order.id, answer := answered(case, order))
        if stopped and answer.startswith(NOT_DONE):
            case.record("goes.on", why=f"order {order.id[:8]}, for which the run was stopped, was not followed")


def came_again(case: Case) -> None:
    """The alert came again: a block that did not reach its device is tried anew, for the host still calls home."""
    end = case.state.ends[case.state.last] if case.state.last else None
    if end and end.step is Step.BLOCK and end.outcome is Outcome.UNREACHABLE and not goes_on(case.state):
        case.record("goes.on", why="the alert came again, and the block had not reached its device")


def _stopped(state: State) -> bool:
    """Did the last step end because somebody's order stopped it?"""
    end = state.ends[state.last] if state.last else None
    return end is not None and end.outcome is Outcome.REFUSED and "guard stop" in end.summary


def answered(case: Case, order: Order) -> str:
    """What became of the order; the journal is asked first."""
    for record in case.state.records:
        if record.kind == "order.done" and record.data["order"] == order.id:
            return str(record.data["answer"])
    _once(case, order, "order", asked=order.kind, by=order.who, arguments=dict(order.arguments))
    try:
        for word in order.arguments.get("overrides", ()):
            _once(case, order, "override", word=word, by=order.who, reason=_reason(order))
        answer = _KINDS[order.kind](case, order)
    except HemostatError as error:
        answer = f"{NOT_DONE}: {error}{engine.lift(error)}"
    case.record("order.done", order=order.id, answer=answer)
    return answer


def _once(case: Case, order: Order, kind: str, **data: Json) -> None:
    """Write a record of this order unless it stands there."""
    told = {**data, "order": order.id}
    if not any(r.kind == kind and told.items() <= r.data.items() for r in case.state.records):
        case.record(kind, **told)


def _reason(order: Order) -> str:
    return str(order.arguments.get("reason", ""))


def _answer(kind: str, done: str) -> Callable[[Case, Order], str]:
    def follow_it(case: Case, order: Order) -> str:
        if not any(r.kind == kind and r.data.get("order") == order.id for r in case.state.records):
            digest = str(order.arguments.get("digest", ""))
            step = _asked(case.state, digest)
            told = {"step": step, "digest": digest, "by": order.who, "via": "page", "reason": _reason(order)}
            case.record(kind, **told, order=order.id)
        return done

    return follow_it


def _asked(state: State, digest: str) -> str:
    """The step whose plan the person saw, if that plan still stands and nobody has answered it."""
    step = state.asked.get(digest)
    if step is None or state.plans[step].digest != digest:
        raise ConfigError("answer the plan", "it does not stand any more, or never did", "look at what is asked now")
    if who := state.approvals.get(digest) or state.refusals.get(digest):
        raise ConfigError("answer the plan", f"it was answered already, by {who}", "redo the step to be asked anew")
    return step


def _redo(case: Case, order: Order) -> str:
    step = _step(order.arguments.get("step"))
    _once(case, order, "step.redo", step=step, by=order.who, reason=_reason(order))
    return f"{step} runs again"


def _skip(case: Case, order: Order) -> str:
    step = _step(order.arguments.get("step"))
    steps = STANDS_ON.get(step, (step,))
    for one in steps:
        _once(case, order, "step.skipped", step=one, by=order.who, reason=_reason(order) or f"{step} was skipped")
    return f"{', '.join(steps)} left out"


def _resume(case: Case, order: Order) -> str:
    _once(case, order, "resumed", by=order.who, reason=_reason(order))
    return "goes on"


def _undo(case: Case, order: Order) -> str:
    steps = [_step(word) for word in order.arguments.get("steps", ("cleanup", "block"))]
    case.operator = order.who
    try:
        results = undoing.run(case, steps, Approval.AUTO)
    except Waiting as error:
        return str(error)
    told = [f"{r.action.target} on {r.action.on}: {r.why}" for r in results]
    return "; ".join(told) or "nothing to take back: no act of ours stands"


def _step(word: Json) -> Step:
    if word not in tuple(Step):
        raise ConfigError(f"{word!r} is no step", do=f"name one of {', '.join(Step)}")
    return Step(word)


_KINDS: dict[str, Callable[[Case, Order], str]] = {
    "approve": _answer("approval.given", "approved"),
    "reject": _answer("approval.refused", "refused"),
    "redo": _redo,
    "skip": _skip,
    "undo": _undo,
    "resume": _resume,
    "override": _resume,
}
