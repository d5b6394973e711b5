"""A firewall's data path on loopback: a TCP relay that asks the device. Knows sockets; must know no vendor and no rule.

It listens at the address that stands for the C2's public one. A kernel completes the handshake before a relay sees it, so a
denied connection is reset right after it instead of before: the one difference from a firewall in the path.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from ipaddress import ip_address

from lab.device import Conn, Device, Flow

Endpoint = tuple[str, int]
_RESET = struct.pack("ii", 1, 0)


def reset(sock: socket.socket) -> None:
    """Arrange that the socket's close is an RST, not a FIN (socket(7), SO_LINGER with no time)."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Server:
    """A listener with one thread for each connection; `serve` is the subclass's. Ends with `close`."""

    def __init__(self, address: Endpoint) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listener = socket.create_server(address, family=family, backlog=64)
        self.address: Endpoint = self._listener.getsockname()[:2]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name=type(self).__name__, daemon=True)
        self._thread.start()

    def serve(self, client: socket.socket, peer: Endpoint) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Stop listening and reset what is open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        with self._lock:
            for client in self._open:
                abort(client)

    def _accept(self) -> None:
        while True:
            try:
                client, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            threading.Thread(target=self._one, args=(client, peer[:2]), daemon=True).start()

    def _one(self, client: socket.socket, peer: Endpoint) -> None:
        try:
            with client:
                self.serve(client, peer)
        except OSError:
            pass  # a peer that goes away is what happens here
        finally:
            with self._lock:
                self._open.discard(client)


def abort(sock: socket.socket) -> None:
    """Wake whoever waits on the socket and let its close be a reset."""
    reset(sock)
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Relay(Server):
    """From `front` to `back`, as far as the device admits it."""

    def __init__(self, device: Device, front: Endpoint, back: Endpoint) -> None:
        self.device, self.back = device, back
        super().__init__(front)

    def serve(self, client: socket.socket, peer: Endpoint) -> None:
        flow = Flow(ip_address(peer[0]), peer[1], ip_address(self.address[0]), self.address[1])
        if not self.device.admit(flow):
            reset(client)
            return
        with socket.create_connection(self.back, timeout=5) as far:

            def end() -> None:
                abort(client)
                abort(far)

            conn = Conn(flow, end)
            self.device.conns.add(conn)
            try:
                _pump(conn, client, far)
            finally:
                self.device.conns.remove(conn)


def _pump(conn: Conn, near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    other = {near: far, far: near}
    while True:
        ready, _, _ = select.select([near, far], [], [])
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            other[source].sendall(data)
            conn.carry(len(data))
