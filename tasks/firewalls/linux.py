"""Linux nftables: an own table with timed sets. Knows the words; must not know who says them.

nft(8), sections SETS and ADD/DELETE ELEMENT. The own table hooks forward at priority -10, before the machine's own filter: it stops
new and established flows alike, and no other rule of the machine is touched. netmiko's `linux` driver is not used: it has no exit
status and reads output that holds the prompt as empty, which an attacker can arrange; an exec channel has neither fault.
"""

from __future__ import annotations

from tasks import nftables
from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import Json, inert

platform = "linux"
driver = ""
channel: Channel = "exec"
prompt = ""
failures: tuple[str, ...] = ()
ports = True
timed = True

NFT = "/usr/sbin/nft"
ABSENT = r"No such file or directory"


def _set(entry: Entry) -> str:
    return f"{'services' if entry.remote.port else 'remotes'}{entry.address.version}"


def _element(entry: Entry) -> str:
    return f"{entry.address} . {entry.remote.port}" if entry.remote.port else str(entry.address)


def _table(entry: Entry) -> str:
    return f"inet {entry.name.lower().replace('-', '_')}"


def look(entry: Entry) -> tuple[Command, ...]:
    return (Command(f"{NFT} -j list table {_table(entry)}", tolerate=ABSENT),)


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    if not answers[0].lstrip().startswith("{"):
        return Listing(False, False, f"no table {_table(entry)}", provision(entry.name))
    known = nftables.objects(answers[0])
    elements = nftables.elements(known, _set(entry))
    mine = next((e for e in elements if nftables.same(e["val"], entry.address, entry.remote.port)), None)
    rules = nftables.denying(known, nftables.hooked(known, "forward"), "daddr", _set(entry))
    enforced = any(map(nftables.whole, rules)) and not nftables.dormant(known)
    return Listing(
        present=mine is not None,
        enforced=enforced,
        seen=f"{len(elements)} elements in {_set(entry)}, "
        + ("in force" if enforced else "no rule in force uses the set"),
        missing=() if enforced else provision(entry.name),
        hits=sum(map(nftables.packets, rules)) if rules else None,
        note=_note(mine) if mine else "",
        foreign=mine is not None and mine.get("comment") != entry.incident,
        ends_in=mine.get("expires") if mine else None,
    )


def _note(element: Json) -> str:
    left = f"{element['expires']} s left" if "expires" in element else "no time-out"
    return f"{inert(element.get('comment', 'no comment'), 100)}, {left}"


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    # An add does not refresh an element that is there: delete it in the same transaction, which also serves a race.
    timeout = f" timeout {entry.minutes * 60}s" if entry.minutes else ""
    add = f'add element {_table(entry)} {_set(entry)} {{ {_element(entry)}{timeout} comment "{entry.incident}" }}'
    return (Command(f"{NFT} -f -", stdin=f"{add}\n{_delete(entry)}\n{add}\n"),)


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    # A delete of an absent element fails, so it is added first, in the same transaction.
    add = f"add element {_table(entry)} {_set(entry)} {{ {_element(entry)} }}"
    return (Command(f"{NFT} -f -", stdin=f"{add}\n{_delete(entry)}\n"),)


def _delete(entry: Entry) -> str:
    return f"delete element {_table(entry)} {_set(entry)} {{ {_element(entry)} }}"


def cut(entry: Entry) -> tuple[Command, ...]:
    return ()


def sessions(entry: Entry) -> tuple[Command, ...]:
    return ()


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return 0


def save() -> tuple[Command, ...]:
    return ()


def leave() -> tuple[Command, ...]:
    return ()


def provision(name: str) -> tuple[str, ...]:
    rules = [
        f"    {family} {side} @{kind} counter {verdict}"
        for version, family in ((4, "ip"), (6, "ip6"))
        for side, kind, verdict in (
            ("daddr", f"remotes{version} meta l4proto tcp", "reject with tcp reset"),
            ("daddr", f"remotes{version}", "drop"),
            ("saddr", f"remotes{version}", "drop"),
            ("daddr . th dport", f"services{version} meta l4proto tcp", "reject with tcp reset"),
            ("daddr . th dport", f"services{version}", "drop"),
        )
    ]
    sets = [
        f"  set {kind}{version} {{ type {words}; flags timeout; }}"
        for version in (4, 6)
        for kind, words in (("remotes", f"ipv{version}_addr"), ("services", f"ipv{version}_addr . inet_service"))
    ]
    head = "  chain forward { type filter hook forward priority -10; policy accept;"
    return (f"table inet {name.lower().replace('-', '_')} {{", *sets, head, *rules, "  }", "}")
