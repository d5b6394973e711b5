"""The control host's own traffic: one message after another to a server on the internet, each written down. Knows one connection."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

from lab.netns import kernel

INTERVAL = 0.1


def started(server: tuple[str, int], log: Path) -> None:
    """A process of its own that says and writes down messages for as long as its host is up."""
    kernel.forked(lambda: beat(server, log))


def beat(server: tuple[str, int], log: Path) -> None:
    """Say a line over a new connection every INTERVAL seconds, for ever; a line of JSON for each: when, and whether it was answered."""
    kernel.named("metrics-agent")
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while True:
        at = time.time()
        os.write(handle, json.dumps({"at": at, "answered": answered(server)}).encode() + b"\n")
        time.sleep(max(0.0, at + INTERVAL - time.time()))


def answered(server: tuple[str, int]) -> bool:
    """One message and its answer: the way there is found within a second; a server that has no processor for a while may be slow."""
    try:
        with socket.create_connection(server, timeout=1) as sock:
            sock.settimeout(20)
            sock.sendall(b"control\n")
            return sock.recv(16) == b"ok\n"
    except OSError:
        return False


def lost(log: Path) -> tuple[int, int]:
    """How many messages there were, and how many had no answer."""
    lines = log.read_text().splitlines() if log.exists() else []
    seen = [json.loads(line)["answered"] for line in lines if line.endswith("}")]
    return len(seen), seen.count(False)
