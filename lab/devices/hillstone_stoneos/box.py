"""A Hillstone firewall's address book and policy, and what it enforces. Knows its configuration; must know no socket.

StoneOS CLI User Guide, all series, V5.5R12: "Policy" (rules in their listed order, a new one at the end unless `top`, deny by default,
"Rule id 5 is created."), "Common Show Commands" (`show configuration …`, the lines of `show session`). The errors `^-----unrecognized
keyword`, `Error: Address … is not found`, `… is used by policy "5" and cannot be deleted` and the question of `save all` are those
that public clients parse. From knowledge: the words about a member that is there or not, a full entry; `clear session` with IPv6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Incomplete, Mode, Session
from lab.device import Flow
from lab.typed import Typed
from tasks.model import Address
from tasks.settings import Network

cli = Grammar()


@dataclass(slots=True)
class Entry:
    """One entry of the address book."""

    name: str
    version: int = 4
    members: list[Network] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f'address "{self.name}"' + ("" if self.version == 4 else " ipv6")
        yield from (f"  ip {member}" for member in self.members)
        yield "exit"


@dataclass(slots=True)
class Rule:
    """One policy rule; `words` by their first word, `off` when it is disabled."""

    number: int
    words: dict[str, str] = field(default_factory=dict)
    off: bool = False
    hits: int = 0

    def lines(self) -> Iterator[str]:
        yield f"rule id {self.number}"
        yield from (f"  {key} {value}" for key, value in self.words.items())
        yield from ("  disable",) if self.off else ()
        yield "exit"


class Box(Typed):
    """The firewall."""

    platform = "hillstone_stoneos"
    first_mode = "exec"
    typing_mode = "config"
    grammar = cli
    more = "--More--"
    modes: ClassVar[Mapping[str, Mode]] = {
        "exec": Mode("{host}# "),
        "config": Mode("{host}(config)# ", ("exec",)),
        "addr": Mode("{host}(config-addr)# ", ("config", "exec")),
        "policy": Mode("{host}(config-policy)# ", ("config", "exec")),
        "rule": Mode("{host}(config-policy-rule)# ", ("config", "exec")),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "SG-6000") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.book: dict[str, Entry] = {}
        self.rules: list[Rule] = []

    def guard(self, session: Session[Box], line: str) -> None:
        if self.faults.refuse_config and line.split()[0].startswith("conf"):
            raise Denied("Error: The administrator has no right to do this")

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        column = len(prompt) + getattr(error, "column", len(line))
        if isinstance(error, Incomplete):
            return f"{' ' * column}^-----incomplete command"
        kind = "ambiguous" if isinstance(error, Ambiguous) else "unrecognized"
        word = line[getattr(error, "column", 0) :].split()[0]
        return f"{' ' * column}^-----{kind} keyword {word}"

    def users(self, name: str) -> list[Rule]:
        return [r for r in self.rules if f'"{name}"' in (r.words.get("dst-addr"), r.words.get("src-addr"))]

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            for rule in self.rules:
                if not rule.off and self._within(rule.words.get("dst-addr", '"Any"'), flow.target):
                    rule.hits += 1
                    return rule.words.get("action") == "permit"
            return False

    def _within(self, quoted: str, target: Address) -> bool:
        name = quoted.strip('"')
        if name.lower() in ("any", "ipv6-any"):
            return (target.version == 4) == (name.lower() == "any")
        return any(target in member for member in self.book[name].members if member.version == target.version)

    def config(self) -> str:
        rules = [f"  {line}" for rule in self.rules for line in rule.lines()]
        entries = [line for entry in self.book.values() for line in entry.lines()]
        return "".join(f"{line}\n" for line in [*entries, *(["policy-global", *rules, "exit"] if rules else [])])


StoneOs = Session[Box]
