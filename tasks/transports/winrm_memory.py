"""One process's memory on a Windows host, by the procdump that its owner staged there. Knows one script; must not know why it is wanted."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import BinaryIO

from tasks.model import HemostatError, Json, Refused, TargetError
from tasks.transports import winrm_files
from tasks.transports.hands import Fetched
from tasks.transports.winrm import Client
from tasks.transports.winrm_frame import shipped

# Seconds that procdump may take.
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Whose:
    """Exactly one process: its pid, its start in seconds since the epoch, its file."""

    pid: int
    created: float
    exe: str


def dump(client: Client, whose: Whose, into: BinaryIO, limit: int) -> Fetched:
    """A full minidump, copied; the file that procdump wrote there is removed afterwards.

    Raises:
        Refused: the inventory names no tool ("procdump").
        TargetError: it is not that process (any more), one that is never copied, or the tool is not what it should be.
    """
    tool = client.host.winrm.procdump
    if not tool:
        seen = "Windows lets no script read another process's memory, and the inventory names no tool for it"
        raise Refused("procdump", seen, "put a signed procdump on the host and name its path in winrm.procdump")
    asked: dict[str, Json] = {
        "pid": whose.pid,
        "created": whose.created,
        "exe": whose.exe,
        "tool": tool,
        "limit": limit,
    }
    try:
        path = _said(client, "act", asked)
        there = winrm_files.stream(client, path, into, limit)
    except HemostatError:
        with contextlib.suppress(HemostatError):  # what went wrong first is what is told
            _said(client, "clean", asked)
        raise
    _said(client, "clean", asked)
    return Fetched(there.hashed, there.sha256, there.hashed < there.size)


def _said(client: Client, verb: str, asked: dict[str, Json]) -> str:
    """Where the dump is, as the host says."""
    data = json.dumps({**asked, "do": verb, "seconds": PATIENCE}).encode()
    try:
        return str(json.loads(client.run_script(shipped("dump"), data, 2 * PATIENCE))["path"])
    except (ValueError, KeyError, TypeError):
        raise TargetError("read the answer of dump", "it lacks what was asked", "look at the host by hand") from None
