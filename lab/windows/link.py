"""The simulated beacon's real connection: a socket from the victim's address to the remote's. Knows sockets; must not know a script."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass

from lab.relay import Endpoint, abort
from lab.windows.host import Windows

PATIENCE = 2.0
_STATES = {1: "Established", 8: "CloseWait"}


@dataclass(frozen=True, slots=True)
class Socket:
    """One row of the host's table."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    state: str
    pid: int


class Link:
    """Talks while the host's beacon lives and nothing stops it, one line an interval.

    Args:
        host: whose beacon it is.
        source: the victim's own address, on loopback.
        remote: the command-and-control server, as the victim sees it.
        interval: seconds between two messages.
    """

    def __init__(self, host: Windows, source: str, remote: Endpoint, interval: float) -> None:
        self.host, self.source, self.remote, self.interval = host, source, remote, interval
        self.messages = 0
        self._socket: socket.socket | None = None
        self._pid = self._port = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lab-beacon", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; a second call does nothing."""
        self._ended.set()
        self._drop()
        self._thread.join(5)

    def sockets(self) -> list[Socket]:
        """The sockets to the remote as the host's table has them now."""
        pid, port = self._pid, self._port
        if not pid or pid != self.host.beacon:
            return []
        state = _STATES.get(self._tcp(), "") if self._socket is not None else "SynSent"
        if not state:  # closed from the other side: Windows has no row for it any more
            return []
        return [Socket(self.source, port, *self.remote, state, pid)]

    def _tcp(self) -> int:
        """The kernel's own state of the socket (tcp(7), TCP_INFO)."""
        try:
            return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] if self._socket else 0
        except OSError:
            return 0

    def _work(self) -> None:
        while not self._ended.is_set():
            self.host.tick()
            pid = self.host.beacon
            if pid != self._pid:
                self._drop()
                self._pid = pid
            if pid:
                self._say(pid)
            self._ended.wait(self.interval)

    def _say(self, pid: int) -> None:
        if self.host.denies(*self.remote):
            return self._drop()
        try:
            sock = self._socket or self._dial()
            sock.sendall(f"{pid} from the simulated Windows\n".encode())
            if not sock.recv(64):
                raise OSError("closed")
            self._socket, self.messages = sock, self.messages + 1
        except OSError:
            self._drop()
        return None

    def _dial(self) -> socket.socket:
        sock = socket.create_connection(self.remote, PATIENCE, (self.source, 0))
        self._port = sock.getsockname()[1]
        self._socket = sock
        return sock

    def _drop(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            abort(sock)
            with contextlib.suppress(OSError):
                sock.close()
