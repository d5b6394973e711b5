"""The remote denied on the victim itself, in and out and on what it forwards. Knows nft's and iptables' words; not why it is bad.

An own table (`inet hemostat_host`) or own chains (HEMOSTAT-OUT, HEMOSTAT-IN) that look at every packet before the machine's own
rules, whatever state its flow is in (nft(8), BASE CHAINS: a drop in any base chain is final), so established flows stop too. They are
dropped in silence and no socket is closed (no `ss -K`): the socket that goes on trying shows triage whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tasks import nftables
from tasks.containment.netfilter import Filter, found
from tasks.model import Action, Address, Finding, Look, Receipt, Remote, TargetError, parse_address
from tasks.remedies.shape import Scope
from tasks.transports.hands import Hands

kinds = ("host.block",)
TABLE = "hemostat_host"
# hook → the sides of a packet that may be the remote's
SIDES = {"output": ("daddr",), "input": ("saddr",), "forward": ("daddr", "saddr")}
# our chain → its side in iptables' words, the port's, and the chains that jump to it
CHAINS = {
    "HEMOSTAT-OUT": ("-d", "--dport", ("OUTPUT", "FORWARD")),
    "HEMOSTAT-IN": ("-s", "--sport", ("INPUT", "FORWARD")),
}


def action(remote: Remote, scope: Scope, minutes: int) -> Action:
    """The one change on the victim; `minutes` 0 means until undone."""
    until = f"for {minutes} minutes" if minutes else "until undone"
    return Action(
        id="block/on-host",
        kind="host.block",
        on=scope.host,
        target=str(remote),
        reason=f"{remote} is denied on {scope.host} itself, in and out, {until}",
        commands=(f"nft -f - (table inet {TABLE}), or iptables: {', '.join(CHAINS)}",),
        facts={"address": str(remote.address), "port": remote.port, "minutes": minutes, "incident": scope.incident},
        undo=f"take {remote} out of the host's own deny list again",
        needs_approval=True,
    )


def plan(findings: Sequence[Finding], scope: Scope) -> list[Action]:
    """Nothing: the step block plans it, from the alert and not from findings."""
    return []


def look(hands: Hands, action: Action) -> Look:
    return _look(found(hands), action)


def _look(filter_: Filter, action: Action) -> Look:
    return _by_nft(filter_, action) if filter_.nft else _by_iptables(filter_, action)


def act(hands: Hands, action: Action, before: Look) -> None:
    filter_ = found(hands)
    if filter_.nft:
        filter_.load(_ruleset(action))
    else:
        _fill_chains(filter_, action)


def look_restored(hands: Hands, action: Action, receipt: Receipt) -> Look:
    seen = look(hands, action)
    # In the list but not in force is still in the list: a rule of ours must not be left behind.
    return replace(seen, present=not seen.record["listed"])


def undo(hands: Hands, action: Action, receipt: Receipt) -> None:
    filter_ = found(hands)
    if filter_.nft:
        _empty_set(filter_, action)
    else:
        _empty_chains(filter_, action)


def _target(action: Action) -> tuple[Address, int | None]:
    return parse_address(str(action.facts["address"])), action.facts["port"]


def _set(address: Address, port: int | None) -> str:
    return f"{'services' if port else 'remotes'}{address.version}"


def _by_nft(filter_: Filter, action: Action) -> Look:
    address, port = _target(action)
    name = _set(address, port)
    known = filter_.table(TABLE) or []
    members = nftables.elements(known, name)
    listed = any(nftables.same(e["val"], address, port) for e in members)
    rules = {
        (hook, side): nftables.denying(known, nftables.hooked(known, hook), side, name)
        for hook, sides in SIDES.items()
        for side in sides
    }
    force = all(any(map(nftables.whole, some)) for some in rules.values()) and not nftables.dormant(known)
    hits = sum(nftables.packets(rule) for some in rules.values() for rule in some)
    seen = f"{'in' if listed else 'not in'} {name} of the host's table inet {TABLE} ({len(members)} elements)"
    return Look(listed and force, seen + _force(listed, force), {"listed": listed, "hits": hits})


def _force(listed: bool, force: bool) -> str:
    return ", no rule in force uses it" if listed and not force else ""


def _ruleset(action: Action) -> str:
    """All of the table again, in one transaction: whatever was taken out of it by hand is there afterwards, no member is lost."""
    address, port = _target(action)
    element = f"{address} . {port}" if port else str(address)
    timeout = f" timeout {int(action.facts['minutes']) * 60}s" if action.facts["minutes"] else ""
    member = f"element inet {TABLE} {_set(address, port)}"
    add = f'add {member} {{ {element}{timeout} comment "{action.facts["incident"]}" }}'
    # An add does not refresh an element that is there: it is taken out in between.
    return "\n".join([_tables(), add, f"delete {member} {{ {element} }}", add, ""])


def _tables() -> str:
    sets = [
        f"add set inet {TABLE} {kind}{version} {{ type {words}; flags timeout; }}"
        for version in (4, 6)
        for kind, words in (("remotes", f"ipv{version}_addr"), ("services", f"ipv{version}_addr . inet_service"))
    ]
    chains = [
        f"add chain inet {TABLE} {hook} {{ type filter hook {hook} priority -10; policy accept; }}\nflush chain inet {TABLE} {hook}"
        for hook in SIDES
    ]
    rules = [
        f"add rule inet {TABLE} {hook} {family} {side}{more} @{kind}{version} counter drop"
        for hook, sides in SIDES.items()
        for side in sides
        for version, family in ((4, "ip"), (6, "ip6"))
        for kind, more in (("remotes", ""), ("services", f" . th {side[0]}port"))
    ]
    return "\n".join([f"add table inet {TABLE}", *sets, *chains, *rules])


def _empty_set(filter_: Filter, action: Action) -> None:
    address, port = _target(action)
    known = filter_.table(TABLE) or []
    mine = next(
        (e for e in nftables.elements(known, _set(address, port)) if nftables.same(e["val"], address, port)), None
    )
    if mine is None:
        return
    if mine.get("comment") != action.facts["incident"]:
        raise TargetError(
            "take the host's own block back", "the entry is another incident's now", "undo that incident instead"
        )
    element = f"{address} . {port}" if port else str(address)
    last = sum(len(nftables.elements(known, f"{kind}{v}")) for kind in ("remotes", "services") for v in (4, 6)) == 1
    one = f"delete element inet {TABLE} {_set(address, port)} {{ {element} }}"
    filter_.load(f"delete table inet {TABLE}\n" if last else f"{one}\n")


def _wanted(action: Action, chain: str) -> list[str]:
    """The rules for this remote in that chain, in the very words in which iptables shows them."""
    address, port = _target(action)
    side, port_word, _ = CHAINS[chain]
    whom = f"{side} {address}/{address.max_prefixlen}"
    comment = f"-m comment --comment {action.facts['incident']}"
    protocols = [f" -p {p} -m {p} {port_word} {port}" for p in ("tcp", "udp")] if port else [""]
    return [f"{whom}{protocol} {comment} -j DROP" for protocol in protocols]


def _program(filter_: Filter, action: Action) -> str:
    version = _target(action)[0].version
    program = dict(filter_.tables).get(version)
    if not program:
        raise TargetError(
            "block on the host", f"it has no working iptables for IPv{version}", "block it on the firewalls"
        )
    return program


def _plain(rule: str) -> str:
    """A rule without its comment: whose it is does not change what it drops."""
    return re.sub(r' -m comment --comment ("[^"]*"|\S+)', "", rule)


def _by_iptables(filter_: Filter, action: Action) -> Look:
    program = _program(filter_, action)
    listed, force = True, True
    for chain, (_, _, callers) in CHAINS.items():
        rules = list(map(_plain, filter_.chain(program, chain)))
        listed &= all(_plain(wanted) in rules for wanted in _wanted(action, chain))
        force &= all(filter_.meets_first(program, caller, chain) for caller in callers)
    seen = f"{'in' if listed else 'not in'} the host's own chains {', '.join(CHAINS)}"
    return Look(listed and force, seen + _force(listed, force), {"listed": listed})


def _fill_chains(filter_: Filter, action: Action) -> None:
    program = _program(filter_, action)
    for chain, (_, _, callers) in CHAINS.items():
        filter_.tried(program, "-N", chain)
        known = list(map(_plain, filter_.chain(program, chain)))
        for rule in _wanted(action, chain):
            if _plain(rule) not in known:
                filter_.say(program, "-A", chain, *rule.split())
        for caller in callers:
            if not filter_.meets_first(program, caller, chain):
                filter_.tried(program, "-D", caller, "-j", chain)
                filter_.say(program, "-I", caller, "1", "-j", chain)


def _empty_chains(filter_: Filter, action: Action) -> None:
    program = _program(filter_, action)
    for chain, (_, _, callers) in CHAINS.items():
        for rule in _wanted(action, chain):
            if rule in filter_.chain(program, chain):
                filter_.say(program, "-D", chain, *rule.split())
        if not filter_.chain(program, chain):
            for caller in callers:
                filter_.tried(program, "-D", caller, "-j", chain)
            filter_.tried(program, "-X", chain)
