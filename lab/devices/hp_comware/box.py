"""An H3C firewall's object groups and security policy, and what it enforces. Knows its configuration; must know no socket.

H3C SecPath Firewall Series Command Reference (V7), Security: "Object group commands" (objects numbered by ten, `undo network host
address`), "Security policy commands" (rules in the order of the list, an action of drop unless told, nothing passes without a rule).
The errors at the '^' position, "The rule does not exist." and "Object group with given name exists with different type." are those that
public clients parse. From knowledge: the words about a member that is there, a full group, a group that is in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Incomplete, Mode, Session
from lab.device import Flow
from lab.typed import Typed
from tasks.model import Address

cli = Grammar()


@dataclass(slots=True)
class Group:
    """One object-group; objects by their number."""

    family: str
    name: str
    objects: dict[int, Address] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        # Comware writes IPv6 in capitals.
        yield from (f"{n} network host address {str(a).upper()}" for n, a in sorted(self.objects.items()))


@dataclass(slots=True)
class Rule:
    """One rule of a security policy; `words` are its lines but the action."""

    number: int
    name: str
    action: str = "drop"
    words: list[str] = field(default_factory=list)
    packets: int = 0

    def lines(self) -> Iterator[str]:
        yield f"rule {self.number} name {self.name}"
        yield f" action {self.action}"
        yield from (f" {line}" for line in self.words)

    def group(self) -> str:
        return next((w.split()[1].lower() for w in self.words if w.startswith("destination-ip ")), "")


class Box(Typed):
    """The firewall. Groups are by (family, name in small letters), rules by family in their order."""

    platform = "hp_comware"
    first_mode = "user"
    typing_mode = "system"
    grammar = cli
    comments = ("#",)
    more = "---- More ----"
    modes: ClassVar[Mapping[str, Mode]] = {
        "user": Mode("<{host}>"),
        "system": Mode("[{host}]"),
        "ip-group": Mode("[{host}-obj-grp-ip-{context}]"),
        "ipv6-group": Mode("[{host}-obj-grp-ipv6-{context}]"),
        "ip-policy": Mode("[{host}-security-policy-ip]"),
        "ipv6-policy": Mode("[{host}-security-policy-ipv6]"),
        "ip-rule": Mode("[{host}-security-policy-ip-{context}]"),
        "ipv6-rule": Mode("[{host}-security-policy-ipv6-{context}]"),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "H3C") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.groups: dict[tuple[str, str], Group] = {}
        self.rules: dict[str, list[Rule]] = {"ip": [], "ipv6": []}

    def guard(self, session: Session[Box], line: str) -> None:
        if self.faults.refuse_config and line.split()[0].startswith("sys"):
            raise Denied("Permission denied.")

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        kind = type(error).__name__ if isinstance(error, Ambiguous | Incomplete) else "Unrecognized"
        column = getattr(error, "column", len(line))
        return " " * (len(prompt) + column) + f"^\n % {kind} command found at '^' position."

    def users(self, group: Group) -> list[Rule]:
        return [rule for rule in self.rules[group.family] if rule.group() == group.name.lower()]

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            family = "ip" if flow.target.version == 4 else "ipv6"
            for rule in self.rules[family]:
                if self._meets(family, rule, flow.target):
                    rule.packets += 1
                    return rule.action == "pass"
            return False

    def _meets(self, family: str, rule: Rule, target: Address) -> bool:
        if "disable" in rule.words:
            return False
        group = self.groups.get((family, rule.group()))
        return not rule.group() or (group is not None and target in group.objects.values())

    def config(self) -> str:
        lines: list[str] = []
        for group in self.groups.values():
            lines += [
                f"object-group {group.family} address {group.name}",
                *(f" {line}" for line in group.lines()),
                " quit",
            ]
        for family, rules in self.rules.items():
            body = [f" {line}" for rule in rules for line in [*rule.lines(), " quit"]]
            lines += [f"security-policy {family}", *body, " quit"] if rules else []
        return "".join(f"{line}\n" for line in lines)


Comware = Session[Box]
