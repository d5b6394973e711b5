"""What the judges know beside the snapshot: the alert, the suspects, the owner's exceptions, the fence. Must not judge."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.beacon import Suspect, chain
from tasks.facts import Process, Snapshot
from tasks.model import Address, Remote
from tasks.settings import KnownGood

# Changed this close to a beacon's start, in seconds: an installer's work.
NEAR = 600.0


@dataclass(frozen=True, slots=True)
class Context:
    """The frame of one judgement.

    Args:
        remote: the indicator of the alert.
        suspects: the beacon's processes as `tasks.beacon.attribute` found them.
        known_good: the policy's destinations that are no incident (those that have expired left out).
        homes: the home folders, as real paths.
        now: seconds since the epoch.
        root: the host's root; on a drill's victim nothing outside it is judged.
        sha256: the hash that the alert named, if it did.
        marked: pids of processes that their own signs condemn, though no sample caught them with a socket to the remote.
    """

    remote: Remote
    suspects: tuple[Suspect, ...] = ()
    known_good: tuple[KnownGood, ...] = ()
    homes: tuple[str, ...] = ()
    now: float = 0.0
    root: str = "/"
    sha256: str = ""
    marked: frozenset[int] = frozenset()

    def suspect(self, process: Process) -> Suspect | None:
        """The suspicion that stands against this very process."""
        return next((s for s in self.suspects if s.pid == process.pid and s.created in (0.0, process.created)), None)

    def beacons(self, snapshot: Snapshot) -> list[Process]:
        """The processes that were seen talking to the remote or that their own signs condemn; a mere mention is left out."""
        return [p for p in snapshot.processes if (self.talks(p) or p.pid in self.marked) and self.judged(p)]

    def talks(self, process: Process) -> bool:
        """Was the process seen with a socket to the remote?"""
        suspect = self.suspect(process)
        return suspect is not None and suspect.confidence in ("medium", "high")

    def guilt(self, process: Process) -> str:
        """What stands against a process of `beacons`, in words."""
        return f"which talks to {self.remote}" if self.talks(process) else "which its own signs condemn"

    def near_start(self, snapshot: Snapshot, *times: float) -> bool:
        """Did one of these moments fall near the start of a beacon?"""
        starts = [p.created for p in self.beacons(snapshot) if p.created]
        return any(abs(time - start) <= NEAR for time in times for start in starts)

    def judged(self, process: Process) -> bool:
        """On a drill's victim only processes that run from its root, or stand in it, are judged."""
        return any(self.inside(path) for path in (process.exe, process.cwd)) or self.root == "/"

    def inside(self, path: str) -> bool:
        """Does the path lie in the host's root?"""
        return self.root == "/" or path == self.root or path.startswith(f"{self.root.rstrip('/')}/")

    def own(self, path: str) -> str:
        """The path as the host itself would name it: a drill's root taken away."""
        root = self.root.rstrip("/")
        return path.removeprefix(root) or "/" if root and self.inside(path) else path

    def home_of(self, path: str) -> str:
        """The home folder that the path lies in; empty for none."""
        return next((home for home in self.homes if path.startswith(f"{home.rstrip('/')}/")), "")

    def home_for(self, path: str) -> str:
        """The home folder that `~` means in this file: the one it lies in, or its owner's when it is a user's crontab."""
        user = path.rpartition("/")[2] if "/spool/cron/" in path else ""
        named = (home for home in self.homes if user and home.rpartition("/")[2] == user)
        return self.home_of(path) or next(named, "")

    def good(self, address: Address) -> KnownGood | None:
        """The owner's exception for this destination; never for the remote itself."""
        if address == self.remote.address:
            return None
        return next((k for k in self.known_good if address in k.network), None)


def parents(snapshot: Snapshot, process: Process) -> tuple[Process, ...]:
    """The ancestors of a process, the nearest first."""
    return chain(snapshot.processes, process.pid)[1:]
