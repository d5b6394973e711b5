"""What a long-running service does on its own: ends blocks whose time is over, keeps Prefect's server up. Knows clocks; no HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flows.inbox import Inbox
from flows.server import Server
from tasks import expire, neighbours
from tasks.case import incidents, load_state, reopened
from tasks.journal import NAME
from tasks.model import inert
from tasks.state import State

EVERY = 60.0
LOOK = 1.0
PAUSE_AT_MOST = 60.0


@dataclass(slots=True)
class Expiry:
    """Ends blocks, as `hemostat expire` does, but reads a journal again only when it has changed or holds a timed block.

    Args:
        ending: is told of the incident before its block ends.
    """

    reports: Path
    ending: Callable[[str], None] = lambda _: None
    troubles: dict[str, str] = field(default_factory=dict)
    _quiet: dict[Path, int] = field(default_factory=dict)

    def run(self, now: datetime) -> None:
        """Look at every incident once. One that cannot be read, or that somebody holds, keeps no other block standing."""
        for folder in incidents(self.reports):
            try:
                self._one(folder, now)
                self.troubles.pop(folder.name, None)
            except Exception as error:  # noqa: BLE001 - one damaged incident must not keep the blocks of all others standing
                self.troubles[folder.name] = inert(error, 300)

    def _one(self, folder: Path, now: datetime) -> None:
        mark = (folder / NAME).stat().st_mtime_ns
        if self._quiet.get(folder) == mark:
            return
        state = load_state(folder)
        if not timed(state):
            self._quiet[folder] = mark
        elif expire.due(state, now):
            self.ending(folder.name)
            with reopened(folder) as case:
                expire.run(case, now)


def timed(state: State) -> bool:
    """Does a block stand whose time will be over?"""
    minutes = state.playbook.block.minutes if state.playbook else 0
    return bool(minutes) and any(act in state.standing for act in neighbours.blocks(state))


@dataclass(slots=True)
class Keeper:
    """Both, each in a thread of its own, until `stop`."""

    inbox: Inbox
    expiry: Expiry
    server: Server | None
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        if self.server:
            self.server.start()
        works = [self._expire] + ([self._supervise] if self.server else [])
        self._threads = [threading.Thread(target=work, name=work.__name__, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End Prefect's server, too, if it is ours."""
        self._over.set()
        for thread in self._threads:
            thread.join(5)
        if self.server:
            self.server.stop()

    def _expire(self) -> None:
        while not self._over.wait(EVERY):
            self.expiry.run(datetime.now(UTC))
            self._forget()

    def _forget(self) -> None:
        try:
            self.inbox.forget()
        except Exception as error:  # noqa: BLE001 - a full disk now is a reason to try again in a minute, not to stop
            self.expiry.troubles["inbox"] = inert(error, 300)

    def _supervise(self) -> None:
        """Start it, and start it again when it has died: at once, then ever more slowly while it keeps on dying."""
        assert self.server is not None
        pause, begun = LOOK, time.monotonic()
        while not self._over.wait(LOOK):
            if self.server.alive:
                pause = LOOK if time.monotonic() - begun > PAUSE_AT_MOST else pause
                continue
            if self._over.wait(pause):
                return
            pause, begun = min(pause * 2, PAUSE_AT_MOST), time.monotonic()
            self.server.revive()
