"""The addresses that hemostat and its owner need: gathered from this machine and the inventory. Must not judge: that is tasks.guards.

Gathered before any block, because afterwards a name may no longer resolve (the block can be what cuts DNS off).
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tasks.model import Address, ConfigError, HemostatError, parse_address
from tasks.secrets import resolve as secret_of
from tasks.settings import Site

# The second is where systemd-resolved keeps the servers behind its own 127.0.0.53.
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_WORKERS = 8
Found = tuple[str, tuple[Address, ...]]
Lookup = Callable[[str], tuple[Address, ...]]


@dataclass(frozen=True, slots=True)
class OwnPath:
    """`unresolved` are names that did not resolve in time: their addresses are not protected, and a person must know."""

    addresses: tuple[Address, ...]
    unresolved: tuple[str, ...] = ()


def effective_own_path(site: Site, seconds: float = 3.0) -> OwnPath:
    """All of it: this machine's addresses, DNS servers, the operator's end of an SSH login, Prefect's server, policy.own, hosts, and
    where our notifications go. Of those only the addresses get out: their URLs are secrets.

    Args:
        site: gives policy.own, and the addresses and names of hosts and devices.
        seconds: how long names may take to resolve, all together.
    """
    addresses = {*local_addresses(), *dns_servers(), *site.policy.own, *_addresses(_operators_end())}
    names = {*_prefect_server()}
    for host in site.hosts.values():
        addresses |= host.stands_at
        names.add(host.hostname)
    addresses |= _addresses(names)
    targets = {f"notify target {name}": notify.url for name, notify in site.serve.notify.items()}
    names = {*(name for name in names if not _addresses([name])), *targets}
    found = resolve(names, seconds, lambda name: _webhook(targets[name]) if name in targets else _lookup(name))
    addresses.update(address for several in found.values() for address in several)
    return OwnPath(tuple(sorted(addresses, key=lambda a: (a.version, int(a)))), tuple(sorted(names - found.keys())))


def local_addresses() -> set[Address]:
    """Every address of this machine's interfaces."""
    entries = (entry for several in psutil.net_if_addrs().values() for entry in several)
    return _addresses(e.address for e in entries if e.family in (socket.AF_INET, socket.AF_INET6))


def dns_servers(files: Iterable[Path] = RESOLVERS) -> set[Address]:
    """The `nameserver` lines of resolv.conf(5); a file that is not there has none."""
    found: set[Address] = set()
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        words = [line.split() for line in lines]
        found |= _addresses(w[1] for w in words if len(w) > 1 and w[0] == "nameserver")
    return found


def resolve(names: Iterable[str], seconds: float, lookup: Lookup | None = None) -> dict[str, tuple[Address, ...]]:
    """The names' addresses; a name that fails or takes longer than the deadline is left out.

    getaddrinfo, which `lookup` stands for, cannot be stopped, so it runs in daemon threads that are left behind when the time is over.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[Found] = queue.SimpleQueue()
    wanted = set(names)
    for name in wanted:
        waiting.put(name)
    for _ in range(min(_WORKERS, len(wanted))):
        threading.Thread(target=_resolver, args=(waiting, done, lookup or _lookup), daemon=True).start()
    deadline = time.monotonic() + seconds
    found: dict[str, tuple[Address, ...]] = {}
    for _ in wanted:
        try:
            name, addresses = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if addresses:
            found[name] = addresses
    return found


def _resolver(waiting: queue.SimpleQueue[str], done: queue.SimpleQueue[Found], lookup: Lookup) -> None:
    while True:
        try:
            name = waiting.get_nowait()
        except queue.Empty:
            return
        done.put((name, lookup(name)))


def _lookup(name: str) -> tuple[Address, ...]:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(_addresses(str(answer[4][0]) for answer in answers))


def _webhook(reference: str) -> tuple[Address, ...]:
    """Where the webhook of that reference stands. A block waits for it, so Prefect is not imported for this (seconds)."""
    if reference.startswith("prefect:") and "prefect" not in sys.modules:
        return ()
    try:
        name = urlsplit(secret_of(reference)).hostname or ""
    except (HemostatError, ValueError):
        return ()
    return tuple(_addresses([name])) or _lookup(name)


def _operators_end() -> list[str]:
    """sshd(8): SSH_CONNECTION begins with the client's address."""
    return os.environ.get("SSH_CONNECTION", "").split()[:1]


def _prefect_server() -> list[str]:
    try:
        name = urlsplit(os.environ.get("PREFECT_API_URL", "")).hostname
    except ValueError:
        return []
    return [name] if name else []


def _addresses(texts: Iterable[str]) -> set[Address]:
    """Those texts that are addresses, without their zone."""
    found = set()
    for text in texts:
        try:
            found.add(parse_address(text.partition("%")[0]))
        except ConfigError:
            continue
    return found
