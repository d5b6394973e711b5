"""`hemostat check --live`: logs in everywhere and reads; changes nothing. Says the lines that are still to be put in place."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from tasks.block import ask_for
from tasks.firewalls import Entry, Listing, load
from tasks.model import Check, HemostatError, Remote, Result
from tasks.secrets import resolve
from tasks.settings import Host, Site
from tasks.transports import device, reach

# Documentation addresses (RFC 5737, RFC 3849): asks about what nobody has. Many platforms have a list for each family.
NOBODY = (Remote.parse("192.0.2.254"), Remote.parse("2001:db8::254"))


def try_all(site: Site) -> Iterator[Check]:
    """Every device and host of the inventory, eight at a time."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="check") as pool:
        for checks in pool.map(lambda host: _try(site, host), site.hosts.values()):
            yield from checks


def _try(site: Site, host: Host) -> list[Check]:
    try:
        return _device(site, host) if host.transport == "device" else [_host(site, host)]
    except HemostatError as error:
        return [Check(host.name, "a login that works", str(error), Result.FAIL)]


def _device(site: Site, host: Host) -> list[Check]:
    firewall = load(host.platform)
    with device.opened(host, firewall, resolve, device.lock_folder(site)) as session:
        return [
            _listed(host, family, ask_for(session, firewall, Entry(family, "check", 0, host.list_name)))
            for family in NOBODY
        ]


def _listed(host: Host, remote: Remote, seen: Listing) -> Check:
    expected = f"list {host.list_name} is in force for IPv{remote.address.version}"
    if seen.enforced:
        return Check(host.name, expected, seen.seen, Result.PASS)
    lines = " / ".join(line.strip() for line in seen.missing)
    return Check(host.name, expected, f"{seen.seen}; put in place once: {lines}", Result.FAIL)


def _host(site: Site, host: Host) -> Check:
    with closing(reach(host, site, resolve)) as hands:
        blind = hands.blind()
    if not blind:
        return Check(host.name, "everything can be seen", "yes", Result.PASS)
    return Check(host.name, "everything can be seen", "; ".join(f"{u.what}: {u.why}" for u in blind), Result.UNKNOWN)
