"""RouterOS's menus: items with properties, their filters and how they print. Knows no session.

RouterOS documentation, "Command Line Interface" (print terse, print stats, find where, flags X I D) and "Firewall > Address-lists".
The refusals are those that RouterOS's API documentation and public clients show.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

PROPERTIES = {
    "address-list": ("list", "address", "timeout", "comment", "disabled"),
    "raw": (
        "chain",
        "action",
        "dst-address-list",
        "src-address-list",
        "dst-address",
        "protocol",
        "comment",
        "disabled",
    ),
    "filter": ("chain", "action", "dst-address-list", "connection-state", "protocol", "comment", "disabled"),
}
NEEDED = {"address-list": ("list", "address"), "raw": ("chain", "action"), "filter": ("chain", "action")}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Refused(Exception):
    """A refusal in RouterOS's words."""


@dataclass(slots=True, eq=False)
class Item:
    """One item. `expires` is monotonic seconds; an item with one is dynamic and lives in memory."""

    words: dict[str, str]
    expires: float | None = None
    dynamic: bool = False
    packets: int = 0

    @property
    def flags(self) -> str:
        disabled = "X" if self.words.get("disabled") == "yes" else ""
        return disabled + ("D" if self.dynamic or self.expires is not None else "")

    @property
    def live(self) -> bool:
        return self.expires is None or self.expires > time.monotonic()

    def get(self, name: str) -> str:
        if name == "timeout" and self.expires is not None:
            return _duration(max(0, round(self.expires - time.monotonic())))
        return self.words.get(name, "")

    def terse(self) -> str:
        words = {"comment": self.get("comment"), **self.words, "timeout": self.get("timeout")}
        return " ".join(f"{k}={v}" for k, v in words.items() if v and k != "disabled")


@dataclass(slots=True)
class Menu:
    """One menu, as /ip firewall address-list."""

    kind: str
    version: int
    all: list[Item] = field(default_factory=list)

    @property
    def items(self) -> list[Item]:
        self.all = [item for item in self.all if item.live]
        return self.all

    def add(self, words: dict[str, str]) -> Item:
        for name in NEEDED[self.kind]:
            if name not in words:
                raise Refused(f"missing value(s) of argument(s) {name}")
        if self.kind == "address-list":
            words["address"] = self._address(words["address"])
            if any(i.get("list") == words["list"] and i.get("address") == words["address"] for i in self.items):
                raise Refused("failure: already have such entry")
        seconds = _seconds(words.pop("timeout")) if "timeout" in words else None
        item = Item(words, None if seconds is None else time.monotonic() + seconds)
        self.all.append(item)
        return item

    def _address(self, text: str) -> str:
        try:
            network = ip_network(text)
        except ValueError:
            raise Refused("invalid value for argument address") from None
        if network.version != self.version:
            raise Refused("invalid value for argument address")
        host = network.prefixlen == network.max_prefixlen and self.version == 4
        return str(network.network_address) if host else str(network)


def read_words(kind: str, text: str) -> dict[str, str]:
    """`key=value` words of an `add`."""
    words = {}
    for part in shlex.split(text):
        key, equals, value = part.partition("=")
        if key not in PROPERTIES[kind] or not equals:
            raise Refused(f"expected end of command (line 1 column {text.find(part) + 1})")
        words[key] = value
    return words


def _seconds(text: str) -> int:
    parts = re.findall(r"(\d+)([smhdw])", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise Refused("invalid value for argument timeout")
    return sum(int(n) * UNITS[u] for n, u in parts)


def _duration(seconds: int) -> str:
    text = ""
    for unit in "wdhms":
        count, seconds = divmod(seconds, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"


@dataclass(frozen=True, slots=True)
class Test:
    """`name=value` or `name~pattern` of a `where`."""

    name: str
    sign: str
    value: str

    def __call__(self, words: dict[str, str]) -> bool:
        said = words.get(self.name, "")
        return bool(re.search(self.value, said)) if self.sign == "~" else said == self.value


def read_where(text: str) -> list[list[Test]]:
    """Tests joined by `and` (or nothing) within `or`; an empty text is every item."""
    if not text.strip():
        return []
    tests: list[list[Test]] = [[]]
    for word in _tokens(text):
        if word == "or":
            tests.append([])
        elif word != "and":
            tests[-1].append(_test(word))
    return tests


def _tokens(text: str) -> Iterator[str]:
    for match in re.finditer(r'\s*((?:[^\s"]|"(?:\\.|[^"\\])*")+)', text):
        yield match.group(1)


def _test(word: str) -> Test:
    found = re.fullmatch(r'([a-z-]+)([=~])(?:"((?:\\.|[^"\\])*)"|([^"]*))', word)
    if not found:
        raise Refused("syntax error (line 1 column 1)")
    name, sign, quoted, bare = found.groups()
    # POSIX lets `[` stand alone in a set; Python warns.
    return Test(name, sign, re.sub(r"\\(.)", r"\1", quoted or bare or "").replace("[[]", r"\["))


def meets(tests: list[list[Test]], words: dict[str, str]) -> bool:
    return not tests or any(all(test(words) for test in both) for both in tests)
