"""A host cut off from everything but loopback and the own path, in three acts that a crash may part. Knows no step and no journal.

First the dead-man's switch, then the drop, then the proof: a *new* connection of ours gets through, and only then the switch is taken
away. Whatever ends us in between, the host ends its isolation by itself. Established flows are cut too: no rule asks for a flow's state.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.containment import switch
from tasks.containment.netfilter import Filter, found
from tasks.containment.openings import (
    CHAINS,
    TABLE,
    iptables_rules,
    iptables_ruleset,
    nft_ruleset,
    openings,
)
from tasks.model import Action, Finding, Json, Look, Receipt, TargetError
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands

SWITCH, DROP, KEEP = "host.switch", "host.isolate", "host.keep"
kinds = (SWITCH, DROP, KEEP)


def actions(scope: Scope, facts: Json, seconds: int) -> list[Action]:
    """The three acts.

    Args:
        facts: `runner` (address and port, or nothing), `own`, `dns` (addresses), `dhcp`, `icmp`: what `openings` reads.
        seconds: after which the host ends its isolation by itself, unless we got through.
    """
    addresses = dict.fromkeys((*facts["runner"][:1], *facts["own"], *facts["dns"]))
    spared = ", ".join([*addresses, *(["DHCP"] if facts["dhcp"] else [])])
    told = {
        SWITCH: (
            "switch",
            f"a timer on the host ends its isolation after {seconds} s unless we get through",
            "stop the timer",
        ),
        DROP: (
            "drop",
            f"everything in and out is dropped but loopback and {spared or 'nothing else'}",
            "drop nothing any more",
        ),
        KEEP: (
            "keep",
            "a new connection proves that we get through; only then the timer is stopped",
            "end the isolation",
        ),
    }
    return [
        Action(
            id=f"isolate/{name}",
            kind=kind,
            on=scope.host,
            target=f"isolation of {scope.host}: {name}",
            reason=reason,
            commands=(f"nft -f - (table inet {TABLE}), or iptables: {', '.join(CHAINS.values())}",)
            if kind == DROP
            else (),
            facts={**facts, "seconds": seconds, "incident": scope.incident},
            undo=undo_words,
            needs_approval=True,
        )
        for kind, (name, reason, undo_words) in told.items()
    ]


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    """Nothing: the step block plans it, when the playbook says so."""
    return []


def look(hands: Hands, action: Action) -> Look:
    filter_ = found(hands)
    stands, armed = _stands(filter_, action), switch.armed(hands)
    seen = (
        f"{'isolated' if stands else 'not isolated'}; {f'{armed} would end it' if armed else 'no timer would end it'}"
    )
    wanted = {SWITCH: bool(armed) or stands, DROP: stands, KEEP: stands and not armed}
    return Look(wanted[action.kind], seen)


def act(hands: Hands, action: Action, before: Look) -> None:
    filter_ = found(hands)
    if action.kind == SWITCH:
        switch.arm(filter_, int(action.facts["seconds"]))
    elif action.kind == DROP:
        _cut_off(filter_, action)
    else:
        hands.renew(action.facts["own"])
        switch.disarm(hands)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    if action.kind == SWITCH:
        armed = switch.armed(hands)
        return Look(not armed, f"{armed} is still there" if armed else "no timer is left")
    left = _left(found(hands))
    return Look(not left, f"{left} is still there" if left else "nothing of the isolation is left")


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    if action.kind == SWITCH:
        switch.disarm(hands)
    else:
        _let_go(found(hands))


def _stands(filter_: Filter, action: Action) -> bool:
    """Is it there to the letter: every opening that was wanted, no other, and nothing before it?"""
    known = openings(action.facts)
    if filter_.nft:
        return _said(filter_.text(TABLE)) == _said(nft_ruleset(known).partition(f"delete table inet {TABLE}\n")[2])
    return all(_chain_stands(filter_, p, h, iptables_rules(known, h, v)) for v, p in filter_.tables for h in CHAINS)


def _said(ruleset: str) -> list[str]:
    """The words of a ruleset without its white space, braces on lines of their own, and the marks that only separate."""
    return [word for line in ruleset.splitlines() if (word := " ".join(line.replace(";", " ").split()))]


def _chain_stands(filter_: Filter, program: str, hook: str, wanted: list[str]) -> bool:
    met = filter_.meets_first(program, hook.upper(), CHAINS[hook])
    return met and filter_.chain(program, CHAINS[hook]) == wanted


def _cut_off(filter_: Filter, action: Action) -> None:
    if not switch.armed(filter_.hands):
        raise TargetError(
            "isolate the host", "its dead-man's switch is not running", "redo the step; nothing was cut off"
        )
    known = openings(action.facts)
    if filter_.nft:
        filter_.load(nft_ruleset(known))
        return
    if 6 not in dict(filter_.tables) and filter_.hands.stat("/proc/net/if_inet6") is not None:
        raise TargetError(
            "isolate the host",
            "it speaks IPv6 and has no working ip6tables",
            "nothing was cut off; isolate it on a switch",
        )
    for version, program in filter_.tables:
        filter_.restore(program, iptables_ruleset(known, version))
        for hook, chain in CHAINS.items():
            filter_.tried(program, "-D", hook.upper(), "-j", chain)
            filter_.say(program, "-I", hook.upper(), "1", "-j", chain)


def _left(filter_: Filter) -> str:
    """What of it is there, whole or not."""
    if filter_.nft:
        return f"table inet {TABLE}" if filter_.text(TABLE) else ""
    chains = [f"{c} of {p}" for _, p in filter_.tables for c in CHAINS.values() if filter_.tried(p, "-S", c)]
    return ", ".join(chains)


def _let_go(filter_: Filter) -> None:
    if filter_.nft:
        filter_.load(f"table inet {TABLE} {{ }}\ndelete table inet {TABLE}\n")
        return
    for _, program in filter_.tables:
        for hook, chain in CHAINS.items():
            filter_.tried(program, "-D", hook.upper(), "-j", chain)
            filter_.tried(program, "-F", chain)
            filter_.tried(program, "-X", chain)
