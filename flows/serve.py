"""`hemostat serve`: one process for a site: webhook, pages, runner, expiry, Prefect's server. Knows processes and signals; no step.

uvicorn has the main thread and its loop to itself; all work is done in threads, and flows have loops of their own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from types import FrameType

import uvicorn
from rich.console import Console

from flows.console import line
from flows.events import Event
from flows.inbox import Inbox
from flows.keeper import Expiry, Keeper
from flows.notify import Notifier
from flows.outbox import Outbox
from flows.server import Server
from flows.web import app
from flows.web.context import Context
from flows.web.wire import Wire
from flows.worker import Worker
from tasks import alerts, serving_checks
from tasks import site as sites
from tasks.case import write_once
from tasks.model import ConfigError, Refused
from tasks.secrets import resolve
from tasks.serving import Person, Sender, Serve
from tasks.settings import Site

# Seconds that steps under way have to end after the first signal; what is cut off goes on at the next start.
DRAIN = 10.0
# Files that may be open at once, where the system lets us choose. Usually 1024 are: whoever begins that many TLS handshakes, and ends
# none, would leave none for a journal or a device.
FILES = 16_384
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Asked:
    """How the command was given; an empty `listen` and no `port` leave it to inventory/serve.yaml."""

    folder: Path
    reports: Path
    listen: str = ""
    port: int | None = None
    prefect: bool = True


def run(asked: Asked, out: Console) -> int:
    """Serve until a signal. The exit code.

    Raises:
        ConfigError: the files are wrong, a secret is missing, the port is taken, or it would be open to everybody.
        Refused: another serve runs for this site.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _at_once)
    _more_files()
    site = sites.load(asked.folder)
    with alone(asked.folder / ".hemostat"):
        serve = effective(site, asked)
        with socket_at(serve.listen, serve.port if asked.port is None else asked.port) as listener:
            return _serve(asked, serve, listener, out)


def _serve(asked: Asked, serve: Serve, listener: socket.socket, out: Console) -> int:
    home = asked.folder / ".hemostat"
    _folder(asked.reports)
    server = Server(home / "prefect", lasts=True) if asked.prefect else None
    inbox = Inbox(home / "inbox.db", serve.duplicate_hours)
    worker = Worker(asked.folder, asked.reports, inbox, server)
    keeper = Keeper(inbox, Expiry(asked.reports, inbox.part), server)
    context = Context(asked.folder, asked.reports, serve, inbox, worker)
    worker.subscribe(lambda event, folder: _say(out, event, folder))
    notifier = Notifier(asked.reports, inbox.beside(Outbox), serve, _url(serve, listener))
    worker.subscribe(notifier.tell)
    import_module("netmiko")  # half a second that the first alert shall not wait for
    web = _uvicorn(serve, context)
    keeper.start()  # before the worker, whose own process must know Prefect's address
    worker.start()
    notifier.start()
    _greet(out, serve, listener, asked)
    if server:
        out.print(line(f"Prefect: {server.ui} (it asks for the line in {server.password_file})"))
    web.run(sockets=[listener])
    drained = worker.stop(DRAIN)
    keeper.stop()
    notifier.stop()
    inbox.close()
    out.print(line("ended" if drained else "ended; the steps that were cut off go on at the next start"))
    if not drained:
        sys.stdout.flush()
        os._exit(0)  # the interpreter would wait for threads that stand before a device
    return 0


def _more_files() -> None:
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class _Uvicorn(uvicorn.Server):
    """The first signal ends it in good order, the second one at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            _at_once(sig, frame)
        self.should_exit = True


def _at_once(number: int, _frame: FrameType | None) -> None:
    """Everything that counts is on the disk already: this is no worse than kill -9."""
    os._exit(128 + number)


def _uvicorn(serve: Serve, context: Context) -> _Uvicorn:
    """It reads the certificate now: a wrong one is told before anything is begun."""
    config = _config(serve, context)
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        seen = f"{serve.tls_certificate}, {serve.tls_key}: {getattr(error, 'strerror', '') or error}"
        raise ConfigError(
            "read the files for TLS", seen, f"see tls_certificate and tls_key in {serving_checks.FILE}"
        ) from None
    return _Uvicorn(config)


def _config(serve: Serve, context: Context) -> uvicorn.Config:
    tls = {name: str(Path(path).expanduser()) for name, path in _tls(serve).items()}
    return uvicorn.Config(
        app.create(context),
        http=Wire,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # flows/web/auth.py must see whether the proxy itself is at the other end
        timeout_graceful_shutdown=5,
        ssl_certfile=tls.get("certificate"),
        ssl_keyfile=tls.get("key"),
    )


def _tls(serve: Serve) -> dict[str, str]:
    return {"certificate": serve.tls_certificate, "key": serve.tls_key} if serve.tls_certificate else {}


def _folder(path: Path) -> None:
    """Make it, if need be. Told now: an alert that is taken, and whose incident nobody can open, is worse than no serve."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it may not be written to")
    except OSError as error:
        raise ConfigError(f"keep files in {path}", error.strerror or str(error), "see what it is and whose") from None


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """One serve a site: a kernel lock that ends with its holder, however that one ends."""
    _folder(home)
    handle = os.open(home / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, home)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, home: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused("one-serve", f"another hemostat serve runs for {home.parent}", "end that one first") from None


def effective(site: Site, asked: Asked) -> Serve:
    """What inventory/serve.yaml and the command line say together; a token for one person where nobody is named.

    Raises:
        ConfigError: it would be open wider than is safe, or a secret that it needs is not there.
    """
    serve = replace(site.serve, listen=asked.listen or site.serve.listen)
    if wrong := list(serving_checks.listening(serve)):
        raise ConfigError(
            "listen there", "\n".join(fault.text for fault in wrong), f"write it in {serving_checks.FILE}"
        )
    if not (serve.people or serve.user_header):
        serve = _one_person(serve, asked.folder / ".hemostat" / "token")
    for reference in _references(serve):
        resolve(reference)
    return serve


def _one_person(serve: Serve, path: Path) -> Serve:
    """Loopback alone, and nobody named: whoever can read this file is the operator, and may send alerts as well."""
    if not path.exists():
        write_once(path, f"{secrets.token_urlsafe(32)}\n".encode())
        path.chmod(0o600)
    token = f"file:{path}"
    senders = serve.senders or {source: Sender(source, token) for source in alerts.sources()}
    return replace(serve, people={OPERATOR: Person("approver", token)}, senders=senders)


def _references(serve: Serve) -> Iterator[str]:
    """Every secret that will be needed: one that is missing is told at the start, not at three in the morning."""
    for sender in serve.senders.values():
        yield from filter(None, (sender.token, sender.hmac, sender.url_token))
    for person in serve.people.values():
        yield person.token
    for notify in serve.notify.values():
        yield from filter(None, (notify.url, notify.secret))


def socket_at(listen: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address is not ours, or the port is taken.
    """
    family = socket.AF_INET6 if ip_address(listen).version == 6 else socket.AF_INET
    try:
        return socket.create_server((listen, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigError(
            f"listen at {listen} port {port}", error.strerror or str(error), "name another one: --listen, --port"
        ) from None


def _url(serve: Serve, listener: socket.socket) -> str:
    """How people reach the pages, as far as we know."""
    address, port = listener.getsockname()[:2]
    host = f"[{address}]" if ":" in address else address
    return (serve.public_url or f"{'https' if serve.tls_certificate else 'http'}://{host}:{port}").rstrip("/")


def _greet(out: Console, serve: Serve, listener: socket.socket, asked: Asked) -> None:
    url = _url(serve, listener)
    out.print(line(f"hemostat serves {asked.folder} at {url}", "bold"))
    out.print(line(f"alerts:  POST {url}/alerts/SOURCE"))
    if OPERATOR in serve.people and serve.people[OPERATOR].token.startswith("file:"):
        path = serve.people[OPERATOR].token.removeprefix("file:")
        out.print(line(f"log in, and send alerts, with the token in {path} (name people in {serving_checks.FILE})"))


def _say(out: Console, event: Event, folder: Path) -> None:
    out.print(line(f"{folder.name}: {event}"))
