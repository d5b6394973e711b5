"""How IOS prints and reads entries of access lists. Knows its words; must know no session and no device."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.cli import Invalid, Word
from lab.device import Flow
from lab.words import Reader, address_of
from tasks.model import Address
from tasks.settings import Network

PORTS = {21: "ftp", 23: "telnet", 25: "smtp", 53: "domain", 80: "www", 110: "pop3", 194: "irc"}
UDP_PORTS = {53: "domain", 69: "tftp", 123: "ntp", 161: "snmp", 500: "isakmp", 514: "syslog"}


@dataclass(slots=True, eq=False)
class Ace:
    """One entry. A source or destination of None is `any`."""

    version: Literal[4, 6]
    action: str
    protocol: str
    source: Network | None
    target: Network | None
    port: int | None = None
    hits: int = 0

    @property
    def words(self) -> str:
        names = {"tcp": PORTS, "udp": UDP_PORTS}.get(self.protocol, {})
        port = "" if self.port is None else f" eq {names.get(self.port, self.port)}"
        return f"{self.action} {self.protocol} {_place(self.source)} {_place(self.target)}{port}"

    def meets(self, flow: Flow) -> bool:
        """Is the packet (TCP) of this flow one that the entry names?"""
        return (
            self.protocol in ("ip", "ipv6", "tcp")
            and self.port in (None, flow.target_port)
            and _in(flow.source, self.source)
            and _in(flow.target, self.target)
        )


def _in(address: Address, network: Network | None) -> bool:
    return network is None or address in network


def _place(network: Network | None) -> str:
    if network is None:
        return "any"
    if network.prefixlen == network.max_prefixlen:
        return f"host {shown(network.network_address)}"
    if isinstance(network, ipaddress.IPv6Network):
        return f"{shown(network.network_address)}/{network.prefixlen}"
    return f"{network.network_address} {network.hostmask}"


def shown(address: Address) -> str:
    """IOS prints IPv6 in capitals."""
    return str(address).upper()


def list_words(key: tuple[int, str], entries: Mapping[int, Ace]) -> Iterator[str]:
    """A list as the configuration shows it."""
    version, name = key
    yield f"ip access-list extended {name}" if version == 4 else f"ipv6 access-list {name}"
    for number in sorted(entries):
        yield f" {'' if version == 4 else 'sequence '}{number} {entries[number].words}"


def listing(key: tuple[int, str], entries: Mapping[int, Ace]) -> Iterator[str]:
    """A list as `show ip access-lists` and `show ipv6 access-list` show it."""
    version, name = key
    yield f"Extended IP access list {name}" if version == 4 else f"IPv6 access list {name}"
    for number in sorted(entries):
        ace = entries[number]
        hits = f" ({ace.hits} match{'' if ace.hits == 1 else 'es'})" if ace.hits else ""
        yield f"    {number} {ace.words}{hits}" if version == 4 else f"    {ace.words}{hits} sequence {number}"


def read_ace(version: Literal[4, 6], action: str, words: Sequence[Word]) -> Ace:
    """What follows `permit` or `deny`."""
    reader = Reader(words)
    protocol = reader.one_of("ip" if version == 4 else "ipv6", "tcp", "udp", "icmp")
    source, target = _read_place(version, reader), _read_place(version, reader)
    port = _read_port(reader) if protocol in ("tcp", "udp") and reader.maybe("eq") else None
    reader.end()
    return Ace(version, action, protocol, source, target, port)


def _read_port(reader: Reader) -> int:
    names = {name: number for number, name in (PORTS | UDP_PORTS).items()}
    if reader.words and reader.words[0] in names:
        return names[reader.take()]
    return reader.number(0, 65535)


def _read_place(version: Literal[4, 6], reader: Reader) -> Network | None:
    if reader.maybe("any"):
        return None
    if reader.maybe("host"):
        return ipaddress.ip_network(address_of(reader.take(), version))
    word = reader.take()
    try:
        if version == 6:
            return ipaddress.IPv6Network(word) if "/" in word else _raise(word)
        return ipaddress.IPv4Network(f"{word}/{reader.take()}")  # a wildcard is Python's host mask
    except ValueError:
        raise Invalid(word.column) from None


def _raise(word: Word) -> Network:
    raise Invalid(word.column)
