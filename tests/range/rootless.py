"""Becomes a user of no rights who has subordinate ids, in a mount namespace of its own, and runs a command. Run as root by a test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lab.netns import kernel

UID = 4242
FILES = {
    "passwd": f"olive:x:{UID}:{UID}::/:/bin/sh\n",
    "subuid": "olive:500000:65536\n",
    "subgid": "olive:500000:65536\n",
}


def known(folder: Path, ids: bool) -> None:
    """/etc knows the user, for this namespace alone, and which ids are his beside his own."""
    for name, line in FILES.items():
        real = Path("/etc") / name
        real.touch()
        made = folder / name
        made.write_text(f"{real.read_text()}{line}" if name == "passwd" else line * ids)
        made.chmod(0o644)
        kernel.bind(made, real)


def opened(paths: list[Path]) -> None:
    """Let everybody reach these folders: one that is closed to others is covered, and what is wanted below it put back."""
    held = [(path, os.open(path, os.O_PATH)) for path in paths]
    closed_ones = {folder for path in paths for folder in path.parents if not folder.stat().st_mode & 0o001}
    for closed in filter(Path.exists, sorted(closed_ones)):  # an outer one takes the inner ones away
        kernel.mount("tmpfs", closed, "tmpfs", options="mode=755")
    for path, handle in held:
        if not path.exists():
            path.mkdir(parents=True)
            kernel.bind(Path(f"/proc/self/fd/{handle}"), path)


def main() -> None:
    """Argument vector: `ids` or `none`, a folder that he may write, those that he must reach (with colons between), the command."""
    ids, home, wanted, *command = sys.argv[1:]
    kernel.unshare(kernel.NEWNS)
    kernel.mount("none", Path("/"), flags=kernel.REC | kernel.PRIVATE)
    etc = Path(home).parent / "etc"
    etc.mkdir()
    known(etc, ids == "ids")
    opened([Path(word) for word in wanted.split(":")])
    os.chown(home, UID, UID)
    os.chdir(home)
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)
    os.execve(
        command[0],
        command,
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home, "PYTHONPATH": os.environ["PYTHONPATH"]},
    )


if __name__ == "__main__":
    main()
