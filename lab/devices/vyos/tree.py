"""The part of VyOS's configuration tree that the laboratory knows: which paths there are, and what a commit refuses. Knows no session.

VyOS documentation, "Firewall > Groups" and "Firewall > IPv4 / IPv6"; the refusals of a commit are vyos-1x's own words
(src/conf_mode/firewall.py), those of `set` Vyatta's (vyatta-cfg, Cstore).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from lab.device import Flow
from tasks.model import Address

Path = tuple[str, ...]
GROUPS = {"4": "address-group", "6": "ipv6-address-group"}


class BadPath(Exception):
    """A path that the tree does not have, or a value that it does not take."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A path's shape. `value` is a pattern of its last word; a leaf without one has no value; `many` may have several."""

    shape: str
    value: str = ""
    many: bool = False


_NAME = r"[A-Za-z0-9][\w-]*"
_RULE = r"firewall ipv[46] forward filter rule (?:[1-9]\d{0,5})"
LEAVES = (
    Leaf(rf"firewall group (?:ipv6-)?address-group {_NAME} address", r"\S+", many=True),
    Leaf(rf"firewall group (?:ipv6-)?address-group {_NAME} description", r".*"),
    Leaf(r"firewall ipv[46] forward filter default-action", r"accept|drop"),
    Leaf(rf"{_RULE} action", r"accept|drop|reject"),
    Leaf(rf"{_RULE} description", r".*"),
    Leaf(rf"{_RULE} destination address", r"\S+"),
    Leaf(rf"{_RULE} destination group (?:ipv6-)?address-group", _NAME),
    Leaf(rf"{_RULE} protocol", r"tcp|udp|tcp_udp|icmp|all"),
    Leaf(rf"{_RULE} state", r"established|related|new|invalid", many=True),
    Leaf(rf"{_RULE} disable"),
    Leaf(r"system host-name", _NAME),
    Leaf(r"interfaces ethernet eth\d description", r".*"),
)
INNER = (rf"firewall group (?:ipv6-)?address-group {_NAME}", _RULE)


def read(words: Iterable[str]) -> tuple[Path, Leaf | None]:
    """The path and its leaf (None for a node); BadPath when the tree has none such."""
    path = tuple(words)
    for leaf in LEAVES:
        head = path[:-1] if leaf.value else path
        if re.fullmatch(leaf.shape, " ".join(head)):
            _check(leaf, path)
            return path, leaf
    if any(re.fullmatch(shape, " ".join(path)) for shape in INNER):
        return path, None
    raise BadPath(f"Configuration path: [{' '.join(path)}] is not valid")


def _check(leaf: Leaf, path: Path) -> None:
    if leaf.value and not re.fullmatch(leaf.value, path[-1]):
        raise BadPath(f'Invalid value "{path[-1]}"\n  Value validation failed')
    if leaf.value == r"\S+":
        version = 6 if "ipv6-address-group" in path or "ipv6" in path else 4
        if not all(_is_address(part, version) for part in path[-1].split("-")):
            raise BadPath(f"Error: {path[-1]} is not a valid IPv{version} address\n\n  Value validation failed")


def _is_address(text: str, version: int) -> bool:
    try:
        return ip_address(text).version == version
    except ValueError:
        return False


@dataclass(slots=True)
class Tree:
    """One configuration: its paths, in the order in which they were set."""

    paths: dict[Path, None] = field(default_factory=dict)

    def copy(self) -> Tree:
        return Tree(dict(self.paths))

    def add(self, path: Path, leaf: Leaf | None) -> None:
        if leaf and leaf.value and not leaf.many:
            self.paths = {p: None for p in self.paths if p[:-1] != path[:-1]}
        # A node that was empty is shown by what is below it now.
        self.paths = {p: None for p in self.paths if path[: len(p)] != p}
        if not any(p[: len(path)] == path for p in self.paths):
            self.paths[path] = None

    def remove(self, path: Path) -> bool:
        """Take a path and all below it out; a named node above it stays. False when it is not there."""
        kept = {p: None for p in self.paths if p[: len(path)] != path}
        gone = len(kept) < len(self.paths)
        self.paths = kept
        above = next((path[:n] for n in range(len(path) - 1, 0, -1) if self._named(path[:n])), None)
        if gone and above and not any(p[: len(above)] == above for p in kept):
            self.paths[above] = None
        return gone

    @staticmethod
    def _named(path: Path) -> bool:
        return any(re.fullmatch(shape, " ".join(path)) for shape in INNER)

    def lines(self) -> list[str]:
        """As `show configuration commands` prints it: sorted, values in quotes."""
        return sorted(_line(path) for path in self.paths)

    def rules(self, version: int) -> dict[int, dict[str, set[str]]]:
        """The rules of the forward filter: number → property → values."""
        found: dict[int, dict[str, set[str]]] = {}
        head = ("firewall", f"ipv{version}", "forward", "filter", "rule")
        for path in sorted(p for p in self.paths if p[:5] == head):
            rule = found.setdefault(int(path[5]), {})
            if path[6:]:
                _, leaf = read(path)
                key, value = (path[6:-1], path[-1]) if leaf and leaf.value else (path[6:], "")
                rule.setdefault(" ".join(key), set()).add(value)
        return dict(sorted(found.items()))

    def members(self, group: Path) -> list[str]:
        return [p[-1] for p in self.paths if p[:-1] == (*group, "address")]

    def faults(self) -> list[str]:
        """Why a commit refuses this configuration."""
        wrong = []
        for version in (4, 6):
            for rule in self.rules(version).values():
                if not rule.get("action"):
                    wrong.append("Rule action must be defined")
                for kind in GROUPS.values():
                    for name in rule.get(f"destination group {kind}", ()):
                        if not any(p[:4] == ("firewall", "group", kind, name) for p in self.paths):
                            wrong.append(f'Invalid address_group "{name}" on firewall rule')
        return wrong

    def decide(self, flow: Flow) -> tuple[bool, int | None]:
        """May this new connection pass, and which rule says so?"""
        version = flow.target.version
        for number, rule in self.rules(version).items():
            if "disable" not in rule and self._meets(rule, flow):
                return "accept" in rule["action"], number
        return ("firewall", f"ipv{version}", "forward", "filter", "default-action", "drop") not in self.paths, None

    def _meets(self, rule: dict[str, set[str]], flow: Flow) -> bool:
        if not rule.get("state", {"new"}) & {"new"} or not rule.get("protocol", {"all"}) & {"all", "tcp", "tcp_udp"}:
            return False
        places = list(rule.get("destination address", ()))
        groups = [(k, n) for k in GROUPS.values() for n in rule.get(f"destination group {k}", ())]
        places += [m for kind, name in groups for m in self.members(("firewall", "group", kind, name))]
        return not (groups or places) or any(_within(flow.target, place) for place in places)


def _within(address: Address, member: str) -> bool:
    low, _, high = member.partition("-")
    if high:
        return ip_address(low).packed <= address.packed <= ip_address(high).packed
    return address in ip_network(low)


def _line(path: Path) -> str:
    _, leaf = read(path)
    return f"set {' '.join(path[:-1])} '{path[-1]}'" if leaf and leaf.value else f"set {' '.join(path)}"


def compare(before: Tree, after: Tree) -> list[str]:
    """As `compare` prints it: a head for each node, below it what was added and removed."""
    lines: list[str] = []
    for path in [*before.paths, *after.paths]:
        sign = "-" if path not in after.paths else "+" if path not in before.paths else ""
        _, leaf = read(path)
        keep = 2 if leaf and leaf.value else 1
        text = f'{sign} {path[-2]} "{path[-1]}"' if keep == 2 else f"{sign} {path[-1]}"
        lines += [f"[{' '.join(path[:-keep])}]", text] if sign else []
    return lines
