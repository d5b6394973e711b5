"""The remote denied on a Windows host itself, in and out, by rules of one group. Knows the script's verbs; not why it is bad.

A block rule beats every allow rule there (learn.microsoft.com, "Windows Firewall rules": explicit block), and the filtering platform looks
at established flows again when a rule comes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.containment.windows_firewall import Group, group, told
from tasks.model import Action, Finding, Look, Receipt, Remote
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands
from tasks.windows.ranges import merged

kinds = ("windows.block",)


def action(remote: Remote, scope: Scope, minutes: int) -> Action:
    """The one change on the victim; `minutes` 0 means until undone."""
    until = f"for {minutes} minutes" if minutes else "until undone"
    name = group("block", scope.incident)
    return Action(
        id="block/on-host",
        kind=kinds[0],
        on=scope.host,
        target=str(remote),
        reason=f"{remote} is denied on {scope.host} itself, in and out, {until}",
        commands=(f"New-NetFirewallRule -Group {name} -Action Block -RemoteAddress {remote.address}, out and in",),
        facts={"address": str(remote.address), "port": remote.port, "minutes": minutes, "incident": scope.incident},
        undo=f"remove the rules of the group {name}",
        needs_approval=True,
    )


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    """Nothing: the step block plans it, from the alert and not from findings."""
    return []


def _said(hands: Hands, action: Action, verb: str) -> Group:
    facts = action.facts
    name = group("block", facts["incident"])
    return told(hands, verb, name, addresses=[facts["address"]], port=facts["port"] or 0)


def look(hands: Hands, action: Action) -> Look:
    now = _said(hands, action, "look")
    rules = 4 if action.facts["port"] else 2  # out and in; with a port for TCP and for UDP
    whole = now.enabled == rules and list(now.covers) == merged([action.facts["address"]])
    return Look(whole and not now.off, now.seen, {"rules": now.rules})


def act(hands: Hands, action: Action, before: Look) -> None:
    _said(hands, action, "block")


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    now = _said(hands, action, "look")
    return Look(not now.rules, f"{now.rules} rules of it are left")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    _said(hands, action, "unblock")
