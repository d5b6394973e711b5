"""SSH servers that let everybody in and then behave badly: too slow, too much, nothing at all. On loopback, in threads of this process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import paramiko

from tasks.settings import Host
from tasks.transports import ssh_keys
from tests.patience import BUSY

Behave = Callable[[paramiko.Channel, threading.Event], None]
KEY = paramiko.RSAKey.generate(2048)


def never(channel: paramiko.Channel, over: threading.Event) -> None:
    """Not even a yes or no to the command; and nothing is read from the wire meanwhile."""


class _Transport(paramiko.Transport):
    """Begins to behave once it has said yes to the command, which paramiko does after asking."""

    begin: threading.Thread

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if data.asbytes()[:1] == paramiko.common.cMSG_CHANNEL_SUCCESS:
            self.begin.start()


class _Everybody(paramiko.ServerInterface):
    def __init__(self, behave: Behave, over: threading.Event) -> None:
        self.behave, self.over = behave, over

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self.behave is never:
            self.over.wait(20 * BUSY)
        channel.transport.begin = threading.Thread(target=self._run, args=(channel,), daemon=True)  # type: ignore[attr-defined]
        return True

    def _run(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.behave(channel, self.over)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            channel.close()


@contextlib.contextmanager
def odd(behave: Behave) -> Iterator[Host]:
    """A server that answers every command with `behave`, as an inventory entry."""
    over, transports = threading.Event(), []

    def accept(sock: socket.socket) -> None:
        transport = _Transport(sock)
        transports.append(transport)
        transport.add_server_key(KEY)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=_Everybody(behave, over))

    with listening(accept) as port:
        yield Host(
            "odd", "127.0.0.1", "linux", "ssh", port, username="root", password="env:X",
            host_key=ssh_keys.line(KEY), timeout=15.0,
        )  # fmt: skip
        over.set()
        for transport in transports:
            transport.close()


@contextlib.contextmanager
def listening(accept: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are handed to `accept`, one thread each; they end with the block."""
    threads: list[threading.Thread] = []
    socks: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            socks.append(sock)
            threads.append(threading.Thread(target=accept, args=(sock,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        try:
            yield port
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join(5 * BUSY)
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            for thread in threads:
                thread.join(5 * BUSY)
