"""A Huawei USG's blacklist and what it enforces. Knows its configuration and its errors; must know no socket.

HUAWEI USG6000/6000E Product Documentation, Command Reference: `firewall blacklist item`, "Users can add blacklist entries even if the
blacklist function is disabled"; the errors at the '^' position are VRP's. From knowledge, not from a document: that an item with a
time-out lives in memory only, how many items there may be, and what is said about an item that is not there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from lab.cli import Ambiguous, Denied, Grammar, Incomplete, Mode, Session
from lab.device import Flow
from lab.typed import Typed
from tasks.model import Address

cli = Grammar()
Key = tuple[str, Address, str, str]


@dataclass(slots=True)
class Item:
    """One item of the blacklist. `expires` is monotonic seconds; None is permanent."""

    side: str
    address: Address
    port: str = "any"
    protocol: str = "any"
    minutes: int | None = None
    expires: float | None = None
    added: str = ""
    hits: int = 0

    @property
    def key(self) -> Key:
        return self.side, self.address, self.port, self.protocol

    def stops(self, flow: Flow) -> bool:
        there = (flow.target, flow.target_port) if self.side == "destination" else (flow.source, flow.source_port)
        return there[0] == self.address and self.port in ("any", str(there[1])) and self.protocol in ("any", "tcp")

    @property
    def shown(self) -> str:
        """VRP writes IPv6 in capitals."""
        return str(self.address).upper()

    def words(self) -> str:
        port = "" if self.port == "any" else f" {self.side}-port {self.port}"
        protocol = "" if self.protocol == "any" else f" protocol {self.protocol}"
        timeout = "" if self.minutes is None else f" timeout {self.minutes}"
        return f"firewall blacklist item {self.side}-ip {self.shown}{port}{protocol}{timeout}"

    def row(self) -> str:
        left = "Permanent" if self.expires is None else str(max(1, round((self.expires - time.monotonic()) / 60)))
        side = "dst" if self.side == "destination" else "src"
        return (
            f" {self.address} /{self.port} ({side}) /{self.protocol}/    Manual    {self.added}    {left} {self.hits}"
        )


class Box(Typed):
    """The USG."""

    platform = "huawei"
    first_mode = "user"
    typing_mode = "system"
    grammar = cli
    comments = ("#",)
    more = "  ---- More ----"
    modes: ClassVar[Mapping[str, Mode]] = {"user": Mode("<{host}>"), "system": Mode("[{host}]")}

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "USG6000V1") -> None:
        super().__init__(username, password, secret, hostname)
        self.clear()

    def clear(self) -> None:
        self.enabled = False
        self._items: dict[Key, Item] = {}

    @property
    def items(self) -> dict[Key, Item]:
        now = time.monotonic()
        self._items = {k: i for k, i in self._items.items() if i.expires is None or i.expires > now}
        return self._items

    def add(self, item: Item) -> None:
        limit = self.faults.full
        if limit is not None and item.key not in self.items and len(self.items) >= limit:
            raise Denied("Error: The number of blacklist items has reached the upper limit.")
        item.expires = None if item.minutes is None else time.monotonic() + item.minutes * 60
        item.added = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
        self.items[item.key] = item

    def guard(self, session: Session[Box], line: str) -> None:
        if self.faults.refuse_config and line.split()[0].startswith("sys"):
            raise Denied("Error: You do not have permission to run the command or the command is incomplete.")

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        kind = "Unrecognized"
        column = getattr(error, "column", len(line))
        if isinstance(error, Ambiguous | Incomplete):
            kind = type(error).__name__
        return " " * (len(prompt) + column) + f"^\nError: {kind} command found at '^' position."

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            stopping = [item for item in self.items.values() if self.enabled and item.stops(flow)]
            for item in stopping:
                item.hits += 1
            return not stopping

    def config(self) -> str:
        return self._text(list(self.items.values()))

    def saved(self) -> str:
        """What `save` writes: an item that ages is none of it."""
        return self._text([item for item in self.items.values() if item.minutes is None])

    def _text(self, items: list[Item]) -> str:
        enable = ["firewall blacklist enable"] if self.enabled else []
        return "".join(f"{line}\n" for line in [*enable, *(item.words() for item in items)])


Vrp = Session[Box]
