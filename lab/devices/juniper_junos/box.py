"""A Juniper SRX: candidates, commits, and what its policies enforce. Knows its configuration; must know no socket.

Sources: Junos OS CLI User Guide, "Forms of the configure Command" (shared and private candidates, the exclusive lock's words,
https://www.juniper.net/documentation/us/en/software/junos/cli/topics/topic-map/configure-command.html), "Committing a Configuration"
("commit complete", "configuration check-out failed"); Junos OS command reference, `show security policies`, `show security flow session`,
`clear security flow session destination-prefix` ("active sessions cleared"). From public clients and their logs: "error: shared
configuration database modified", "warning: statement not found", "warning: uncommitted changes will be discarded on exit", "Screen width
set to". From knowledge, not from a document: the words of a set that is full, that a command without permission is unknown.

Not as on a real one: only `display set` and `match` behind a pipe, no `edit`, `configure exclusive`, `commit confirmed`; it takes
loopback addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Invalid, Mode, Session, Word
from lab.device import Flow
from lab.statements import Statements, is_network, lines, merged, schema
from lab.typed import Typed
from tasks.model import Address
from tasks.settings import Network

cli = Grammar()
BOOK = ("security", "address-book", "global")
PAIR = ("security", "policies", "from-zone")


SCHEMA = schema(
    """
    security address-book global address NAME PREFIX!
    security address-book global address NAME description TEXT!
    security address-book global address-set NAME address NAME
    security address-book global address-set NAME description TEXT!
    security policies from-zone ZONE to-zone ZONE policy NAME match source-address NAME
    security policies from-zone ZONE to-zone ZONE policy NAME match destination-address NAME
    security policies from-zone ZONE to-zone ZONE policy NAME match application NAME
    security policies from-zone ZONE to-zone ZONE policy NAME then deny
    security policies from-zone ZONE to-zone ZONE policy NAME then reject
    security policies from-zone ZONE to-zone ZONE policy NAME then permit
    """,
    PREFIX=is_network,
    ZONE=lambda word: word in ("trust", "untrust", "dmz"),
)


class Box(Typed):
    """The SRX. `running` is in force, `shared` the candidate of all who said `configure`; private ones are the sessions'."""

    platform = "juniper_junos"
    first_mode = "operational"
    typing_mode = "config"
    grammar = cli
    comments = ("#",)
    own_pipes = True
    more = "---(more)---"
    modes: ClassVar[Mapping[str, Mode]] = {
        "operational": Mode("{user}@{host}> "),
        "config": Mode("\n[edit]\n{user}@{host}# "),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "srx") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.running: Statements = []
        self.shared: Statements = []

    def typed(self) -> None:
        self.running = list(self.shared)

    def config(self) -> str:
        return lines(self.running)

    def banner(self, user: str) -> str:
        return "--- JUNOS 21.4R3-S1.5 built 2022-07-20 (hemostat laboratory)\n"

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        width = len(prompt.rpartition("\n")[2])
        configuring = prompt.endswith("# ")
        if isinstance(error, Invalid):
            return " " * (width + error.column) + ("^\nsyntax error." if configuring else "^\nunknown command.")
        if isinstance(error, Ambiguous):
            return f"'{line.strip()}' is ambiguous."
        return " " * (width + len(line)) + (
            "^\nmissing argument." if configuring else "^\nsyntax error, expecting <command>."
        )

    def guard(self, session: Session[Box], line: str) -> None:
        if session.mode == "operational" and line.split()[0].startswith("conf"):
            if self.faults.refuse_config:  # what a login class may not say, it does not know
                raise Invalid(0)
            if self.faults.locked:
                raise Denied(
                    "error: configuration database locked by:\n"
                    "  alice terminal p0 (pid 4681) on since 2026-09-02 09:31:02 UTC, idle 00:01:12\n      exclusive [edit]"
                )

    def commit(self, before: Statements, after: Statements) -> None:
        """Put what was changed between two candidates in force; Denied where the check fails."""
        wanted = merged(self.running, before, after)
        self._check(wanted)
        self.running = wanted
        self.shared = merged(self.shared, before, after)
        self.startup = self.config()

    def _check(self, wanted: Statements) -> None:
        if self.faults.refuse_commit:
            raise Denied(
                "[edit security policies]\n  'policies'\n    policy compilation failed\nerror: configuration check-out failed"
            )
        for name in {s[4] for s in wanted if s[:4] == (*BOOK, "address-set")}:
            if self.faults.full is not None and len(members(wanted, name)) > self.faults.full:
                raise Denied(
                    f"[edit security address-book global]\n  'address-set {name}'\n    Number of addresses exceeds the limit "
                    f"({self.faults.full})\nerror: configuration check-out failed"
                )
        known = {s[4] for s in wanted if s[:3] == BOOK} | {"any", "any-ipv4", "any-ipv6"}
        for s in wanted:
            if "destination-address" in s and s[-1] not in known:
                raise Denied(
                    f"[edit security policies from-zone {s[3]} to-zone {s[5]}]\n  'policy {s[7]}'\n"
                    f"    Destination address or address_set ({s[-1]}) not found\nerror: configuration check-out failed"
                )

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            for name in policies(self.running, "trust", "untrust"):
                targets = values(self.running, "trust", "untrust", name, "destination-address")
                if any(_meets(self.running, target, flow.target) for target in targets):
                    return (*PAIR, "trust", "to-zone", "untrust", "policy", name, "then", "permit") in self.running
            return False


def members(statements: Statements, name: str) -> list[str]:
    """The addresses of an address-set, by name."""
    return [s[6] for s in statements if s[:6] == (*BOOK, "address-set", name, "address")]


def policies(statements: Statements, source: str, target: str) -> list[str]:
    """The policies of a zone pair, first one first."""
    head = (*PAIR, source, "to-zone", target, "policy")
    return list(dict.fromkeys(s[7] for s in statements if s[:7] == head))


def values(statements: Statements, source: str, target: str, policy: str, key: str) -> list[str]:
    """What a policy matches on."""
    head = (*PAIR, source, "to-zone", target, "policy", policy, "match", key)
    return [s[-1] for s in statements if s[:-1] == head]


def _meets(statements: Statements, name: str, address: Address) -> bool:
    if name == "any":
        return True
    return any(address in net for net in _networks(statements, name))


def _networks(statements: Statements, name: str) -> list[Network]:
    names = members(statements, name) or [name]
    return [ip_network(s[5]) for s in statements if s[:4] == (*BOOK, "address") and len(s) == 6 and s[4] in names]


Srx = Session[Box]


def candidate(session: Srx) -> Statements:
    """What this session edits: its own candidate, or the shared one."""
    own: Statements | None = session.data.get("candidate")
    return session.device.shared if own is None else own


def network_of(word: Word) -> Network:
    try:
        return ip_network(word)
    except ValueError:
        raise Invalid(word.column) from None
