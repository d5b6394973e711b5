"""Intent, act, receipt: the one way in which anything is changed. Knows the journal; must not know what the act is."""

from __future__ import annotations

from collections.abc import Callable

from tasks.case import Case
from tasks.journal import digest
from tasks.model import Action, Approval, Look, Outcome, Receipt, Refused, TargetError
from tasks.state import Plan


def perform(case: Case, step: str, action: Action, look: Callable[[], Look], act: Callable[[Look], None]) -> Receipt:
    """Bring the wanted state about, once, whatever happens in between.

    The intent is on the disk before the act and the receipt after it. An intent without a receipt (a crash, a broken connection)
    is looked up on the target first: if the state is there now and was not before, the act was ours.

    Args:
        step: the step, or "undo".
        look: re-reads the target: is the wanted state there?
        act: changes the target; gets the look from before.

    Raises:
        TargetError: the target refused, or the wanted state is not there after the act. The receipt says so.
    """
    known = case.state.act(action.id, step)
    unfinished = known if known and known.receipt is None else None
    before = look()
    if before.present and known and known.receipt and known.receipt.ok:
        return known.receipt
    if before.present:
        return _there_already(
            case, step, action, before, unfinished is not None, unfinished.before if unfinished else before
        )
    case.checkpoint()
    if unfinished is None:
        case.record("intent", step=step, action=action, before=before)
    act(before)
    after = look()
    first = unfinished.before if unfinished else before
    record = {**after.record, **first.record}
    receipt = Receipt(action.id, after.present, after.present, after.seen, record, unfinished is not None)
    case.record("receipt", step=step, receipt=receipt)
    if not receipt.ok:
        raise TargetError(
            f"{action.kind} {action.target} on {action.on}", f"nothing happened: {after.seen}", "look at it by hand"
        )
    return receipt


def _there_already(case: Case, step: str, action: Action, now: Look, begun: bool, before: Look) -> Receipt:
    """The state is there: by our own act that a crash cut off, or by someone else's, which an undo must leave alone."""
    if not begun:
        case.record("intent", step=step, action=action, before=now)
    changed = begun and not before.present
    receipt = Receipt(action.id, True, changed, now.seen, {**now.record, **before.record}, recovered=begun)
    case.record("receipt", step=step, receipt=receipt)
    return receipt


def propose(case: Case, step: str, actions: list[Action], blast: dict[str, object] | None = None) -> Plan:
    """Journal a plan, unless the same one stands already. Its digest is what an approval is for."""
    mark = digest([case.incident.id, step, actions])
    if step not in case.state.plans or case.state.plans[step].digest != mark:
        case.record("plan", step=step, actions=actions, digest=mark, blast=blast or {})
    return case.state.plans[step]


class Waiting(Refused):
    """The plan waits for a person. Not an error: the step ends in WAITING."""

    outcome = Outcome.WAITING

    def __init__(self, seen: str, do: str) -> None:
        super().__init__("approval", seen, do)
        self.tried = ""


def approved(case: Case, plan: Plan, rule: Approval) -> str:
    """Who approved this very plan: the playbook, a person earlier, or the person at the terminal now.

    Raises:
        Refused: the playbook says never, or a person said no to this plan.
        Waiting: nobody has answered yet.
    """
    state = case.state
    if rule is Approval.NEVER:
        raise Refused(
            "playbook",
            f"playbook {case.incident.playbook} never lets {plan.step} run",
            "do it by hand, or skip the step",
        )
    if rule is Approval.AUTO:
        return f"playbook {case.incident.playbook}"
    if plan.digest in state.refusals:
        raise Refused(
            "approval",
            f"refused by {state.refusals[plan.digest]}",
            "change what it stands on and redo the step, or skip it",
        )
    if plan.digest in state.approvals:
        return state.approvals[plan.digest]
    if plan.digest not in state.asked:
        case.record("approval.asked", step=plan.step, digest=plan.digest)
    answer = case.ask(plan) if case.ask else None
    if answer is None:
        raise Waiting(
            f"{plan.step} waits for approval of {len(plan.actions)} action(s)",
            f"`hemostat approve {case.incident.id}`",
        )
    yes, who = answer
    case.record(
        "approval.given" if yes else "approval.refused", step=plan.step, digest=plan.digest, by=who, via="terminal"
    )
    return approved(case, plan, rule)
