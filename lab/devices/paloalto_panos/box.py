"""A PAN-OS firewall: one candidate of all administrators, commits, and what the rules enforce. Must know no socket.

Sources: PAN-OS CLI Quick Start and configure CLI command hierarchy (`set`, `commit partial admin`, `revert config partial admin`, `move`,
https://docs.paloaltonetworks.com/pan-os/10-0/cli-reference/pan-os-10-0-configure-cli-command-hierarchy); PAN-OS Administrator's Guide,
"Use Dynamic Address Groups in Policy" (the group's listing). From public clients and their logs: "Commit job 5 is in progress. Use
Ctrl+C to return to command prompt", "Configuration committed successfully", "Error: …(Module: device)", "Commit failed" (netmiko issue
3033), the shape of `show running security-policy`, "Number of sessions that match filter". From knowledge, not from a document: the words
about a lock of another, about too many objects, about an object that is not there.

Not as on a real one: a commit takes no time; one vsys; filters of one tag; it takes loopback addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Incomplete, Mode, Session
from lab.device import Flow
from lab.statements import Statement, Statements, is_network, lines, schema
from lab.typed import Typed
from tasks.model import Address
from tasks.settings import Network

cli = Grammar()
RULES = ("rulebase", "security", "rules")
KEYS = ("from", "to", "source", "destination", "application", "service")


SCHEMA = schema(
    "\n".join(
        [
            "tag NAME",
            "address NAME ip-netmask PREFIX!",
            "address NAME description TEXT!",
            "address NAME tag NAME",
            "address-group NAME dynamic filter TEXT!",
            "address-group NAME static NAME",
            *(f"rulebase security rules NAME {key} NAME" for key in KEYS),
            "rulebase security rules NAME action ACTION!",
        ]
    ),
    PREFIX=is_network,
    ACTION=lambda word: word in ("allow", "deny", "drop", "reset-both"),
)


class Box(Typed):
    """The firewall. `candidate` is everybody's; `changes` tells who added or removed a statement since the last commit."""

    platform = "paloalto_panos"
    first_mode = "operational"
    typing_mode = "config"
    grammar = cli
    comments = ("#",)
    logins = ("keyboard-interactive",)
    more = "lines 1-23 "
    modes: ClassVar[Mapping[str, Mode]] = {
        "operational": Mode("{user}@{host}> "),
        "config": Mode("\n[edit]\n{user}@{host}# "),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "PA-VM") -> None:
        super().__init__(username, password, secret, hostname)
        self.jobs = 1
        self.clear()

    def clear(self) -> None:
        self.running: Statements = []
        self.candidate: Statements = []
        self.changes: dict[Statement, str] = {}

    def typed(self) -> None:
        self.running, self.changes = list(self.candidate), {}

    def config(self) -> str:
        return lines(self.running)

    def banner(self, user: str) -> str:
        return f"Number of failed attempts since last successful login: 0\n\nWelcome {user}.\n"

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        if prompt.endswith("# "):
            return "\nIncomplete command" if isinstance(error, Incomplete) else "\nInvalid syntax."
        if isinstance(error, Incomplete | Ambiguous):
            return "Invalid syntax."
        return f"Unknown command: {line.split()[0]}"

    def guard(self, session: Session[Box], line: str) -> None:
        verb = line.split()[0]
        if self.faults.refuse_config and verb == "configure":
            raise Denied("Unknown command: configure")
        if self.faults.locked and verb in ("set", "delete", "move", "commit") and session.mode == "config":
            raise Denied("\nServer error : configuration is locked by administrator alice")

    def note(self, before: Statements, user: str) -> None:
        """Remember who changed what; a change taken back is none."""
        for statement in set(before) ^ set(self.candidate):
            if (statement in self.candidate) == (statement in self.running):
                self.changes.pop(statement, None)
            else:
                self.changes[statement] = user

    def commit(self, user: str = "") -> None:
        """Put the changes (of one administrator) in force; Denied where the check fails."""
        mine = {s for s, who in self.changes.items() if user in ("", who)}
        wanted = [s for s in self.candidate if (s in self.running) or s in mine]
        wanted += [s for s in self.running if s not in self.candidate and s not in mine]
        self._check(wanted)
        self.running = wanted
        self.changes = {s: who for s, who in self.changes.items() if s not in mine}
        self.startup = self.config()

    def revert(self, user: str) -> None:
        """Take one administrator's changes out of the candidate."""
        mine = {s for s, who in self.changes.items() if who == user}
        self.candidate = [s for s in self.candidate if s not in mine] + [s for s in self.running if s in mine]
        self.changes = {s: who for s, who in self.changes.items() if who != user}

    def _check(self, wanted: Statements) -> None:
        if self.faults.refuse_commit:
            raise Denied("Error: policy is invalid\n(Module: device)\nCommit failed")
        addresses = {s[1] for s in wanted if s[0] == "address"}
        if self.faults.full is not None and len(addresses) > self.faults.full:
            raise Denied("Error: Number of address objects exceeds the limit\n(Module: device)\nCommit failed")
        for s in wanted:
            if s[:1] == ("address",) and s[2] == "tag" and ("tag", s[3]) not in wanted:
                raise Denied(
                    f"Validation Error:\n address -> {s[1]} -> tag '{s[3]}' is not a valid reference\nCommit failed"
                )

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            for name in rules(self.running):
                if any(
                    meets(self.running, target, flow.target) for target in values(self.running, name, "destination")
                ):
                    return values(self.running, name, "action") == ["allow"]
            return False


def rules(statements: Statements) -> list[str]:
    """The rules' names, first one first."""
    return list(dict.fromkeys(s[3] for s in statements if s[:3] == RULES))


def values(statements: Statements, rule: str, key: str) -> list[str]:
    return [s[5] for s in statements if s[:5] == (*RULES, rule, key)]


def group(statements: Statements, name: str) -> list[str]:
    """The address objects of a group, static or by tag."""
    static = [s[3] for s in statements if s[:3] == ("address-group", name, "static")]
    tags = [s[4].strip("'") for s in statements if s[:4] == ("address-group", name, "dynamic", "filter")]
    return static + [s[1] for s in statements if s[0] == "address" and s[2] == "tag" and s[3] in tags]


def networks(statements: Statements, name: str) -> list[Network]:
    """What an address object or a group stands for."""
    names = [name, *group(statements, name)]
    return [ip_network(s[3]) for s in statements if s[0] == "address" and s[2] == "ip-netmask" and s[1] in names]


def meets(statements: Statements, name: str, address: Address) -> bool:
    return name == "any" or any(address in net for net in networks(statements, name))


Pan = Session[Box]
