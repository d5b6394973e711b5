"""An SSH server for a laboratory device: paramiko's server side, one thread a session. Knows the wire; must know no command.

RFC 4252 (password) and RFC 4256 (keyboard-interactive). The host key is ed25519 (RFC 8709), made per run or given.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import socket
import threading
from io import StringIO
from tempfile import NamedTemporaryFile
from typing import Any

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko.kex_group14 import KexGroup14SHA256
from paramiko.server import InteractiveQuery

from lab.cli import Gone, Session
from lab.device import Device

# paramiko logs what clients do wrong; here that is a test's business, never a console's.
logging.getLogger("paramiko.lab").setLevel(logging.CRITICAL)


def new_key() -> str:
    """A fresh ed25519 private key in OpenSSH's format."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def offer_group_exchange() -> None:
    """Let paramiko's server speak RFC 4419, as a FortiGate does: with the 2048-bit prime of RFC 3526, whatever the machine has."""
    if paramiko.Transport._modulus_pack is None:  # type: ignore[attr-defined]
        with NamedTemporaryFile("w", suffix=".moduli") as file:
            file.write(f"20260101000000 2 6 100 2047 2 {KexGroup14SHA256.P:X}\n")
            file.flush()
            paramiko.Transport.load_server_moduli(file.name)


class Door(paramiko.ServerInterface):
    """Who may come in: one user with one password."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.user = ""
        self.shell = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return ",".join(self.device.logins)

    def check_auth_password(self, username: str, password: str) -> int:
        right = hmac.compare_digest(password.encode(), self.device.password.encode())
        account = self.device.account(username)
        if account != self.device.username or not right:
            return paramiko.common.AUTH_FAILED
        self.user = account
        return paramiko.common.AUTH_SUCCESSFUL

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        if "keyboard-interactive" not in self.device.logins:
            return paramiko.common.AUTH_FAILED
        self.user = username
        return InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return self.check_auth_password(self.user, responses[0]) if len(responses) == 1 else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return paramiko.common.OPEN_SUCCEEDED
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, *args: Any) -> bool:
        return True

    def check_channel_window_change_request(self, *args: Any) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        self.shell.set()
        return True


class Screen:
    """A channel as a terminal: echo, line editing as far as clients use it, and the fault that cuts the wire."""

    def __init__(self, channel: paramiko.Channel, device: Device) -> None:
        self.channel, self.device = channel, device
        self.sent = 0
        self.typed = b""
        self.after_return = False

    def write(self, text: str) -> None:
        data = text.replace("\n", self.device.newline).encode()
        limit = self.device.faults.cut_after
        if limit is not None and self.sent + len(data) > limit:
            self._send(data[: max(0, limit - self.sent)])
            raise Gone
        self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            self.channel.sendall(data)
        except OSError as error:
            raise EOFError from error
        self.sent += len(data)

    def key(self) -> str:
        if not self.typed:
            self.typed = self.channel.recv(4096)
        if not self.typed:
            raise EOFError
        key, self.typed = self.typed[:1], self.typed[1:]
        return key.decode("latin-1")

    def line(self, hidden: bool = False) -> str:
        line = ""
        while True:
            key = self.key()
            if key == "\n" and self.after_return:  # the second half of \r\n
                self.after_return = False
                continue
            self.after_return = key == "\r"
            if key in "\r\n":
                self.write("\n")
                return line
            line = self._edit(line, key, hidden)

    def _edit(self, line: str, key: str, hidden: bool) -> str:
        if key in "\b\x7f":
            if line and not hidden:
                self.write("\b \b")
            return line[:-1]
        if key == "\x04" and not line:
            raise EOFError
        if not key.isprintable():
            return line
        if not hidden:
            self.write(key)
        return line + key


class Sshd:
    """The server. Listens until `close`; `address` is where. `key` is a private key as `new_key` makes one."""

    def __init__(self, device: Device, address: tuple[str, int], key: str) -> None:
        offer_group_exchange()
        self.device = device
        self.key = paramiko.Ed25519Key(file_obj=StringIO(key))
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listener = socket.create_server(address, family=family, backlog=16)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._places = threading.BoundedSemaphore(device.max_sessions or 1000)
        self._transports: set[paramiko.Transport] = set()
        self._thread = threading.Thread(target=self._accept, name="lab-sshd", daemon=True)
        self._thread.start()

    @property
    def host_key(self) -> str:
        """The public host key as ssh-keyscan prints it, without the host."""
        return f"{self.key.get_name()} {self.key.get_base64()}"

    def close(self) -> None:
        """Stop listening and end every session."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for transport in tuple(self._transports):
            transport.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                client.close()  # the ASA takes the connection and drops it when its sessions are used up
                continue
            threading.Thread(target=self._serve, args=(client,), name="lab-ssh", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(client)
        transport.set_log_channel("paramiko.lab")
        self._transports.add(transport)
        try:
            self._session(transport)
        except (paramiko.SSHException, EOFError, OSError):
            pass  # a client that goes away in the middle is no fault of the server
        finally:
            transport.close()
            self._transports.discard(transport)
            self._places.release()

    def _session(self, transport: paramiko.Transport) -> None:
        door = Door(self.device)
        transport.add_server_key(self.key)
        transport.start_server(server=door)
        channel = transport.accept(30)
        if channel is None or not door.shell.wait(10):
            return
        Session(self.device, Screen(channel, self.device), door.user).run()
        channel.close()
