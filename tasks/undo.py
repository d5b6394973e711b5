"""Taking back: walks the receipts backwards, re-reads the facts, asks, restores, journals. Touches nothing that we did not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from tasks import decide, neighbours, remedies, report
from tasks.acts import approved, perform, propose
from tasks.block import Target, listing, look, save
from tasks.case import Case
from tasks.containment import KINDS
from tasks.firewalls import Entry, Listing, load
from tasks.guarding import blast_radius
from tasks.model import (
    ISOLATE,
    Action,
    Approval,
    Check,
    HemostatError,
    Look,
    Receipt,
    Refused,
    Remote,
    Result,
    Step,
    parse_address,
)
from tasks.secrets import resolve
from tasks.state import UNDO, Act
from tasks.transports import device

# The word that lifts the guard of a block that several incidents stand on.
SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one act: taken back, not possible, or failed, with the reason."""

    action: Action
    back: bool
    why: str


def plan(case: Case, steps: Sequence[str]) -> list[Act]:
    """The acts of those steps that we did and that still stand, last one first."""
    return [act for act in reversed(case.state.standing) if act.step in steps]


def run(case: Case, steps: Sequence[str], rule: Approval) -> list[Undone]:
    """Take back whatever can be taken back.

    Args:
        rule: AUTO when the caller has said yes already, ASK to ask.

    Raises:
        Refused: a block is not taken back before a passed verification, unless that guard is lifted by name.
        Waiting: nobody has answered yet.
    """
    acts = plan(case, steps)
    if UNDO in case.state.plans and case.state.plans[UNDO].digest in case.state.refusals:
        case.record("approval.reset", step=UNDO)
    for step in {act.step for act in acts}:
        decide.gate(f"undo {step}", case.state)
    _not_shared(case, acts)
    able = [act for act in acts if act.action.undo]
    if able:
        actions = [replace(a.action, reason=f"take back: {a.action.undo}", commands=()) for a in able]
        approved(case, propose(case, UNDO, actions, {**blast_radius(case), **_warning(acts)}), rule)
    results = [take_back(case, act) for act in acts]
    case.record("approval.reset", step=UNDO)
    for act in neighbours.blocks(case.state):
        # Found there, not made by us: it stays, but this incident no longer needs it.
        if act.step in steps and act.receipt and not act.receipt.changed:
            case.record("release", action=act.action.id)
    report.refresh(case)
    return results


def _warning(acts: Sequence[Act]) -> dict[str, str]:
    """What the card must say when threat and path come back together."""
    both = {Step.BLOCK, Step.CLEANUP} <= {act.step for act in acts}
    return (
        {"warning": "the cleanup and the block are both taken back: the threat stands again, with its way out"}
        if both
        else {}
    )


def _not_shared(case: Case, acts: Sequence[Act]) -> None:
    """A block that another incident stands on is not taken out under it."""
    if SHARED in case.state.overrides:
        return
    for act in (a for a in acts if a.step in (Step.BLOCK, ISOLATE)):
        wanted = neighbours.wanting(case.folder, act, datetime.now(UTC))
        if wanted:
            seen = f"{act.action.target} on {act.action.on} is also the block of {', '.join(wanted)}"
            raise Refused("shared-block", seen, "undo those first", SHARED)


def take_back(case: Case, act: Act) -> Undone:
    """One act: re-read, restore, look again, journal."""
    if act.action.undo is None:
        return Undone(act.action, False, "cannot be taken back")
    case.say(f"taking back: {act.action.target}", None)
    try:
        receipt = _on_device(case, act) if act.action.kind == "firewall.block" else _on_host(case, act)
    except HemostatError as error:
        case.record("note", about=act.action.id, text=str(error))
        return Undone(act.action, False, str(error))
    result = Result.PASS if receipt.ok else Result.FAIL
    case.record("check", step=UNDO, check=Check(f"undo {act.action.target}", "as before", receipt.seen, result))
    return Undone(act.action, receipt.ok, receipt.seen)


def _on_host(case: Case, act: Act) -> Receipt:
    remedy, receipt = KINDS.get(act.action.kind) or remedies.of_kind(act.action.kind), _receipt(act)
    restored = partial(remedy.look_restored, case.hands(), act.action, receipt)
    return perform(case, UNDO, act.action, restored, lambda _: remedy.undo(case.hands(), act.action, receipt))


def _on_device(case: Case, act: Act) -> Receipt:
    host = case.site.host(act.action.on)
    firewall = load(host.platform)
    t = Target(host, firewall, entry_of(case, act))
    with device.opened(host, firewall, resolve, case.locks) as session:
        _still_ours(t, listing(session, t))
        receipt = perform(case, UNDO, act.action, lambda: _gone(look(session, t)), lambda _: _unblock(session, t))
        # A block that was saved would come back with the next reboot.
        for check in save(session, t) if receipt.changed and case.playbook.block.save else ():
            case.record("check", step=UNDO, check=check)
        return receipt


def _still_ours(t: Target, seen: Listing) -> None:
    """Ours may have ended or been taken out, and somebody else have put the same remote in since."""
    if seen.present and seen.foreign:
        note = f"{t.entry.remote} on {t.host.name} is somebody else's entry now ({seen.note})"
        raise Refused("foreign-entry", note, "ask them, or take it out by hand")


def entry_of(case: Case, act: Act) -> Entry:
    """The very entry that was made, from its receipt: the inventory may name another list today."""
    facts = act.action.facts
    return Entry(Remote(parse_address(str(facts["address"])), facts["port"]), case.incident.id, 0, str(facts["list"]))


def _unblock(session: device.Session, t: Target) -> None:
    session.ask(t.firewall.unblock(t.entry, listing(session, t)))


def _gone(seen: Look) -> Look:
    return replace(seen, present=not seen.present)


def _receipt(act: Act) -> Receipt:
    """Its receipt; for an act that was cut off, what its intent knew from before."""
    return act.receipt or Receipt(act.action.id, True, True, act.before.seen, act.before.record)
