"""The drill's beacon where there is no C compiler: beacon.c in Python, run by a copied interpreter. Imports the standard library only.

Reads .sync.conf beside itself. It ends when standard input ends, when its parent dies, and after its lifetime in any case.
"""

import ctypes
import os
import random
import select
import signal
import socket
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def rest(seconds: float) -> None:
    """Wait, but not longer than the range lives."""
    if select.select([0], [], [], seconds)[0] and not os.read(0, 1):
        sys.exit(0)


def dial(server: str, port: int, source: str) -> socket.socket | None:
    try:
        return socket.create_connection((server, port), timeout=2, source_address=(source, 0))
    except OSError:
        return None


def beat(sock: socket.socket, count: int) -> bool:
    try:
        sock.sendall(f"beacon {os.getpid()} {count}\n".encode())
        return bool(sock.recv(16))
    except OSError:
        return False


def visit(sock: socket.socket, mode: str, interval: float) -> int:
    """One connection; how many messages were answered."""
    answered = 0
    with sock:
        while beat(sock, answered + 1):
            answered += 1
            if mode != "keepalive":
                break
            rest(interval * random.uniform(0.8, 1.2))  # noqa: S311
    return answered


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    server, port, source, mode, interval, lifetime = Path(__file__).with_name(".sync.conf").read_text().split()
    signal.alarm(int(lifetime))
    backoff = 1
    while True:
        sock = dial(server, int(port), source)
        backoff = 1 if sock and visit(sock, mode, float(interval)) else min(4, backoff * 2)
        rest(float(interval) * random.uniform(0.8, 1.2) * backoff)  # noqa: S311


if __name__ == "__main__":
    main()
