"""A VyOS router's state and what it enforces. Knows the active and the saved configuration; must know no socket.

VyOS documentation, "Command Line Interface": operational and configuration mode, their prompts, `commit`, `save`, "VyOS maintains
backups"; every configuration session has a working copy of its own (vyatta-cfg, Cstore), and what it commits are its changes.
Not as on a real one: only the paths of tree.py; a commit is instant; loopback addresses are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lab.cli import Ambiguous, Grammar, Incomplete, Mode, Session
from lab.device import Device, Flow
from lab.devices.vyos.tree import Tree
from lab.typed import Silent
from tasks.model import Json

cli = Grammar()


class Box(Device):
    """The router: `active` runs, `startup` is /config/config.boot as text."""

    platform = "vyos"
    first_mode = "op"
    grammar = cli
    comments = ("#",)
    filters: ClassVar[Mapping[str, str]] = {"match": "include", "no-match": "exclude"}
    modes: ClassVar[Mapping[str, Mode]] = {
        "op": Mode("{user}@{host}:~$ "),
        "config": Mode("[edit]\n{user}@{host}# "),
    }

    def __init__(self, username: str, password: str, secret: str = "", hostname: str = "vyos") -> None:
        super().__init__(username, password, secret, hostname)
        self.active = Tree()
        self.startup = ""
        self.comments_of_commits: list[str] = []
        self.hits: dict[str, int] = {}

    def banner(self, user: str) -> str:
        return "Welcome to VyOS!\n\n"

    def complain(self, error: Exception, line: str, prompt: str) -> str:
        if isinstance(error, Ambiguous):
            return f"\n  Ambiguous command: [{line.split()[0]}]\n"
        if isinstance(error, Incomplete):
            return f"\n  Incomplete command: {line.strip()}\n"
        return f"\n  Invalid command: [{line.strip()}]\n"

    def admit(self, flow: Flow) -> bool:
        with self.lock:
            passes, rule = self.active.decide(flow)
            key = f"{flow.target.version} {rule or 'default'}"
            self.hits[key] = self.hits.get(key, 0) + 1
            return passes

    def config(self) -> str:
        """The active configuration as `show configuration commands` prints it."""
        return "".join(f"{line}\n" for line in self.active.lines())

    def load(self, text: str) -> None:
        """Replace the active configuration; ValueError for a line or a commit that VyOS would refuse."""
        with self.lock:
            self.active = Tree()
            session = Session(self, Silent(), "vyos-configd")
            for line in ["configure", *text.splitlines(), "commit"]:
                said = session.answer(line)
                if "failed" in said or "Invalid" in said:
                    raise ValueError(f"{line!r}: {said}")

    def reboot(self) -> None:
        """Connections, counters and whatever was not saved are gone."""
        self.conns.cut()
        self.hits = {}
        self.load(self.startup)

    def dump(self) -> Json:
        with self.lock:
            return {"running": self.config(), "startup": self.startup, "hits": dict(self.hits)}

    def restore(self, state: Json) -> None:
        self.load(state["running"])
        self.startup, self.hits = state["startup"], dict(state["hits"])


Vyos = Session[Box]
