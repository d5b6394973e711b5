"""A simulated Windows' state: processes, files, persistence that brings a beacon back, a firewall. Knows no script and no wire.

It behaves as Windows does where that matters: pids are multiples of four and used again, a killed beacon comes back unless what starts it
was disabled first, a running program's file can be renamed and not deleted, protected processes refuse to end.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from lab.windows import base
from lab.windows.scenario import File, Scenario
from tasks.windows.paths import plain
from tasks.windows.ranges import span

HOUR = 3600.0
# Seconds until a service's or task's own recovery starts a killed program again.
AGAIN = 0.4


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `created` is seconds since the epoch."""

    pid: int
    ppid: int
    name: str
    exe: str
    command: str
    user: str
    created: float


@dataclass(slots=True)
class Stored:
    """One file that was planted, where it is now, and what is known of it."""

    file: File
    origin: str
    created: float
    modified: float
    sddl: str = "O:BAG:DUD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)"
    attributes: int = 32

    @property
    def content(self) -> bytes:
        """Bytes that are this file's alone, and the same wherever it lies."""
        return (b"MZ" + hashlib.sha256(self.origin.encode()).digest() * (self.file.size // 32 + 1))[: self.file.size]


@dataclass(slots=True)
class Rules:
    """One group of the host's own firewall."""

    addresses: tuple[str, ...] = ()
    rules: int = 0
    port: int = 0


@dataclass
class Windows:
    """One host. Every public method may be called from any thread."""

    scenario: Scenario
    born: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.boot = self.born - 30 * HOUR
        self.processes = {row["pid"]: self._old(row) for row in base.processes(self.scenario.extra)}
        self.files = {plain(file.path): self._stored(file) for file in self.scenario.files}
        self.services = _by(("name",), base.services(), self.scenario.services)
        self.tasks = _by(("path",), base.tasks(), self.scenario.tasks)
        self.registry = _by(("view", "key", "name"), base.registry(), self.scenario.registry)
        self.subscriptions = [*base.subscriptions(), *self.scenario.subscriptions]
        self.drivers = [*base.drivers(), *self.scenario.drivers]
        self.groups: dict[str, Rules] = {}
        self.timers: dict[str, float] = {}
        # Why rules of its firewall are not in force; what a section of a look answers instead of rows.
        self.off: tuple[str, ...] = ()
        self.broken: dict[str, str] = {}
        self.parked: dict[str, str] = {}
        self.beacon: int = 0
        self._died = 0.0
        self._freed: list[int] = []
        if self.scenario.beacon:
            self._start(self.born - 2 * HOUR)

    def _old(self, row: dict[str, Any]) -> Process:
        """A process of the boot: parents older than children."""
        return Process(created=self.boot + 1 + row["pid"] / 100, **row)

    def _stored(self, file: File) -> Stored:
        return Stored(file, file.path, self.born - 2 * HOUR, self.born - 2 * HOUR)

    # --- to be kept --------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """All that changes, as JSON, so that a later range brings the same host up again."""
        with self.lock:
            return {
                "born": self.born,
                "processes": [asdict(p) for p in self.processes.values()],
                "files": [asdict(f) for f in self.files.values()],
                "services": list(self.services.values()),
                "tasks": list(self.tasks.values()),
                "registry": list(self.registry.values()),
                "subscriptions": self.subscriptions,
                "groups": {name: asdict(rules) for name, rules in self.groups.items()},
                "timers": self.timers,
                "parked": self.parked,
                "beacon": self.beacon,
            }

    def restore(self, kept: dict[str, Any]) -> None:
        """Stand as `dump` told it."""
        with self.lock:
            self.processes = {row["pid"]: Process(**row) for row in kept["processes"]}
            stored = [Stored(**{**row, "file": File(**row["file"])}) for row in kept["files"]]
            self.files = {plain(each.file.path): each for each in stored}
            self.services = _by(("name",), kept["services"])
            self.tasks = _by(("path",), kept["tasks"])
            self.registry = _by(("view", "key", "name"), kept["registry"])
            self.subscriptions, self.timers, self.parked = kept["subscriptions"], kept["timers"], kept["parked"]
            self.groups = {
                name: Rules(tuple(row["addresses"]), row["rules"], row["port"]) for name, row in kept["groups"].items()
            }
            self.beacon = kept["beacon"]

    # --- processes ---------------------------------------------------------------------------------------------------

    def alive(self) -> list[Process]:
        """Every process now; what persistence brings back is there by then."""
        with self.lock:
            self.tick()
            return list(self.processes.values())

    def end(self, pid: int, created: float) -> str:
        """End one process as Win32_Process.Terminate does; why it refuses, else empty."""
        with self.lock:
            process = self.processes.get(pid)
            if process is None or abs(process.created - created) > 1.5:
                return ""
            if process.name in self.scenario.protected or process.name in (
                "csrss.exe",
                "lsass.exe",
                "MsMpEng.exe",
                "smss.exe",
            ):
                return f"{pid} ({process.name}): Windows refused with 2"
            del self.processes[pid]
            self._freed.append(pid)
            if pid == self.beacon:
                self.beacon, self._died = 0, time.time()
        return ""

    def tick(self) -> None:
        """Persistence at work, and timers that have run out."""
        with self.lock:
            for group in [g for g, at in self.timers.items() if at <= time.time()]:
                self.groups.pop(group, None)
                del self.timers[group]
            wanted = self.scenario.beacon
            if (
                wanted
                and not self.beacon
                and time.time() > self._died + AGAIN
                and self._runnable()
                and any(self._starters())
            ):
                self._start(time.time())

    def _runnable(self) -> bool:
        """Is there still a file to start?"""
        beacon = self.scenario.beacon
        if beacon is None:
            return False
        needed = [beacon.module] if beacon.module else [beacon.exe]
        return all(plain(path) in self.files or path.startswith(base.S32) for path in needed)

    def _starters(self) -> Iterator[bool]:
        for by in self.scenario.beacon.by if self.scenario.beacon else ():
            kind, _, name = by.partition(" ")
            if kind == "service":
                yield self.services.get((name,), {}).get("start", "Disabled") != "Disabled"
            elif kind == "task":
                yield bool(self.tasks.get((name,), {}).get("enabled", name in [t[0] for t in self.tasks]))
            else:
                yield any(s["kind"] == "binding" and s.get("consumer") == name for s in self.subscriptions)

    def _start(self, at: float) -> None:
        beacon = self.scenario.beacon
        if beacon is None:
            return
        parent = next((p.pid for p in self.processes.values() if p.name == beacon.parent), 600)
        pid = self._freed.pop() if self._freed else max(self.processes) + 4
        self.processes[pid] = Process(pid, parent, beacon.name, beacon.exe, beacon.command, beacon.user, at)
        self.beacon = pid
        for by in beacon.by:
            if by.startswith("service ") and (service := self.services.get((by[8:],))):
                service.update(state="Running", pid=pid)

    # --- files -------------------------------------------------------------------------------------------------------

    def file(self, path: str) -> Stored | None:
        """The planted file at that path."""
        with self.lock:
            return self.files.get(plain(path))

    def rename(self, source: str, target: str) -> None:
        """Move within one volume, never over anything; KeyError and FileExistsError as System.IO would throw."""
        with self.lock:
            if plain(target) in self.files:
                raise FileExistsError(target)
            stored = self.files.pop(plain(source))
            self.files[plain(target)] = replace(stored, file=replace(stored.file, path=target))

    # --- persistence -------------------------------------------------------------------------------------------------

    def stop_service(self, name: str) -> None:
        """Stop a service: a beacon that it started or hosts ends with it."""
        with self.lock:
            service = self.services[(name,)]
            service.update(state="Stopped", pid=0)
            beacon = self.scenario.beacon
            if beacon and f"service {name}" in beacon.by and self.beacon:
                self.end(self.beacon, self.processes[self.beacon].created)

    # --- its own firewall --------------------------------------------------------------------------------------------

    def denies(self, address: str, port: int = 0) -> bool:
        """Do the host's own rules block that address, or that port of it?"""
        with self.lock:
            self.tick()
            wanted = int(ip_address(address))
            rules = [r for r in self.groups.values() if r.port in (0, port) and not self.off]
            spans = [span(given) for each in rules for given in each.addresses]
            return any(s.version == ip_address(address).version and s.first <= wanted <= s.last for s in spans)


def _by(keys: tuple[str, ...], *rows: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their keys, the later ones over the earlier; each a copy that may change."""
    every = [dict(row) for some in rows for row in some]
    return {tuple(row.get(key, 64) for key in keys): row for row in every}
