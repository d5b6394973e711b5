"""The frozen facts that a host shows, the same for psutil, ssh and WinRM. Knows no judgement: what they mean is for the collectors.

Names and paths are exact: a byte of the host's that is not UTF-8 stands as a lone surrogate (PEP 383, os.fsdecode), and the journal
writes it as \\udcXX and gives it back. What is shown to people passes `tasks.model.inert`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.facts_linux import Login, LogLine, Module, Package, Privilege
from tasks.facts_windows import Windows
from tasks.model import Json

Confidence = Literal["none", "low", "medium", "high"]
# Where only the time is known: the kernel gives the boot in whole seconds and moves it when the clock is corrected; a pid that came
# round again within this time would need the whole pid range to be used up in it.
SAME_START = 1.5


@dataclass(frozen=True, slots=True)
class Start:
    """When a process started: with the pid it is the identity, for a pid alone is reused.

    `created` is seconds since the epoch, for people: Linux reckons it from the clock of now (btime in proc_stat(5)), so that it moves
    when somebody sets the clock. `started` stays: "BOOT_ID:TICKS", the boot and the clock ticks since then (field 22 of
    proc_pid_stat(5)). It is empty on Windows, whose own time of creation stays, and in older journals.
    """

    created: float
    started: str = ""

    @classmethod
    def of(cls, facts: Json) -> Start:
        """As a finding's or an action's facts tell it."""
        return cls(float(facts["created"]), str(facts.get("started", "")))

    def same(self, other: Start) -> bool:
        """Do two readings mean the same start?"""
        if self.started and other.started:
            return self.started == other.started
        return abs(self.created - other.created) < SAME_START

    def after(self, other: Start) -> bool:
        """Is it the later one? Within one boot the ticks say so."""
        boot, _, ticks = self.started.rpartition(":")
        others, _, before = other.started.rpartition(":")
        if boot and boot == others:
            return int(ticks) > int(before)
        return self.created > other.created


@dataclass(frozen=True, slots=True)
class Connection:
    """One socket in one sample. `pid` None: nobody owns it, or we may not see who (`owner` says which).

    `at` is seconds since the epoch; `owner` tells how sure the attribution to `pid` is: high is an open descriptor
    seen in the same sample, medium one seen in another sample of the same socket, none an unowned socket, low without
    a pid an owner that we may not see. One socket that several processes hold appears once for each of them.
    `proto` is tcp or udp (the address tells the family, IPv4-mapped IPv6 is IPv4); `state` is psutil's word
    (ESTABLISHED, SYN_SENT, TIME_WAIT, LISTEN …; NONE for an unconnected UDP socket). An inode of None: the kernel has
    let go of the socket (TIME_WAIT).
    """

    at: float
    proto: str
    local: str
    local_port: int
    remote: str
    remote_port: int
    state: str
    pid: int | None = None
    inode: int | None = None
    owner: Confidence = "none"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `created` and `started` as in `Start`.

    `exe` is the path without "(deleted)", "memfd:NAME" for a memfd, empty for a kernel thread or when denied. `hidden`
    says how the process is hidden, empty when it is not. `denied` names the fields that we were not allowed to read.
    `container` names what owns it ("docker 0123456789ab"), empty for the host itself. `unit` is systemd's, by its control group.
    """

    pid: int
    ppid: int
    created: float
    name: str
    exe: str = ""
    deleted: bool = False
    memfd: bool = False
    sha256: str = ""
    cmdline: tuple[str, ...] = ()
    user: str = ""
    cwd: str = ""
    hidden: str = ""
    denied: tuple[str, ...] = ()
    container: str = ""
    unit: str = ""
    started: str = ""

    @property
    def start(self) -> Start:
        """With `pid` its identity."""
        return Start(self.created, self.started)


@dataclass(frozen=True, slots=True)
class Autostart:
    """One persistence entry: a cron line, a unit, a profile line, a key. `line` is 1-based, 0 for the whole file.

    `kind` is one of tasks.persistence's; `sha256` is of the whole file.
    """

    kind: str
    path: str
    line: int
    text: str
    owner: str = ""
    modified: float = 0.0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class FileSeen:
    """One file that is recent in a writable folder, hidden, or both."""

    path: str
    size: int
    mode: int
    owner: str
    modified: float
    changed: float
    sha256: str = ""
    executable: bool = False
    magic: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a collector could not look at, and why. "Not looked" never renders as "clean"."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class System:
    """What one look at the system around the processes showed, and what it could not see."""

    modules: tuple[Module, ...] = ()
    privileges: tuple[Privilege, ...] = ()
    packages: tuple[Package, ...] = ()
    logins: tuple[Login, ...] = ()
    logs: tuple[LogLine, ...] = ()
    unseen: tuple[Unseen, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one reading of a host showed. `boot` and `taken` are seconds since the epoch."""

    host: str
    taken: float
    boot: float
    connections: tuple[Connection, ...] = ()
    processes: tuple[Process, ...] = ()
    autostarts: tuple[Autostart, ...] = ()
    files: tuple[FileSeen, ...] = ()
    modules: tuple[Module, ...] = ()
    privileges: tuple[Privilege, ...] = ()
    packages: tuple[Package, ...] = ()
    logins: tuple[Login, ...] = ()
    logs: tuple[LogLine, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    windows: Windows | None = None
