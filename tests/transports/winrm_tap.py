"""A listener on the wire: passes bytes on between a client and a server, and keeps all of them."""

from __future__ import annotations

import select
import socket

from lab.relay import Endpoint, Server


class Tap(Server):
    """Stands before the server at that port of 127.0.0.1; `seen` is what passed, both directions together."""

    def __init__(self, port: int) -> None:
        self.port, self.seen = port, bytearray()
        super().__init__(("127.0.0.1", 0))

    def serve(self, client: socket.socket, peer: Endpoint) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as far:
            other = {client: far, far: client}
            while True:
                for source in select.select([client, far], [], [])[0]:
                    if not (data := source.recv(65536)):
                        return
                    self.seen += data
                    other[source].sendall(data)
