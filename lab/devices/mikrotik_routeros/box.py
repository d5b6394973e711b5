"""A MikroTik router's state and what it enforces. Knows menus, raw rules and connections; must know no socket.

RouterOS documentation, "Console" (login options behind a plus sign, `bad command name`), "Firewall > RAW", "Connection tracking".
Everything is saved at once; only items with a timeout are lost at a reboot. Not as on a real one: /ip and /ipv6 firewall alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from lab.cli import Grammar, Mode, Session
from lab.device import Flow
from lab.devices.mikrotik_routeros.items import Item, Menu
from lab.typed import Typed
from tasks.model import Address, Json

cli = Grammar()
KINDS = ("address-list", "raw", "filter")
# The prompt is painted, blanked and painted again, as a terminal that is not dumb gets it.
PROMPT = "[{user}@{host}] > "


class Box(Typed):
    """The router. `menus` is by (version, kind)."""

    platform = "mikrotik_routeros"
    first_mode = "root"
    typing_mode = "root"
    grammar = cli
    comments = ("#",)
    page = 0
    modes: ClassVar[Mapping[str, Mode]] = {"root": Mode(f"\r\r\r\r{PROMPT}{' ' * 60}\r{PROMPT}")}

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "MikroTik") -> None:
        super().__init__(username, password, secret, hostname)
        self.menus: dict[tuple[int, str], Menu] = {}
        self.clear()

    def clear(self) -> None:
        self.menus = {(version, kind): Menu(kind, version) for version in (4, 6) for kind in KINDS}
        dummy = {
            "comment": "special dummy rule to show fasttrack counters",
            "chain": "prerouting",
            "action": "passthrough",
        }
        self.menus[4, "raw"].all.append(Item(dummy, dynamic=True))

    def account(self, login: str) -> str:
        return login.partition("+")[0]

    def banner(self, user: str) -> str:
        return "\n\n  MikroTik RouterOS 7.16 (c) 1999-2024       https://www.mikrotik.com/\n\nPress F1 for help\n\n"

    def guard(self, session: Session[Box], line: str) -> None:
        """The line is painted again, whole, before anything is done."""
        session.terminal.write(f"\r{PROMPT.format(user=session.user, host=self.hostname)}{line}\n")

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            version = flow.target.version
            for rule in self.menus[version, "raw"].items:
                if not rule.flags and self._meets(rule, flow.target):
                    rule.packets += 1
                    return rule.get("action") != "drop"
            return True

    def _meets(self, rule: Item, target: Address) -> bool:
        name = rule.get("dst-address-list")
        members = self.menus[target.version, "address-list"].items
        mine = (str(target), f"{target}/128")
        return not name or any(
            m.get("list") == name and m.get("address") in mine for m in members if "X" not in m.flags
        )

    def config(self) -> str:
        """What `/export` shows, and the dynamic items as well."""
        return "".join(f"{line}\n" for line in self._lines(lambda item: not item.dynamic))

    def _lines(self, wanted: Callable[[Item], bool]) -> list[str]:
        lines = []
        for (version, kind), menu in self.menus.items():
            for item in menu.items:
                if wanted(item):
                    words = dict(item.words) | ({"timeout": "1h"} if item.expires is not None else {})
                    pairs = " ".join(f'{k}="{v}"' for k, v in words.items())
                    lines.append(f"/ip{'' if version == 4 else 'v6'} firewall {kind} add {pairs}")
        return lines

    def reboot(self) -> None:
        """Connections and everything with a timeout are gone."""
        self.conns.cut()
        self.load("\n".join(self._lines(lambda item: "D" not in item.flags)))

    def dump(self) -> Json:
        with self.lock:
            packets = [item.packets for menu in self.menus.values() for item in menu.items]
            return {"running": self.config(), "startup": self.startup, "packets": packets}

    def restore(self, state: Json) -> None:
        self.load(state["running"])
        self.startup = state["startup"]
        items = [item for menu in self.menus.values() for item in menu.items]
        for item, packets in zip(items, state["packets"], strict=True):
            item.packets = packets


RouterOs = Session[Box]
