"""What a transport can do on a host: look, fetch, change. Knows the verbs; must not know why anyone would say them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from tasks.facts import Autostart, Connection, FileSeen, Process, Start, System, Unseen
from tasks.facts_windows import Windows
from tasks.model import Json, Remote


@dataclass(frozen=True, slots=True)
class Stat:
    """One file's metadata, taken without following a last symbolic link. Times are seconds since the epoch."""

    path: str
    size: int
    mode: int
    uid: int
    gid: int
    modified: float
    inode: int
    device: int
    link: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a program: its exit status and what it printed."""

    status: int
    out: bytes
    err: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: bytes written, SHA-256 as read on the host, True if the limit cut it off, what is missing in words."""

    size: int
    sha256: str
    cut: bool = False
    gaps: tuple[str, ...] = ()


class Hands(Protocol):
    """A host within reach. Paths are the host's own; a drill's transport maps them below the victim's root.

    Raises TargetError for what the host refuses and Unreachable when it does not answer.
    """

    root: str

    def close(self) -> None:
        """Let go of the connection, if there is one; the next verb opens it anew."""

    def homes(self) -> Sequence[str]:
        """The home folders of the host's users, as real paths."""

    def boot_time(self) -> float: ...

    def blind(self) -> Sequence[Unseen]:
        """What this way of looking cannot see on the host as a whole: not root, a hidepid /proc, a scan that ran out of time.

        Asked after `connections` and `processes`, it also tells what these left out.
        """

    def connections(self) -> Sequence[Connection]:
        """One sample of every TCP and UDP socket, v4 and v6, with its owner where it can be seen."""

    def watch(self, remote: Remote, seconds: float) -> Sequence[Connection]:
        """Look for sockets to the remote that live shorter than the pause between two samples, up to the first owned one.

        A transport that cannot look that often only waits those seconds.
        """

    def processes(self, pids: Sequence[int] | None = None) -> Sequence[Process]:
        """All processes (or these), also those that the listing hides; executables hashed."""

    def autostarts(self) -> tuple[Sequence[Autostart], Sequence[Unseen]]:
        """Every persistence entry that can be read, and what could not be."""

    def files(self, since: float) -> tuple[Sequence[FileSeen], Sequence[Unseen]]:
        """Files changed after `since` in writable folders, and hidden ones there; bounded in depth and number."""

    def system(self, parts: Sequence[str], since: float, starts: Sequence[float], exes: Sequence[str]) -> System:
        """The system around the processes: kernel modules, privileged files, packages, logins, log lines.

        Args:
            parts: which of System's fields are wanted; the others stay empty.
            since: seconds since the epoch; what is older is left out where a part has an age.
            starts: when the suspects started, in seconds since the epoch: log lines near these are read.
            exes: programs whose package is asked for.
        """

    def details(self, pid: int) -> dict[str, bytes]:
        """Volatile texts of one process by name: cmdline, environ, maps, status, open_files, limits, cgroup, mounts."""

    def stat(self, path: str) -> Stat | None: ...

    def sha256(self, path: str) -> str: ...

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of a file."""

    def fetch(self, path: str, into: BinaryIO, limit: int) -> Fetched:
        """Copy a file (also /proc/PID/exe, so a deleted one) to the runner, hashed while it is read."""

    def memory(self, pid: int, start: Start, into: BinaryIO, limit: int) -> Fetched:
        """Copy the readable memory of exactly that process as an ELF core file (tasks.memory), at most `limit` bytes of it.

        The process is not stopped. Device mappings and the kernel's own pages are left out; `gaps` tells what is not in the copy.

        Raises:
            Refused: a kernel thread, init, hemostat itself, its ancestors or the way that it came by ("self"), or outside ("fence").
            TargetError: it is not that process (any more), or the kernel does not let us.
        """

    def came_from(self) -> tuple[str, int] | None:
        """The address that our connection comes from as the host sees it, and the host's port that it came to; None where there is none.

        For this very host that is the operator's own login, if it came over SSH.

        Raises:
            Unreachable: the host does not tell: whoever is to be spared from a drop is not known.
        """

    def renew(self, own: Sequence[str]) -> str:
        """Prove the way with a *new* connection and say what was proved; an old one may live on where no new one gets through.

        Args:
            own: addresses of the owner's; a local host, which has no connection, must get an answer from one of them.

        Raises:
            Unreachable: no new connection came about.
        """

    def shipped(self, name: str, arguments: Mapping[str, Json], timeout: float = 120.0) -> Json:
        """Run one of the scripts that are shipped for Windows, by its name, and give its answer; `timeout` in seconds.

        Raises:
            TargetError: this is no Windows host, or the script failed.
        """

    def windows(self, since: float, pids: Sequence[int]) -> tuple[Windows | None, Sequence[Unseen]]:
        """What only a Windows host shows, and what of it could not be seen; None on any other.

        Args:
            since: seconds since the epoch; events and files that are older are left out.
            pids: the suspects, whose modules are wanted.
        """

    def replace(self, path: str, data: bytes, expect_sha256: str) -> None:
        """Put new content in a file's place (temporary file, fsync, rename; owner and mode kept) if its hash still is the expected one."""

    def move(
        self,
        source: str,
        target: str,
        mode: int,
        expect_sha256: str = "",
        into: tuple[int, int] | None = None,
    ) -> None:
        """Rename within one file system, never over anything, and set the mode; only the file of that hash, if one is given.

        With `into` (device, inode) the target's folder must be that very one; without, it is created (0700) if it is missing.
        """

    def signal(self, pid: int, start: Start, number: int) -> bool:
        """Signal a process if pid *and* start still fit; False when it is gone."""

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 30.0) -> Ran:
        """Run a program by its argument vector; no shell."""
