"""A control group of a range's own, for a host whose process 1 is systemd. Knows cgroup2's folder; must not know what runs in it.

cgroups(7): the kernel ends no group with its processes, so an empty one may be left behind after SIGKILL. Whoever makes the next one takes
those away that hold no process any more.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PREFIX = "hemostat-range-"
TRIES = 20


def mounted() -> Path | None:
    """Where the machine has its cgroup2 (proc_pid_mountinfo(5)); None where it has none."""
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split(" ")[4])
    return None


def missing() -> str:
    """Why no group can be made here, in words with what to do; or nothing."""
    place = mounted()
    if place is None:
        return "no cgroup2 is mounted here: mount -t cgroup2 none /sys/fs/cgroup/unified, or take a machine that has it"
    tried = place / f"{PREFIX}{secrets.token_hex(6)}"
    try:
        tried.mkdir()
        with suppress(FileNotFoundError):
            tried.rmdir()
    except OSError as error:
        return f"no control group can be made below {place}: {error.strerror}"
    return ""


def join() -> Path:
    """Move this process into a new group of its own; that group's folder.

    Raises:
        OSError: none can be made here; `missing` says why.
    """
    place = mounted()
    for _ in range(TRIES):
        group = (place or Path("/nonexistent")) / f"{PREFIX}{secrets.token_hex(6)}"
        # Another range may sweep it away while it is empty still.
        with suppress(FileNotFoundError):
            group.mkdir()
            (group / "cgroup.procs").write_text("0")  # the writer
            return group
    raise OSError(f"no control group stays below {place}")


def sweep() -> None:
    """Take away the groups of ranges that are gone. One that holds a process stays: the kernel refuses."""
    place = mounted()
    for group in place.glob(f"{PREFIX}*") if place else ():
        with suppress(OSError):
            if "populated 0" in (group / "cgroup.events").read_text():
                _remove(group)


def _remove(group: Path) -> None:
    for folder in (*_below(group), group):
        folder.rmdir()


def _below(group: Path) -> Iterator[Path]:
    """The innermost first."""
    for folder, names, _ in os.walk(group, topdown=False):
        yield from (Path(folder) / name for name in names)
