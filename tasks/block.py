"""Step 2: stop the bleeding. Denies the remote on every firewall of the host and proves it; knows no vendor's words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tasks import decide, neighbours, on_host
from tasks.acts import Waiting, approved, perform, propose
from tasks.case import Case, to_remote
from tasks.firewalls import Command, Entry, Firewall, Listing
from tasks.guarding import admit, blast_radius
from tasks.model import (
    Action,
    Approval,
    Check,
    Decision,
    HemostatError,
    Look,
    Mode,
    Outcome,
    Receipt,
    Remote,
    Result,
    Step,
    StepEnd,
    TargetError,
    Unreachable,
    Verdict,
)
from tasks.secrets import resolve
from tasks.settings import Host
from tasks.transports import device
from tasks.transports.device import Session


@dataclass(frozen=True, slots=True)
class Target:
    """One device with its platform and what shall be in its list."""

    host: Host
    firewall: Firewall
    entry: Entry

    @property
    def whole(self) -> bool:
        """The platform's list knows no ports, so the whole address is denied although a port was named."""
        return self.entry.remote.port is None


@dataclass(frozen=True, slots=True)
class Blocked:
    """What became of one device."""

    target: Target
    receipt: Receipt | None
    checks: tuple[Check, ...]
    error: HemostatError | None = None


def run(case: Case) -> StepEnd:
    """Guard, plan, wait for approval where the playbook wants it, act on all devices at once, prove.

    Raises:
        Refused: a guard, the playbook or a person said no.
        TargetError: one device failed; what the others did is journalled and stands.
    """
    admit(case)
    _may_act(case)
    # Without a verdict (confirm was skipped, and the guard lifted by name) nobody has looked, so a person is asked.
    found = case.state.verdict or Verdict(Decision.UNSURE, 0, ("confirm was skipped",))
    targets = [target(case, host, firewall) for host, firewall in _firewalls(case)]
    mine = [on_host.block_action(case)] if case.playbook.block.on_host else []
    plan = propose(case, Step.BLOCK, [*(_action(t) for t in targets), *mine], blast_radius(case))
    looked = any(r.kind == "sample" for r in case.state.records)
    approved(case, plan, _rule(case, found, looked))
    results = _on_all(targets, lambda t: _block(case, t))
    checks = [check for result in results for check in result.checks]
    # The firewalls wait for nothing on the host, and a wait for the isolation's approval loses no proof of theirs.
    own = [on_host.block(case, action) for action in mine]
    checks += [*(check for _, check in own), _at_host(case)]
    for check in checks:
        case.record("check", step=Step.BLOCK, check=check)
    receipts = [receipt for receipt, _ in own]
    try:
        end = _end(case, results, checks, receipts)
    except HemostatError:
        # No firewall could be told: then the isolation is all that there is.
        on_host.isolated(case, StepEnd(Step.BLOCK, Outcome.FAILED, "not blocked"))
        raise
    return on_host.isolated(case, end)


def _firewalls(case: Case) -> list[tuple[Host, Firewall]]:
    """All of them; none is no fault where the host itself is to deny the remote."""
    return [] if case.playbook.block.on_host and not case.host.firewalls else case.firewalls()


def _may_act(case: Case) -> None:
    """A sender that may only open incidents has come to its end here; a person may go on."""
    if case.incident.most == "open" and not case.state.resumed:
        raise Waiting(
            f"alerts of {case.incident.operator} only open an incident; nothing was blocked",
            f"look at the verdict; `hemostat resume {case.incident.id}` goes on, and asks before it blocks",
        )


def _rule(case: Case, found: Verdict, looked: bool) -> Approval:
    """The playbook's word; but an alert of a sender that may only open or ask, and a remote that many hosts use, want a person's."""
    rule = decide.block_approval(case.playbook, found, looked)
    many = len(neighbours.hosts_with(case.folder, case.incident.remote, trusted=True)) >= case.site.policy.widely_used
    asks = many and case.incident.mode is Mode.LIVE
    return Approval.ASK if asks and rule is Approval.AUTO else decide.unasked(rule, case.incident.most)


def target(case: Case, host: Host, firewall: Firewall) -> Target:
    """What shall stand in this device's list, as far as its platform can say it."""
    remote, rule = case.incident.remote, case.playbook.block
    if rule.scope == "address" or not firewall.ports:
        remote = replace(remote, port=None)
    return Target(
        host, firewall, Entry(remote, case.incident.id, rule.minutes if firewall.timed else 0, host.list_name)
    )


def _action(t: Target) -> Action:
    nothing = Listing(False, True, "")
    said = [c.stdin or c.text for c in (*t.firewall.block(t.entry, nothing), *t.firewall.cut(t.entry))]
    return decide.block_action(t.host, t.entry, said, t.whole)


def _on_all(targets: list[Target], work: Callable[[Target], Blocked]) -> list[Blocked]:
    with ThreadPoolExecutor(max_workers=max(len(targets), 1), thread_name_prefix="device") as pool:
        return list(pool.map(work, targets))


def _block(case: Case, t: Target) -> Blocked:
    """One device, all or report: an error of one never keeps the others from being blocked."""
    try:
        return _tried(case, t)
    except Unreachable as error:
        if not _begun(case, t):
            return _failed(t, error)
    except HemostatError as error:
        return _failed(t, error)
    # The connection broke after the intent: what happened is read over a new one, then finished or repeated.
    try:
        return _tried(case, t)
    except HemostatError as error:
        return _failed(t, error)


def _begun(case: Case, t: Target) -> bool:
    act = case.state.act(f"block/{t.host.name}", Step.BLOCK)
    return act is not None and act.receipt is None


def _tried(case: Case, t: Target) -> Blocked:
    with device.opened(t.host, t.firewall, resolve, case.locks) as session:
        before = listing(session, t)
        _provisioned(t, before)
        case.say(f"{t.host.name}: denying {t.entry.remote}", None)
        receipt = perform(
            case,
            Step.BLOCK,
            _action(t),
            lambda: look(session, t),
            lambda _: _say(session, t.firewall.block(t.entry, before)),
        )
        sessions = _cut(case, session, t)
        after = listing(session, t)
        case.record("counter", step=Step.BLOCK, on=t.host.name, hits=after.hits)
        checks = (decide.rule_check(t.host.name, after), *sessions, _counted(case, t, before, after))
        saved = save(session, t) if receipt.changed and case.playbook.block.save else ()
        return Blocked(t, receipt, (*checks, *saved, *decide.time_checks(t.host.name, t.entry, after, receipt.changed)))


def save(session: Session, t: Target) -> tuple[Check, ...]:
    """Make the change survive a reboot. A device that refuses takes nothing back: the change stands until then."""
    commands = t.firewall.save()
    if not commands:
        return ()
    name, expected = f"saved on {t.host.name}", "the change survives a reboot"
    try:
        session.ask(commands)
    except Unreachable:
        raise
    except TargetError as error:
        return (Check(name, expected, error.seen, Result.UNKNOWN),)
    return (Check(name, expected, "saved", Result.PASS),)


def _counted(case: Case, t: Target, before: Listing, after: Listing) -> Check:
    """What was denied since our act, which may be that of a run that was cut off before."""
    act = case.state.act(f"block/{t.host.name}", Step.BLOCK)
    then = act.before.record.get("hits") if act else None
    return decide.counter_check(t.host.name, before if then is None else replace(before, hits=then), after)


def listing(session: Session, t: Target) -> Listing:
    """What the device itself says of its list now."""
    return ask_for(session, t.firewall, t.entry)


def ask_for(session: Session, firewall: Firewall, entry: Entry) -> Listing:
    """The same for any entry, as `plan` and `check` want it."""
    answers = session.ask(firewall.look(entry))
    try:
        return firewall.read(entry, answers)
    except ValueError:  # Python reads no number of thousands of digits
        raise TargetError("read the device's answer", "a number in it is none", "look at it by hand") from None


def look(session: Session, t: Target) -> Look:
    """The same as a Look: is the remote denied?"""
    seen = listing(session, t)
    return Look(
        seen.present,
        f"{'in' if seen.present else 'not in'} the list; {seen.seen}",
        {key: value for key, value in (("note", seen.note), ("hits", seen.hits)) if value not in ("", None)},
    )


def _provisioned(t: Target, seen: Listing) -> None:
    if not seen.enforced:
        raise TargetError(
            f"block on {t.host.name}",
            f"its list {t.entry.name} is not in force ({seen.seen}); nothing was changed",
            "put in place once: " + " / ".join(line.strip() for line in seen.missing),
        )


def _cut(case: Case, session: Session, t: Target) -> tuple[Check, ...]:
    """End established sessions, which a stateful device lets run on past a new deny rule."""
    commands = t.firewall.cut(t.entry)
    if not commands or not case.playbook.block.cut_sessions:
        return ()
    expected = "no session to the remote is left"
    try:
        _say(session, commands)
    except Unreachable:
        raise
    except TargetError as error:
        # The deny rule stands; only what was established before it may still flow.
        return (Check(f"sessions on {t.host.name}", expected, f"the cut was refused: {error.seen}", Result.FAIL),)
    case.record("cut", step=Step.BLOCK, on=t.host.name, commands=[c.text for c in commands])
    asked = t.firewall.sessions(t.entry)
    if not asked:
        return (Check(f"sessions on {t.host.name}", expected, "the platform does not tell", Result.UNKNOWN),)
    left = t.firewall.count(t.entry, session.ask(asked))
    return (Check(f"sessions on {t.host.name}", expected, f"{left} left", Result.FAIL if left else Result.PASS),)


def _say(session: Session, commands: tuple[Command, ...]) -> None:
    session.ask(commands)


def _failed(t: Target, error: HemostatError) -> Blocked:
    observed = f"{error.seen or error}"
    return Blocked(
        t, None, (Check(f"rule on {t.host.name}", "the remote is in the list", observed, Result.FAIL),), error
    )


def _at_host(case: Case) -> Check:
    try:
        sockets = to_remote(case.hands().connections(), case.incident.remote)
    except HemostatError:
        return decide.host_check(None)
    return decide.host_check(sum(s.state == "ESTABLISHED" for s in sockets))


def _end(case: Case, results: list[Blocked], checks: list[Check], own: list[Receipt | None]) -> StepEnd:
    errors = [r.error for r in results if r.error]
    done = [receipt for receipt in own if receipt]
    if errors and len(errors) == len(results) and not done:
        raise errors[0]
    if not results and not done:
        raise TargetError(
            f"block on {case.host.name} itself", checks[0].observed, "give the host a firewall, or fix that"
        )
    names = ", ".join(
        [*(r.target.host.name for r in results if not r.error), *([f"{case.host.name} itself"] if done else [])]
    )
    changed = sum(bool(r and r.changed) for r in (*(r.receipt for r in results), *done))
    remote: Remote = case.incident.remote
    did = f"{remote.address} is denied on {names}"
    return decide.outcome_of(Step.BLOCK, checks, changed, did, f"{did}: it was before, by no act of ours")
