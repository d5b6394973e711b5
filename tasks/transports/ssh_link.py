"""The one connection to a host and the shell on it: opened at the first word, anew when it broke, never to another boot unseen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import paramiko

from tasks.model import ConfigError, TargetError, Unreachable, inert, parse_address, parse_port
from tasks.settings import Host, Site
from tasks.transports import ssh
from tasks.transports.ssh_session import Session, started
from tasks.transports.ssh_wire import Wire

Resolve = Callable[[str], str]
# Seconds until sshd counts a session that was closed no more.
MAKING_ROOM = 0.2
SCRIPTS = ("session.sh", "look.sh", "change.sh")


class Link:
    """A host over SSH.

    Args:
        host: whom to reach.
        site: where jump hosts are looked up.
        secret: resolves a credential reference, at the moment of use.
    """

    def __init__(self, host: Host, site: Site, secret: Resolve) -> None:
        self.host, self._site, self._secret = host, site, secret
        self._open = ExitStack()
        self._transport: paramiko.Transport | None = None
        self._session: Session | None = None
        self.boot = ""

    def close(self) -> None:
        """Let go of the connection; what was known of the boot stays known."""
        self._session = self._transport = None
        self._open.close()

    def session(self) -> Session:
        """The shell that stays, a new one if the last one ended.

        Raises:
            Unreachable: no way leads there, or the host was booted anew since the last look.
            TargetError: sudo refused, or no shell answers.
        """
        if self._session is None or self._session.closed or not self.alive():
            self._session = Session(self._fresh(), self.host.name)
            self._same_boot(self._session)
        return self._session

    def channel(self) -> Wire:
        """A shell for one verb that needs a channel for itself. Where sshd allows one session at a time, the one that stays makes room."""
        session, connection, tries = self.session(), self._transport, 5
        while True:
            try:
                return self._shell(("session.sh", "change.sh", "stream.sh"), "obey_once")
            except Unreachable:
                session.close()
                tries -= 1
                # Never on a new connection: it may lead to another boot, which only `session` looks for.
                if not tries or self._transport is not connection or not self.alive():
                    raise
            time.sleep(MAKING_ROOM)

    def came_from(self) -> tuple[str, int]:
        """The runner's address as the host sees it, and the host's port that we came to.

        Raises:
            Unreachable: the host's sshd does not tell.
        """
        words = self.session().ask("came_from", (), 2 * self.host.timeout).decode("ascii", "replace").split()
        try:
            return str(parse_address(words[0].partition("%")[0])), parse_port(words[3])
        except (IndexError, ConfigError):
            raise Unreachable(
                f"ask {self.host.name} where we come from",
                f"it says {inert(' '.join(words), 100)!r}",
                "its sshd sets no SSH_CONNECTION: isolate it by the firewall instead",
            ) from None

    def renewed(self) -> str:
        """Log in anew, beside the connection that stands, and have a shell answer.

        Raises:
            Unreachable: no new connection came about, or it ended at another boot.
        """
        with closing(Link(self.host, self._site, self._secret)) as other:
            other.boot = self.boot
            address, port = other.came_from()
        return f"a new SSH login from {address} to port {port} of {self.host.name}, and its shell answered"

    def _fresh(self) -> Wire:
        """A shell that stays. A connection that broke a moment ago does not know of it yet: then on a new one."""
        stood = self.alive()
        try:
            return self._shell(SCRIPTS, "obey")
        except Unreachable:
            if not stood:
                raise
            self.close()
            return self._shell(SCRIPTS, "obey")

    def _shell(self, scripts: tuple[str, ...], function: str) -> Wire:
        return started(self._connection(), self.host, self._secret, scripts, function)

    def alive(self) -> bool:
        """False when the connection was never opened, or broke."""
        return self._transport is not None and self._transport.is_active()

    def _connection(self) -> paramiko.Transport:
        if self._transport is None or not self.alive():
            self.close()
            try:
                client = self._open.enter_context(ssh.connected(self.host, self._secret, self._site))
            except Unreachable as error:
                raise self._gone(error) from None
            self._transport = ssh.transport_of(client)
        return self._transport

    def _gone(self, error: Unreachable) -> Unreachable:
        if not self.boot:
            return error
        return Unreachable(error.tried, error.seen, "it answered before in this run: is it rebooting? try again later")

    def _same_boot(self, session: Session) -> None:
        """Two boots are two hosts, as far as processes and sockets go."""
        boot = inert(session.ask("hello", (), 2 * self.host.timeout).decode("ascii", "replace").split("\n")[0])
        before, self.boot = self.boot, boot
        if before not in ("", boot):
            raise Unreachable(
                f"go on with {self.host.name}",
                "it was booted anew since hemostat looked: every process and socket is another one",
                "redo triage: `hemostat resume ID --redo triage`",
            )
        if not boot:
            raise TargetError(f"look at {self.host.name}", "it has no /proc/sys/kernel/random/boot_id", "is it Linux?")
