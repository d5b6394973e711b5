"""The part of step block that is done on the victim: its own deny list, then its isolation. Knows no packet filter's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from tasks import decide
from tasks.acts import Waiting, approved, perform, propose
from tasks.case import Case
from tasks.containment import BLOCKS, ISOLATIONS, KINDS, host_block, isolation, windows_block, windows_isolation
from tasks.containment.openings import ICMP
from tasks.containment.windows_firewall import group, told
from tasks.guarding import blast_radius
from tasks.model import (
    ISOLATE,
    Action,
    Address,
    Approval,
    Check,
    Consent,
    HemostatError,
    Json,
    Outcome,
    Receipt,
    Refused,
    Remote,
    Result,
    Step,
    StepEnd,
    TargetError,
    parse_address,
)
from tasks.remedies import Scope

RESOLV = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
# Checks of the isolation begin with this word: they say nothing of the block.
ISOLATION = "isolation"


def block_action(case: Case) -> Action:
    """The change on the victim that the playbook's `on_host` asks for."""
    rule, remote = case.playbook.block, case.incident.remote
    whom = Remote(remote.address, remote.port if rule.scope == "address_port" else None)
    action = windows_block.action if _windows(case) else host_block.action
    return action(whom, _scope(case), rule.minutes)


def _scope(case: Case) -> Scope:
    return Scope(case.incident.id, case.host.name, "")


def block(case: Case, action: Action) -> tuple[Receipt | None, Check]:
    """Deny the remote on the victim and re-read it. What fails there does not undo what the firewalls deny."""
    name, expected = f"rule in {case.host.name} itself", "the host's own filter denies the remote"
    try:
        receipt = _perform(case, Step.BLOCK, action)
    except HemostatError as error:
        case.record("note", about=action.id, text=str(error))
        return None, Check(name, expected, error.seen or str(error), Result.UNKNOWN)
    return receipt, Check(name, expected, receipt.seen, Result.PASS)


def _windows(case: Case) -> bool:
    return case.host.platform == "windows"


def _perform(case: Case, step: str, action: Action) -> Receipt:
    module = KINDS[action.kind]
    case.say(f"{action.kind} {action.target}", None)
    look = partial(module.look, case.hands(), action)
    return perform(case, step, action, look, partial(module.act, case.hands(), action))


def _isolate(case: Case) -> Check | None:
    """Cut the host off, if the playbook says so and whoever is asked agrees; None when it says never.

    Raises:
        Waiting: nobody has answered yet. What the firewalls deny is denied meanwhile.
    """
    rule = decide.unasked(case.playbook.approval(Consent.ISOLATE), case.incident.most)
    if rule is Approval.NEVER:
        return None
    name, expected = f"{ISOLATION} of {case.host.name}", "the host is cut off, and a new connection of ours got through"
    try:
        plan = propose(case, ISOLATE, _planned(case), {**blast_radius(case), **_cut_off(case), "undo": _undo(case)})
        approved(case, plan, rule)
        receipts = [_perform(case, ISOLATE, action) for action in plan.actions]
    except Waiting:
        raise
    except HemostatError as error:
        case.record("note", about=ISOLATE, text=str(error))
        # A person's no is an answer; anything else is an isolation that was wanted and does not stand.
        result = Result.UNKNOWN if isinstance(error, Refused) else Result.FAIL
        return Check(name, expected, f"{error.seen or error}{_reverts(case)}", result)
    return Check(name, expected, receipts[-1].seen, Result.PASS)


def _cut_off(case: Case) -> dict[str, Json]:
    """What else is lost while this very machine is cut off."""
    if case.host.transport != "local" or not case.site.serve.notify:
        return {}
    return {
        "warning": "hemostat's own notifications are held back meanwhile, unless their targets stand in `own` of the policy"
    }


def isolated(case: Case, end: StepEnd) -> StepEnd:
    """The step's end, with what became of the isolation."""
    check = _isolate(case)
    if check is None:
        return end
    case.record("check", step=Step.BLOCK, check=check)
    if check.result is Result.FAIL:
        wanted = f"{end.summary}; {check.name}: {check.observed}"
        return StepEnd(
            Step.BLOCK, Outcome.FAILED, wanted, "`hemostat resume --redo block`, or `--skip block`: the block stands"
        )
    told = "the host is isolated" if check.result is Result.PASS else f"{check.name}: {check.observed}"
    outcome = Outcome.DONE if check.result is Result.PASS else end.outcome
    return replace(end, outcome=outcome if end.outcome.finished else end.outcome, summary=f"{end.summary}; {told}")


def _undo(case: Case) -> str:
    return f"hemostat undo {case.incident.id} --step {ISOLATE}"


def _reverts(case: Case) -> str:
    """What becomes of a drop that no proof followed."""
    begun = case.state.act(f"{ISOLATE}/drop", ISOLATE)
    proved = case.state.act(f"{ISOLATE}/keep", ISOLATE)
    if begun is None or (proved and proved.receipt and proved.receipt.ok):
        return ""
    return f"; the host ends its isolation by itself within {case.playbook.isolate.revert_after} s"


def _planned(case: Case) -> list[Action]:
    """The acts, with what is spared: asked before anything is dropped, for afterwards nothing answers."""
    hands, rule, policy = case.hands(), case.playbook.isolate, case.site.policy
    if _windows(case):
        return windows_isolation.actions(_scope(case), _spared(case), rule.revert_after)
    if hands.root != "/":
        raise Refused(
            "fence", f"{case.host.name} is a folder of another machine: cutting it off would cut that one off"
        )
    runner = hands.came_from()
    if case.host.transport == "local" and not policy.own:
        raise TargetError(
            "isolate the machine that hemostat runs on",
            "no new connection can prove that somebody still gets in, for the policy names no own address",
            "put your own machines into `own` of inventory/policy.yaml, or isolate it over SSH",
        )
    facts: Json = {
        "runner": list(runner) if runner else [],
        "own": [str(a) for a in policy.own if a != case.incident.remote.address],
        "dns": [str(a) for a in _resolvers(case) if a != case.incident.remote.address] if rule.dns else [],
        "dhcp": rule.dhcp,
        "icmp": list(ICMP),
    }
    return isolation.actions(_scope(case), facts, rule.revert_after)


def _spared(case: Case) -> Json:
    """Who may still reach a Windows host: its own network settings say who its resolvers and DHCP servers are."""
    rule, policy, remote = case.playbook.isolate, case.site.policy, str(case.incident.remote.address)
    net = told(case.hands(), "net", group("isolate", case.incident.id))
    try:
        runner = list(case.hands().came_from() or ())
    except TargetError:
        if not policy.own:
            raise
        runner = []
    return {
        "runner": runner,
        "own": [str(a) for a in policy.own if str(a) != remote],
        "dns": [a for a in net.dns if a != remote] if rule.dns else [],
        "dhcp": [a for a in net.dhcp if a != remote] if rule.dhcp else [],
    }


def _resolvers(case: Case) -> Iterator[Address]:
    """The host's own resolvers (resolv.conf(5)); a loopback one, as systemd-resolved's, needs no opening, but those behind it do."""
    hands = case.hands()
    texts = [hands.read(path, 1 << 16).decode(errors="replace") for path in RESOLV if hands.stat(path) is not None]
    words = [line.split() for text in texts for line in text.splitlines()]
    for word in dict.fromkeys(w[1].partition("%")[0] for w in words if len(w) > 1 and w[0] == "nameserver"):
        address = parse_address(word)
        if not address.is_loopback:
            yield address


def again(case: Case) -> Iterator[Check]:
    """Do the acts on the victim still stand, as the host itself says? For verification."""
    for act in case.state.standing:
        if act.action.kind not in (*BLOCKS, *ISOLATIONS):
            continue
        name = f"rule in {case.host.name} itself" if act.step == Step.BLOCK else f"{ISOLATION} of {case.host.name}"
        try:
            seen = KINDS[act.action.kind].look(case.hands(), act.action)
        except HemostatError as error:
            yield Check(name, "it still stands", error.seen or str(error), Result.UNKNOWN)
            continue
        yield Check(name, "it still stands", seen.seen, Result.PASS if seen.present else Result.FAIL)
