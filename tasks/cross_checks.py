"""What one file of the owner says against what another says, and against the calendar. Knows settings and folder listings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv6Address
from pathlib import Path
from typing import Literal

from tasks import firewalls
from tasks.model import Address
from tasks.settings import CleanupRule, Host, KnownGood, Network, Playbook, Policy, Site, TriageRule
from tasks.shapes import nearest
from tasks.yaml_lines import Place

HOSTS = "inventory/hosts.yaml"
POLICY = "inventory/policy.yaml"
_PLATFORMS = {"local": ("linux", "windows"), "ssh": ("linux",), "winrm": ("windows",)}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: the place of the key in the file's value."""

    file: str
    place: Place
    text: str
    severity: Literal["error", "warning"] = "error"


def faults(site: Site, today: date) -> Iterator[Fault]:
    """Everything wrong between the files. Each file is well-formed by itself already."""
    for host in site.hosts.values():
        yield from _host(host, site)
    yield from _shared_addresses(site)
    yield from _policy(site.policy, today)
    for playbook in site.playbooks.values():
        yield from _playbook(playbook)


def _host(host: Host, site: Site) -> Iterator[Fault]:
    known = firewalls.platforms() if host.transport == "device" else _PLATFORMS[host.transport]
    if host.platform not in known:
        text = f"{host.name}: over {host.transport}, the platform is one of {', '.join(known)}; found '{host.platform}'"
        yield Fault(HOSTS, (host.name, "platform"), text + nearest(host.platform, known))
    for number, address in enumerate(host.addresses):
        if _mapped(address):
            yield Fault(
                HOSTS, (host.name, "addresses", number), f"{host.name}: write {address} as the IPv4 address it is"
            )
    if host.transport != "device" and not host.firewalls:
        text = f"{host.name}: no firewall is named, so nothing can be blocked for it"
        yield Fault(HOSTS, (host.name,), text, "warning")
    for number, name in enumerate(host.firewalls):
        if text := _no_device(name, site):
            yield Fault(HOSTS, (host.name, "firewalls", number), f"{host.name}: {text}")
    yield from _way(host, site)
    if host.transport == "ssh":
        yield from _sudo(host)


def _way(host: Host, site: Site) -> Iterator[Fault]:
    """The jump hosts: each is there, each is reached over SSH, and none leads back."""
    place = (host.name, "ssh", "jump")
    if host.ssh.jump and host.transport == "device":
        yield Fault(HOSTS, place, f"{host.name}: ssh: jump is for transport ssh; a device is reached directly")
        return
    for number, name in enumerate(host.ssh.jump):
        hop = site.hosts.get(name)
        if hop is None:
            text = f"the jump host '{name}' is not in the inventory{nearest(name, list(site.hosts))}"
            yield Fault(HOSTS, (*place, number), f"{host.name}: {text}")
        elif hop.transport != "ssh":
            text = f"the jump host '{name}' is of transport {hop.transport}; it must be ssh"
            yield Fault(HOSTS, (*place, number), f"{host.name}: {text}")
    if host.name in _led_through(host, site):
        yield Fault(HOSTS, place, f"{host.name}: its jump hosts lead back to itself")


def _led_through(host: Host, site: Site) -> set[str]:
    """Every host on the way to it, each hop's own way included."""
    found: set[str] = set()
    waiting = list(host.ssh.jump)
    while waiting:
        name = waiting.pop()
        if name not in found and name in site.hosts:
            waiting += site.hosts[name].ssh.jump
        found.add(name)
    return found


def _sudo(host: Host) -> Iterator[Fault]:
    if host.ssh.sudo_password and host.ssh.sudo != "password":
        text = f"{host.name}: sudo_password is of no use with sudo: {host.ssh.sudo}"
        yield Fault(HOSTS, (host.name, "ssh", "sudo_password"), text)
    if host.ssh.sudo == "password" and not (host.ssh.sudo_password or host.password):
        text = f"{host.name}: sudo: password needs sudo_password, or the login's own password"
        yield Fault(HOSTS, (host.name, "ssh", "sudo"), text)


def _no_device(name: str, site: Site) -> str:
    devices = [host.name for host in site.hosts.values() if host.transport == "device"]
    if name not in site.hosts:
        return f"the firewall '{name}' is not in the inventory{nearest(name, devices)}"
    return "" if name in devices else f"the firewall '{name}' is no device: its transport is not `device`"


def _shared_addresses(site: Site) -> Iterator[Fault]:
    """An address of two hosts: an alert that names it would name neither."""
    first: dict[Address, str] = {}
    for host in site.hosts.values():
        for address in sorted(host.stands_at, key=str):
            other = first.setdefault(address, host.name)
            if other != host.name and not address.is_loopback:
                text = f"{host.name}: {address} is an address of {other} as well; an alert for it goes to {other}"
                yield Fault(HOSTS, (host.name,), text, "warning")


def _policy(policy: Policy, today: date) -> Iterator[Fault]:
    for key, networks in (("internal", policy.internal), ("laboratory", policy.laboratory)):
        for number, network in enumerate(networks):
            yield from _network((key, number), network)
    for number, network in enumerate(policy.laboratory):
        if network.is_global:
            text = f"laboratory: {network} is on the internet; a laboratory is in loopback, private or documentation networks"
            yield Fault(POLICY, ("laboratory", number), text)
    for key, entries in (("never_block", policy.never_block), ("known_good", policy.known_good)):
        yield from _entries(key, entries, today)


def _entries(key: str, entries: Iterable[KnownGood], today: date) -> Iterator[Fault]:
    for number, entry in enumerate(entries):
        yield from _network((key, number, "network"), entry.network)
        if not entry.counts(today):
            text = f"{key}: {entry.network} ({entry.reason}) expired on {entry.expires} and no longer counts"
            yield Fault(POLICY, (key, number, "expires"), text, "warning")


def _network(place: Place, network: Network) -> Iterator[Fault]:
    if network.prefixlen == 0:
        yield Fault(POLICY, place, f"{place[0]}: {network} is the whole internet")
    elif _mapped(network.network_address):
        yield Fault(POLICY, place, f"{place[0]}: write {network} as the IPv4 network it is")


def _mapped(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _playbook(playbook: Playbook) -> Iterator[Fault]:
    file = f"playbooks/{playbook.name}.yaml"
    rooms = (
        (("sources",), playbook.sources, _files("alerts")),
        (("triage", "collectors"), playbook.triage.collectors, _files("collectors") | set(TriageRule().collectors)),
        (("cleanup", "remedies"), playbook.cleanup.remedies, _files("remedies") | set(CleanupRule().remedies)),
    )
    for place, names, known in rooms:
        yield from _strangers(file, place, names, known)
    if playbook.verify.at_least > playbook.verify.at_most:
        yield Fault(file, ("verify", "at_least"), "verify: at_least is more than at_most")
    if playbook.collect.max_item_mb > playbook.collect.max_total_mb:
        yield Fault(file, ("collect", "max_item_mb"), "collect: max_item_mb is more than max_total_mb")


def _strangers(file: str, place: Place, names: Iterable[str], known: set[str]) -> Iterator[Fault]:
    for number, name in enumerate(names):
        if known and name not in known:
            text = f"{place[-1]}: there is no '{name}'{nearest(name, known)}; known are {', '.join(sorted(known))}"
            yield Fault(file, (*place, number), text)


def _files(room: str) -> set[str]:
    """What a playbook may name of a room: its files. Empty while the room has none, and nothing is judged then."""
    return {path.stem for path in (Path(__file__).parent / room).glob("*.py")} - {"__init__", "shape", "context"}
