"""The C2 listener: takes beacons' messages and writes down when each came. Knows lines of bytes; must not know firewalls."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.relay import Endpoint, Server

LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `at` seconds since the epoch, its size in bytes, the connection (numbered from 1), its text."""

    at: float
    size: int
    connection: int
    text: str


class C2(Server):
    """Answers every line with `ok` and appends it to `log` (JSON Lines), so that it can be counted afterwards."""

    def __init__(self, address: Endpoint, log: Path) -> None:
        self._log = log.open("a", encoding="ascii")
        self._write = threading.Lock()
        self._connections = 0
        super().__init__(address)

    def serve(self, client: socket.socket, peer: Endpoint) -> None:
        with self._write:
            self._connections += 1
            number = self._connections
        with client.makefile("rb") as lines:
            while line := lines.readline(LIMIT):
                self._record(Message(time.time(), len(line), number, line.decode("ascii", "replace").strip()))
                client.sendall(b"ok\n")

    def _record(self, message: Message) -> None:
        with self._write:
            self._log.write(json.dumps(asdict(message)) + "\n")
            self._log.flush()

    def close(self) -> None:
        super().close()
        with self._write:
            self._log.close()


def messages(log: Path) -> list[Message]:
    """What a C2 has written down so far; nothing where there is no log. A last line that is still being written is left out."""
    if not log.exists():
        return []
    whole, _, _ = log.read_text("ascii").rpartition("\n")
    return [Message(**json.loads(line)) for line in whole.splitlines()]
