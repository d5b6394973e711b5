"""What an isolated host may still do: each opening once, and its words for nft and for iptables. Pure; must not know who loads them.

The words are those in which both programs show a rule again, so that what stands can be compared with what was wanted, to the letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.model import Address, Json, parse_address

TABLE = "hemostat_isolation"
CHAINS = {"input": "HEMOSTAT-ISO-IN", "output": "HEMOSTAT-ISO-OUT", "forward": "HEMOSTAT-ISO-FWD"}
# What carries a way, beside its packets, by nft's words: the IP version, the type, and whether it only comes in. RFC 4861: without router
# and neighbour discovery there is no IPv6 at all. RFC 4890 section 4.4.1: a switch that listens to MLD (RFC 4541) passes a solicitation
# only to who reports. RFC 8201 and RFC 1191: where the path has a smaller packet than the link, only its routers tell.
ICMP = {
    "nd-router-solicit": (6, 133, False),
    "nd-router-advert": (6, 134, False),
    "nd-neighbor-solicit": (6, 135, False),
    "nd-neighbor-advert": (6, 136, False),
    "mld-listener-query": (6, 130, True),
    "mld-listener-report": (6, 131, False),
    "mld2-listener-report": (6, 143, False),
    "packet-too-big": (6, 2, True),
    "destination-unreachable": (4, 3, True),
}
# What an isolation lets through whose journal, an older one, names none.
_FIRST = tuple(ICMP)[:4]


@dataclass(frozen=True, slots=True)
class Opening:
    """One kind of packet that passes. `theirs` and `ours` are ports of `protocol`; empty means any. `icmp` is a word of ICMP."""

    address: str = ""
    protocol: str = ""
    theirs: int = 0
    ours: int = 0
    version: int = 0
    icmp: str = ""

    def passes(self, inward: bool) -> bool:
        """Is it open in that direction?"""
        return inward or not self.icmp or not ICMP[self.icmp][2]


def openings(facts: Json) -> list[Opening]:
    """From an action's facts: the runner's address with the port that it came to, the owner's addresses, resolvers, DHCP, ICMP."""
    runner = [Opening(facts["runner"][0], "tcp", ours=facts["runner"][1])] if facts["runner"] else []
    own = [Opening(address) for address in facts["own"]]
    dns = [Opening(address, protocol, theirs=53) for address in facts["dns"] for protocol in ("udp", "tcp")]
    # RFC 2131 and RFC 8415: the server's port and the client's.
    lease = [Opening("", "udp", 67, 68, 4), Opening("", "udp", 547, 546, 6)] if facts["dhcp"] else []
    icmp = [Opening(version=ICMP[word][0], icmp=word) for word in facts.get("icmp", _FIRST)]
    return [*runner, *own, *dns, *lease, *icmp]


def nft_rules(known: Sequence[Opening], hook: str) -> list[str]:
    """The rules of one chain, as `nft list` shows them."""
    if hook == "forward":
        return []
    inward = hook == "input"
    loopback = 'iifname "lo" accept' if inward else 'oifname "lo" accept'
    return [loopback, *(f"{_nft(o, inward)} accept" for o in known if o.passes(inward))]


def _nft(opening: Opening, inward: bool) -> str:
    if opening.icmp:
        return f"{'icmpv6' if opening.version == 6 else 'icmp'} type {opening.icmp}"
    family = {4: "ip", 6: "ip6"}[_version(opening)] if opening.address else ""
    words = [f"{family} {'saddr' if inward else 'daddr'} {opening.address}"] if family else []
    source, target = (opening.theirs, opening.ours) if inward else (opening.ours, opening.theirs)
    words += [f"{opening.protocol} sport {source}"] if source else []
    words += [f"{opening.protocol} dport {target}"] if target else []
    return " ".join(words)


def nft_ruleset(known: Sequence[Opening]) -> str:
    """The whole table, in one transaction that replaces an older one."""
    chains = "\n".join(
        f"  chain {hook} {{\n    type filter hook {hook} priority -20; policy drop;\n"
        + "".join(f"    {rule}\n" for rule in nft_rules(known, hook))
        + "  }"
        for hook in CHAINS
    )
    # Declared first, so that the delete never fails.
    return f"table inet {TABLE} {{ }}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{chains}\n}}\n"


def iptables_rules(known: Sequence[Opening], hook: str, version: int) -> list[str]:
    """The rules of one own chain, as `iptables -S` shows them. RETURN leaves what passes to the host's own rules."""
    if hook == "forward":
        return ["-j DROP"]
    inward = hook == "input"
    mine = [o for o in known if _version(o) in (0, version) and o.passes(inward)]
    return [f"{'-i' if inward else '-o'} lo -j RETURN", *(f"{_iptables(o, inward)} -j RETURN" for o in mine), "-j DROP"]


def _iptables(opening: Opening, inward: bool) -> str:
    if opening.icmp:
        match = "-p ipv6-icmp -m icmp6 --icmpv6-type" if opening.version == 6 else "-p icmp -m icmp --icmp-type"
        return f"{match} {ICMP[opening.icmp][1]}"
    bits = {4: 32, 6: 128}[_version(opening)]
    words = [f"{'-s' if inward else '-d'} {opening.address}/{bits}"] if opening.address else []
    source, target = (opening.theirs, opening.ours) if inward else (opening.ours, opening.theirs)
    words += [f"-p {opening.protocol} -m {opening.protocol}"] if opening.protocol else []
    words += [f"--sport {source}"] if source else []
    words += [f"--dport {target}"] if target else []
    return " ".join(words)


def iptables_ruleset(known: Sequence[Opening], version: int) -> str:
    """The own chains for iptables-restore(8) --noflush, which empties the chains that it names and leaves all others alone."""
    heads = "".join(f":{chain} - [0:0]\n" for chain in CHAINS.values())
    rules = "".join(
        f"-A {chain} {rule}\n" for hook, chain in CHAINS.items() for rule in iptables_rules(known, hook, version)
    )
    return f"*filter\n{heads}{rules}COMMIT\n"


def _version(opening: Opening) -> int:
    if opening.version or not opening.address:
        return opening.version
    found: Address = parse_address(opening.address)
    return found.version
