"""A Windows host cut off from everything but the own path, in three acts that a crash may part. Knows the script's verbs; no step.

Block beats allow in Windows' firewall, so what is blocked are all ranges between the exempt addresses. First the dead-man's switch (a
task of SYSTEM's that removes the group), then the drop, then the proof by a new login; only then the switch is taken away.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.containment.windows_firewall import Group, group, told
from tasks.model import Action, Finding, Json, Look, Receipt, TargetError
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands
from tasks.windows.ranges import complement, merged

SWITCH, DROP, KEEP = "windows.switch", "windows.isolate", "windows.keep"
kinds = (SWITCH, DROP, KEEP)
# This host, its loopback, and IPv6's neighbour discovery (RFC 4861), which never leaves the link.
ALWAYS = ("0.0.0.0", "127.0.0.0/8", "::/127", "fe80::/10", "ff02::/16")  # noqa: S104 - a range, nothing listens
# Where a client without a lease asks (RFC 2131, RFC 8415).
DHCP = ("255.255.255.255", "ff05::1:3")
_RULES = 2


def actions(scope: Scope, facts: Json, seconds: int) -> list[Action]:
    """The three acts.

    Args:
        facts: `runner` (address and port, or nothing), `own`, `dns`, `dhcp` (addresses): who is spared.
        seconds: after which the host ends its isolation by itself, unless we got through.
    """
    name = group("isolate", scope.incident)
    addresses = dict.fromkeys((*facts["runner"][:1], *facts["own"], *facts["dns"]))
    spared = ", ".join([*addresses, *(["DHCP"] if facts["dhcp"] else [])])
    count = len(blocked_but(facts))
    told_ = (
        (
            SWITCH,
            "switch",
            f"a task on the host ends its isolation after {seconds} s unless we get through",
            "remove the task",
        ),
        (
            DROP,
            "drop",
            f"everything in and out is blocked but this machine and {spared or 'nothing else'}",
            "remove the rules",
        ),
        (KEEP, "keep", "a new login proves that we get through; only then the task is removed", "end the isolation"),
    )
    words = (f"New-NetFirewallRule -Group {name} -Action Block -RemoteAddress ({count} ranges), out and in",)
    return [
        Action(
            id=f"isolate/{short}", kind=kind, on=scope.host, target=f"isolation of {scope.host}: {short}", reason=reason,
            commands=words if kind == DROP else (), facts={**facts, "seconds": seconds, "incident": scope.incident}, undo=undo_words,
            needs_approval=True,
        )
        for kind, short, reason, undo_words in told_
    ]  # fmt: skip


def blocked_but(facts: Json) -> list[str]:
    """The ranges to be blocked: all but those that the facts spare."""
    named = [*facts["runner"][:1], *facts["own"], *facts["dns"], *facts["dhcp"]]
    return complement([*ALWAYS, *(DHCP if facts["dhcp"] else ()), *named])


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    """Nothing: the step block plans it, when the playbook says so."""
    return []


def _said(hands: Hands, action: Action, verb: str, **more: Json) -> Group:
    return told(hands, verb, group("isolate", action.facts["incident"]), **more)


def _stands(now: Group, action: Action) -> bool:
    return now.enabled == _RULES and not now.off and list(now.covers) == merged(blocked_but(action.facts))


def look(hands: Hands, action: Action) -> Look:
    now = _said(hands, action, "look")
    stands = _stands(now, action)
    timer = "its task would end it" if now.armed else "no task would end it"
    wanted = {SWITCH: now.armed or stands, DROP: stands, KEEP: stands and not now.armed}
    return Look(wanted[action.kind], f"{'isolated' if stands else 'not isolated'} ({now.seen}); {timer}")


def act(hands: Hands, action: Action, before: Look) -> None:
    if action.kind == SWITCH:
        _said(hands, action, "arm", seconds=action.facts["seconds"])
    elif action.kind == DROP:
        _cut_off(hands, action)
    else:
        hands.renew(action.facts["own"])
        _said(hands, action, "disarm")


def _cut_off(hands: Hands, action: Action) -> None:
    now = _said(hands, action, "look")
    if not now.armed:
        raise TargetError("isolate the host", "its dead-man's task is not there", "redo the step; nothing was cut off")
    if now.off:
        raise TargetError(
            "isolate the host", f"no rule would be in force: {'; '.join(now.off)}", "isolate it on a switch or firewall"
        )
    _said(hands, action, "block", addresses=blocked_but(action.facts))


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    now = _said(hands, action, "look")
    if action.kind == SWITCH:
        return Look(not now.armed, "its task is still there" if now.armed else "no task is left")
    return Look(not now.rules, f"{now.rules} rules of it are left")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    _said(hands, action, "disarm" if action.kind == SWITCH else "unblock")
