"""One session a device at a time, across processes: a kernel lock (flock) that ends with its holder. Knows no device."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.model import Unreachable
from tasks.settings import Host

# A commit of another run of ours may take the platform's whole patience (PAN-OS: 300 s).
LOCK_WAIT = 330.0


@contextlib.contextmanager
def held(path: Path, host: Host) -> Iterator[None]:
    """Hold the device's lock file for one `with` block; Unreachable when another run keeps it too long."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(handle, host)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, host: Host) -> None:
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"open {host.name}",
                    f"another run of ours has held it for {LOCK_WAIT:.0f} s",
                    "look at that run, then resume",
                ) from None
            time.sleep(0.01)
