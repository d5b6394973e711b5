"""The WS-Management laboratory's HTTP and HTTPS side: one thread a connection, loopback only. Knows no action and no shell."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab.wsman.certificate import Certificate
from lab.wsman.faults import Faults
from lab.wsman.logins import Account, Login, Refused
from lab.wsman.machine import Machine
from lab.wsman.sealed import NotSealed, opened, sealed
from lab.wsman.shells import Service

SOAP = "application/soap+xml;charset=UTF-8"
LARGEST = 4 << 20


class Gone(Exception):
    """The connection was cut, by a fault of ours."""


class Wsman:
    """A WinRM listener on 127.0.0.1.

    Args:
        machine: what runs the commands.
        account: who may log in.
        certificate: serves https with it; None serves http, where messages must be sealed.
        faults: the knobs, to be turned at any time.
        clients: the client certificates that TLS takes, as their own authorities.
        admits: does the host's own firewall let the caller's packets in? Asked at each message and before each answer.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        machine: Machine,
        account: Account,
        certificate: Certificate | None = None,
        faults: Faults | None = None,
        clients: Certificate | None = None,
        port: int = 0,
        admits: Callable[[], bool] = lambda: True,
    ) -> None:
        self.admits = admits
        self.account, self.faults, self.certificate = account, faults or Faults(), certificate
        self.service = Service(machine, self.faults)
        self.tls = _tls(certificate, clients) if certificate else None
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self._http = _Listener(("127.0.0.1", port), self)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="lab-wsman", daemon=True)
        self._thread.start()

    @property
    def log(self) -> list[str]:
        """The actions that were worked on, in their order."""
        return self.service.log

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/wsman"

    def drop(self) -> None:
        """Cut every connection that stands."""
        for connection in tuple(self.connections):
            _shut(connection)

    def close(self) -> None:
        """Stop listening, end every shell and connection."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self.service.stop()
        self.drop()
        self._thread.join(5)


def _tls(certificate: Certificate, clients: Certificate | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    if clients:
        context.load_verify_locations(clients.file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], lab: Wsman) -> None:
        self.lab = lab
        super().__init__(address, _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no fault of the server."""


class _Connection(BaseHTTPRequestHandler):
    """One connection; its login belongs to it."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Microsoft-HTTPAPI/2.0", ""
    disable_nagle_algorithm = True
    timeout = 120
    server: _Listener

    def setup(self) -> None:
        lab = self.server.lab
        if lab.tls:
            self.request = lab.tls.wrap_socket(self.request, server_side=True)
        lab.connections.add(self.request)
        super().setup()
        client = self.request.getpeercert(True) if lab.tls else None
        self.login = Login(lab.account, lab.faults, lab.certificate.der if lab.certificate else b"", client or b"")

    def finish(self) -> None:
        self.server.lab.connections.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test reads `Wsman.log`."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate((timestamp or time.time()) + self.server.lab.faults.clock, usegmt=True)

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > LARGEST:
            return self._reply(413, b"")
        body = self.rfile.read(size)
        if not self.server.lab.admits():
            return self._dropped()
        page = self.server.lab.faults.page
        if page:
            return self._reply(200, page.encode(), "text/html")
        if self.path.rstrip("/") != "/wsman":
            return self._reply(404, b"")
        try:
            user, token = self.login.admit(self.headers.get("Authorization") or "")
        except Refused as refused:
            return self._reply(401, b"", "", [refused.token] if refused.token else self.login.offers)
        with contextlib.suppress(Gone):
            self._message(body, user, [token] if token else [])
        return None

    def _message(self, body: bytes, user: str, authenticate: list[str]) -> None:
        """An empty body only logs in. On http nothing is taken unsealed: AllowUnencrypted is false."""
        if not body:
            return self._reply(200, b"", "", authenticate)
        context, lab = self.login.seals, self.server.lab
        kind = self.headers.get("Content-Type") or ""
        seal = context if kind.startswith("multipart/") else None
        if lab.tls is None and seal is None:
            return self._reply(400 if kind.startswith("multipart/") else 500, b"", "", authenticate)
        try:
            message = opened(seal, kind, body) if seal else body
        except NotSealed:
            return self._reply(400, b"")
        action, status, answer = lab.service.handle(message, user)
        kind, answer = sealed(seal, answer) if seal else (SOAP, answer)
        cut, held = lab.faults.answer(action)
        lab.closing.wait(held)
        if cut and cut.restart:
            lab.service.stop()
        if not lab.admits():
            return self._dropped()
        return self._reply(status, answer, kind, authenticate, cut.after if cut else None)

    def _dropped(self) -> None:
        """The host's firewall ends the flow; here the caller sees it at once, not after a time-out."""
        self.close_connection = True
        _shut(self.request)

    def _reply(
        self, status: int, body: bytes, kind: str = "", authenticate: list[str] | None = None, after: int | None = None
    ) -> None:
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Server: {self.server_version}",
            f"Date: {self.date_time_string()}",
            *(f"WWW-Authenticate: {line}" for line in authenticate or []),
            *([f"Content-Type: {kind}"] if kind else []),
            f"Content-Length: {len(body)}",
        ]
        head = "\r\n".join([*lines, "", ""]).encode()
        self.wfile.write((head + body)[:after])
        if after is not None:
            self.close_connection = True
            self.wfile.flush()
            _shut(self.request)
            raise Gone
