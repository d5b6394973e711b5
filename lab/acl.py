"""Address groups and ordered access lists, as most vendors have them. Knows matching and counting; must know no command line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from lab.device import Flow
from tasks.model import Address
from tasks.settings import Network


@dataclass(slots=True)
class Group:
    """A named set of networks; `members` maps the network to the words that it was entered with."""

    name: str
    members: dict[Network, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A source or destination: a network, a group by name, or anything (`family` 4, 6, or 0 for both)."""

    words: str
    network: Network | None = None
    group: str = ""
    family: int = 0


@dataclass(slots=True, eq=False)
class Ace:
    """One entry. `hits` counts by the member of the destination that matched. A remark matches nothing."""

    action: str
    protocol: str = ""
    source: Place = Place("any")
    target: Place = Place("any")
    port: int | None = None
    remark: str = ""
    hits: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        if self.remark:
            return f"remark {self.remark}"
        port = "" if self.port is None else f" eq {self.port}"
        return f"extended {self.action} {self.protocol} {self.source.words} {self.target.words}{port}"


@dataclass(slots=True)
class Policy:
    """The filtering part of a configuration: groups, lists, and which list is bound to which interface."""

    groups: dict[str, Group] = field(default_factory=dict)
    lists: dict[str, list[Ace]] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)

    def users(self, group: str) -> list[str]:
        """The access lists that name this group."""
        return [
            name
            for name, entries in self.lists.items()
            if any(group in (e.source.group, e.target.group) for e in entries)
        ]

    def members(self, place: Place) -> dict[str, Network | None]:
        """What a place expands to: words and network (None matches everything of its family)."""
        if place.group:
            return {words: network for network, words in self.groups[place.group].members.items()}
        return {place.words: place.network}

    def meets(self, place: Place, address: Address) -> str:
        """The member's words that the address falls into, or nothing."""
        if place.family and place.family != address.version:
            return ""
        return next((words for words, net in self.members(place).items() if net is None or address in net), "")

    def admits(self, flow: Flow) -> bool:
        """First match decides and is counted; a bound list ends in a deny; an interface without one lets pass."""
        if flow.interface not in self.bound:
            return True
        for ace in self.lists.get(self.bound[flow.interface], []):
            hit = self._match(ace, flow)
            if hit:
                ace.hits[hit] = ace.hits.get(hit, 0) + 1
                return ace.action == "permit"
        return False

    def _match(self, ace: Ace, flow: Flow) -> str:
        if ace.remark or ace.protocol not in ("ip", "tcp") or ace.port not in (None, flow.target_port):
            return ""
        return self.meets(ace.target, flow.target) if self.meets(ace.source, flow.source) else ""


def network(address: str, mask: str = "") -> Network:
    """A network from an address (one host), `prefix/length`, or an address and a mask; ValueError for host bits."""
    return ipaddress.ip_network(f"{address}/{mask}" if mask else address)
