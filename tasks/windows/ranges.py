"""Ranges of IP addresses as Windows' firewall says them (`A`, `A-B`, `NET/BITS`), and what is left when some are taken out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

_BITS = {4: 32, 6: 128}


class Span(NamedTuple):
    """Addresses of one IP version, both ends included, as numbers."""

    version: int
    first: int
    last: int

    def __str__(self) -> str:
        kind = IPv4Address if self.version == 4 else IPv6Address
        return str(kind(self.first)) if self.first == self.last else f"{kind(self.first)}-{kind(self.last)}"


def span(text: str) -> Span:
    """One address, range or network.

    Raises:
        ValueError: it is none of them (`Any`, `LocalSubnet`).
    """
    low, dash, high = text.strip().partition("-")
    if dash:
        first, last = ip_address(low.strip()), ip_address(high.strip())
        if first.version != last.version or int(last) < int(first):
            raise ValueError(text)
        return Span(first.version, int(first), int(last))
    net = ip_network(low, strict=False)
    return Span(net.version, int(net.network_address), int(net.broadcast_address))


def merged(texts: Iterable[str]) -> list[Span]:
    """The same addresses, each once: the way in which two lists that mean the same are equal."""
    result: list[Span] = []
    for now in sorted(map(span, texts)):
        if result and result[-1].version == now.version and now.first <= result[-1].last + 1:
            result[-1] = result[-1]._replace(last=max(result[-1].last, now.last))
        else:
            result.append(now)
    return result


def complement(exempt: Iterable[str]) -> list[str]:
    """Every address, v4 and v6, that is not among the exempt: what a block must say, for Windows lets no allow beat it."""
    spared = merged(exempt)
    return [str(gap) for version in _BITS for gap in _gaps([s for s in spared if s.version == version], version)]


def _gaps(spared: list[Span], version: int) -> list[Span]:
    at, gaps = 0, []
    for one in spared:
        if one.first > at:
            gaps.append(Span(version, at, one.first - 1))
        at = one.last + 1
    end = (1 << _BITS[version]) - 1
    return [*gaps, Span(version, at, end)] if at <= end else gaps
