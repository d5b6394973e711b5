"""SSH with paramiko: a tuned socket, strict host keys, jump hosts, one exec channel. Knows no platform and no incident."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence

import paramiko

from tasks.model import ConfigError, TargetError, Unreachable, inert
from tasks.settings import Host, Site
from tasks.transports import ssh_keys
from tasks.transports.hands import Ran
from tasks.transports.ssh_wire import Late, Wire

Resolve = Callable[[str], str]
Socket = socket.socket | paramiko.Channel
OUTPUT_LIMIT = 64 * 1024 * 1024
KEEPALIVE = 15

# Fast and modern first (RFC 8731, RFC 5647): measured at 27 ms a connect where paramiko's own order takes 80 ms.
KEX = ("curve25519-sha256@libssh.org", "curve25519-sha256")
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

_SIGNED = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}

# paramiko's thread logs what it also raises; the message that people get is the raised one.
logging.getLogger("paramiko.transport").addHandler(logging.NullHandler())


def dial(host: Host) -> socket.socket:
    """A connected socket without Nagle's delay, which paramiko never switches off.

    Raises:
        Unreachable: nothing answers at the host's address and port within its time-out.
    """
    port = host.port or 22
    try:
        sock = socket.create_connection((host.hostname, port), timeout=host.timeout)
    except OSError as error:
        raise Unreachable(
            f"connect to {host.name} at {host.hostname} port {port}",
            error.strerror or str(error) or type(error).__name__,
            "is it up, is the address right, does a firewall stand between?",
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def route(host: Host, site: Site | None) -> tuple[Host, ...]:
    """The jump hosts in order, the first hop's own way before it.

    Raises:
        ConfigError: a name is not in the inventory, or the way leads through a host twice.
    """
    hops: list[Host] = []
    names = list(host.ssh.jump)
    if names and site is None:
        raise ConfigError(f"reach {host.name}", "jump hosts are for transport ssh", "take out ssh: {jump: …}")
    while names and site:
        first, *rest = (site.host(name) for name in names)
        hops = [first, *rest, *hops]
        names = list(first.ssh.jump)
        if len({hop.name for hop in (*hops, host)}) <= len(hops):
            raise ConfigError(
                f"find the way to {host.name}", "its jump hosts lead in a circle", "correct ssh: {jump: …}"
            )
    return tuple(hops)


@contextlib.contextmanager
def connected(host: Host, secret: Resolve, site: Site | None = None) -> Iterator[paramiko.SSHClient]:
    """An authenticated client for one `with` block. Unknown host keys are refused; keys in ~/.ssh are not tried, an agent only if told.

    Args:
        host: where, as whom, and the host key pin; without a pin the user's known_hosts decides.
        secret: resolves a credential reference.
        site: where jump hosts are looked up; each has its own credentials and its own pin.

    Raises:
        Unreachable: no answer, a wrong host key, or the login was refused.
        ConfigError: a private key cannot be read, or a jump host is not there.
    """
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(_path(stack, host, secret, site))
        yield stack.enter_context(_login(host, secret, sock))


@contextlib.contextmanager
def _path(stack: contextlib.ExitStack, host: Host, secret: Resolve, site: Site | None) -> Iterator[Socket]:
    """A connection to the host's SSH port, over its jump hosts, which the stack holds."""
    hops = (*route(host, site), host)
    sock: Socket = dial(hops[0])
    stack.callback(sock.close)
    for hop, following in itertools.pairwise(hops):
        client = stack.enter_context(_login(hop, secret, sock))
        sock = _through(client, hop, following)
    with contextlib.closing(sock):
        yield sock


def _through(client: paramiko.SSHClient, hop: Host, following: Host) -> paramiko.Channel:
    there = (following.hostname, following.port or 22)
    tried = f"reach {following.name} at {there[0]} port {there[1]} over {hop.name}"
    try:
        return transport_of(client).open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=hop.timeout)
    except paramiko.ChannelException as error:
        why = (
            "its sshd forbids it: AllowTcpForwarding" if error.code == 1 else "is it up, does a firewall stand between?"
        )
        raise Unreachable(tried, f"{hop.name} says: {inert(error.text, 200)}", why) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(tried, inert(error, 200) or "the connection broke", f"look at {hop.name}") from None


@contextlib.contextmanager
def _login(host: Host, secret: Resolve, sock: Socket) -> Iterator[paramiko.SSHClient]:
    if not host.username:
        raise ConfigError(f"log in to {host.name}", "the inventory names no user", f"add username to {host.name}")
    client = paramiko.SSHClient()
    ssh_keys.trust(client, host)
    try:
        with explained(host):
            client.connect(
                host.hostname,
                port=host.port or 22,
                username=host.username,
                password=secret(host.password) if host.password else None,
                pkey=ssh_keys.login_key(host, secret),
                sock=sock,
                look_for_keys=False,
                allow_agent=host.ssh.agent,
                timeout=host.timeout,
                banner_timeout=host.timeout,
                auth_timeout=host.timeout,
                transport_factory=lambda sock, **rest: _tuned(sock, host.timeout, **rest),
            )
        transport_of(client).set_keepalive(KEEPALIVE)
        yield client
    finally:
        client.close()


def shown_key(host: Host, secret: Resolve, site: Site | None) -> paramiko.PKey:
    """The host key that stands at the other end now, whosever it is. No login is tried there.

    Raises:
        Unreachable: no SSH server answers there, or a jump host does not let us through.
    """
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(_path(stack, host, secret, site))
        transport = _tuned(sock, host.timeout)
        stack.callback(transport.close)
        # A server has a key of each type: what is known is held against its own kind (RFC 8332: RSA's).
        options = transport.get_security_options()
        wanted = [name for kind in ssh_keys.known(host) for name in _SIGNED.get(kind, (kind,))]
        options.key_types = _first(wanted, options.key_types)
        with explained(host):
            transport.start_client(timeout=host.timeout)
            return transport.get_remote_server_key()


def transport_of(client: paramiko.SSHClient) -> paramiko.Transport:
    """The client's connection.

    Raises:
        Unreachable: it is gone.
    """
    transport = client.get_transport()
    if transport is None:
        raise Unreachable("use the connection", "it is gone", "try again")
    return transport


@contextlib.contextmanager
def explained(host: Host) -> Iterator[None]:
    """Turn paramiko's errors into one that a tired person understands."""
    tried = f"log in to {host.name} at {host.hostname}"
    try:
        yield
    except paramiko.BadHostKeyException as error:
        raise ssh_keys.changed(host, error.key, error.expected_key) from None
    except ssh_keys.UnknownHostKey as error:
        raise ssh_keys.unknown(host, error.key) from None
    except paramiko.AuthenticationException as error:
        raise Unreachable(
            tried, f"the login was refused: {inert(error, 200)}", f"check the credential of {host.name}"
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(tried, _why(error, host), f"look at the SSH service of {host.name}") from None


def _why(error: Exception, host: Host) -> str:
    text = inert(error, 200)
    if "No existing session" in text:  # what paramiko says when the key exchange took longer than it may
        return f"no SSH handshake within {host.timeout:g} s"
    if "No authentication methods available" in text:
        return "the inventory gives no password, no key and no agent"
    return text or type(error).__name__


def run(client: paramiko.SSHClient, command: str, stdin: bytes = b"", timeout: float = 30.0) -> Ran:
    """Run one fixed command text in an exec channel; all data goes by stdin.

    Raises:
        TargetError: it did not end in `timeout` seconds, or printed more than OUTPUT_LIMIT bytes.
        Unreachable: the connection broke.
    """
    tried, deadline = f"run {command!r}", time.monotonic() + timeout
    try:
        with contextlib.closing(Wire(transport_of(client), command, tried, deadline)) as wire:
            wire.send(stdin, deadline)
            wire.end()
            out = _drained(wire, tried, deadline)
            return Ran(wire.status(deadline), out, bytes(wire.errors))
    except TargetError as error:
        kind = Unreachable if isinstance(error, Unreachable) else TargetError
        raise kind(tried, error.seen, error.do) from None


def _drained(wire: Wire, tried: str, deadline: float) -> bytes:
    out = bytearray()
    try:
        while part := wire.read(deadline):
            out += part
            if len(out) > OUTPUT_LIMIT:
                raise Late(tried)
    except Late:
        raise TargetError(tried, f"{len(out)} bytes and no end", "look at the host by hand") from None
    return bytes(out)


def _tuned(sock: Socket, timeout: float, **rest: object) -> paramiko.Transport:
    transport = paramiko.Transport(sock, **rest)  # type: ignore[arg-type]
    transport.handshake_timeout = timeout  # its own 15 s would cut off a host that the inventory gives longer
    options = transport.get_security_options()
    options.kex = _first(KEX, options.kex)
    options.ciphers = _first(CIPHERS, options.ciphers)
    return transport


def _first(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return tuple(w for w in wanted if w in offered) + tuple(o for o in offered if o not in wanted)
