"""A Cisco IOS router's modes and what it enforces. Knows its configuration; must know no socket.

Sources: Cisco IOS Security Configuration Guide, "IP Access List Entry Sequence Numbering" (numbers, their step of 10, "Duplicate
sequence number", an equal entry changes nothing, `show ip access-lists`); Cisco IOS IP Application Services Command Reference,
`show ip interface`; Cisco IOS Configuration Fundamentals Command Reference (`enable`, `configure terminal`, `write memory`, `reload`, the
three errors with % in front). From public clients and their logs: "Configuration mode locked exclusively by user", the listings of
`show ipv6 access-list` and `show ipv6 interface` ("Inbound access list NAME"). From knowledge, not from a document: that IPv6 refuses a
number in use as IPv4 does, and a name that the other family has.

Not as on a real one: two interfaces only; `do`, object-groups, NAT, remarks, reflexive entries; it takes loopback addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Invalid, Mode, Session, Word
from lab.device import Flow
from lab.devices.cisco_ios.text import Ace, list_words
from lab.typed import Typed

cli = Grammar()
OUTSIDE, INSIDE = "GigabitEthernet0/0", "GigabitEthernet0/1"
Key = tuple[int, str]


@dataclass(slots=True)
class Interface:
    """`lists` maps version and direction to the name of the bound list."""

    lists: dict[tuple[int, str], str] = field(default_factory=dict)


class Box(Typed):
    """The router. A list is its entries by number; `Key` is the IP version and the list's name."""

    platform = "cisco_ios"
    first_mode = "user"
    typing_mode = "config"
    grammar = cli
    more = " --More-- "
    max_sessions = 16
    modes: ClassVar[Mapping[str, Mode]] = {
        "user": Mode("{host}>"),
        "priv": Mode("{host}#", ("user",)),
        "config": Mode("{host}(config)#"),
        "acl4": Mode("{host}(config-ext-nacl)#", ("config",)),
        "acl6": Mode("{host}(config-ipv6-acl)#", ("config",)),
        "interface": Mode("{host}(config-if)#", ("config",)),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "Router") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.lists: dict[Key, dict[int, Ace]] = {}
        self.interfaces = {OUTSIDE: Interface(), INSIDE: Interface()}

    def banner(self, user: str) -> str:
        return "\n"

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        if isinstance(error, Invalid):
            return " " * (len(prompt) + error.column) + "^\n% Invalid input detected at '^' marker.\n"
        if isinstance(error, Ambiguous):
            return f'% Ambiguous command:  "{line.strip()}"'
        return "% Incomplete command.\n"

    def guard(self, session: Session[Box], line: str) -> None:
        if session.mode == "priv" and line.split()[0].startswith("conf"):
            if self.faults.refuse_config:
                raise Denied("Command authorization failed.\n")
            if self.faults.locked:
                raise Denied(
                    "Configuration mode locked exclusively by user 'alice' process '88' from terminal '3'. Please try later."
                )

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            version = flow.target.version
            name = self.interfaces[INSIDE if flow.interface == "inside" else OUTSIDE].lists.get((version, "in"))
            entries = self.lists.get((version, name or ""), {})
            hit = next((entries[n] for n in sorted(entries) if entries[n].meets(flow)), None)
            if hit:
                hit.hits += 1
            # A bound list ends in a deny; one that is bound and empty lets everything pass.
            return not entries or (hit is not None and hit.action == "permit")

    def config(self) -> str:
        lines = [line for key in sorted(self.lists) for line in list_words(key, self.lists[key])]
        for name, interface in self.interfaces.items():
            lines.append(f"interface {name}")
            for (version, way), bound in sorted(interface.lists.items()):
                lines.append(f" {'ip access-group' if version == 4 else 'ipv6 traffic-filter'} {bound} {way}")
        return "".join(f"{line}\n" for line in lines)


Ios = Session[Box]


def interface_of(word: Word) -> str:
    """The interface that a name or its abbreviation means (`Gi0/1`)."""
    short = word.lower().rstrip("0123456789/.")
    full = "gigabitethernet"
    name = "GigabitEthernet" + word[len(short) :]
    if len(short) < 2 or not full.startswith(short) or name not in (OUTSIDE, INSIDE):
        raise Invalid(word.column)
    return name


def here(session: Ios) -> dict[int, Ace]:
    """The list that the session stands in; another session may have removed it."""
    version = 4 if session.mode == "acl4" else 6
    return session.device.lists.setdefault((version, session.context), {})
