"""Which remote may be blocked at all. Knows addresses and the owner's policy; must not know a device, a clock or a socket.

The order: laboratory, reserved, internal, own-path, never-block. Only never-block can be lifted, by its name. Every form in
which IPv6 carries an IPv4 address is looked through, so that no notation gets an address past a guard.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

from tasks.model import Address, Mode, Refused, Remote
from tasks.settings import Network, Policy

NEVER_BLOCK = "never-block"

# RFC 6890: this network, loopback, link-local, protocol assignments, multicast, reserved with the broadcast address.
# The documentation networks (RFC 5737, RFC 3849) are not here: a block for them harms nobody, and examples use them.
_RESERVED_V4 = tuple(
    ip_network(n) for n in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4")
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 section 6.1: the first half of the interface identifier
# IANA assigns global unicast from here alone; fc00::/7 is left to the guard `internal`, whose words fit it better.
_POSSIBLE_V6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"), _NAT64)


def admit(
    remote: Remote,
    policy: Policy,
    own_path: Collection[Address],
    mode: Mode,
    today: date,
    overrides: Collection[str] = (),
) -> None:
    """Return when the remote may be blocked.

    Args:
        remote: what the alert or a person names.
        policy: the owner's; its `own` addresses count as own path.
        own_path: the runner's addresses, its DNS servers, every inventory host and device (tasks.own_path).
        mode: only a drill may name policy.laboratory, which may be loopback or internal.
        today: an expired never_block entry does not count.
        overrides: the words that this incident's operator gave.

    Raises:
        Refused: with the guard's name, and the word that lifts it if one does.
    """
    meant = meanings(remote.address)
    if any(_in(address, policy.laboratory) for address in meant):
        _only_in_a_drill(remote, mode)
    elif mode is Mode.DRILL:
        raise Refused(
            "laboratory", f"{remote} is no laboratory address, and this is a drill", "a drill blocks nothing real"
        )
    else:
        _not_reserved(remote, meant)
        _not_internal(remote, meant, policy)
    _not_own(remote, meant, (*own_path, *policy.own))
    if NEVER_BLOCK not in overrides:
        _not_never_block(remote, meant, policy, today)


def meanings(address: Address) -> tuple[Address, ...]:
    """The address without its zone, and every IPv4 address that it carries.

    IPv4-mapped (only the IPv4 is on the wire) and IPv4-compatible: RFC 4291 section 2.5.5; 6to4: RFC 3056; Teredo, server and
    client: RFC 4380; NAT64: RFC 6052; ISATAP: RFC 5214.
    """
    if isinstance(address, IPv4Address):
        return (address,)
    plain = IPv6Address(int(address))
    if plain.ipv4_mapped:
        return (plain.ipv4_mapped,)
    carried = [plain.sixtofour, *(plain.teredo or ())]
    if plain in _NAT64 or int(plain) >> 32 == 0 or int(plain) >> 32 & 0xFFFFFFFF in _ISATAP:
        carried.append(IPv4Address(int(plain) & 0xFFFFFFFF))
    return (plain, *(a for a in carried if a is not None))


def _in(address: Address, networks: Iterable[Network]) -> Network | None:
    return next((network for network in networks if address in network), None)


def _only_in_a_drill(remote: Remote, mode: Mode) -> None:
    if mode is not Mode.DRILL:
        raise Refused(
            "laboratory",
            f"{remote.address} is in a laboratory network of policy.yaml, and this is no drill",
            "use `hemostat drill`, or take the network out of `laboratory`",
        )


def _not_reserved(remote: Remote, meant: tuple[Address, ...]) -> None:
    for address in meant:
        if _reserved(address):
            raise Refused(
                "reserved",
                f"{_told(remote, address)} is no address of a remote: loopback, link-local, multicast or reserved",
                "look in the alert for the address at the far end",
            )


def _reserved(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return _in(address, _RESERVED_V4) is not None
    return _in(address, _POSSIBLE_V6) is None


def _not_internal(remote: Remote, meant: tuple[Address, ...], policy: Policy) -> None:
    for address in meant:
        if network := _in(address, policy.inside):
            raise Refused(
                "internal",
                f"{_told(remote, address)} is in the internal network {network}",
                "an inside address is never blocked as a remote; the alert may have its two ends the other way round",
            )


def _not_own(remote: Remote, meant: tuple[Address, ...], own: Iterable[Address]) -> None:
    ours = {meaning for address in own for meaning in meanings(address)}
    for address in meant:
        if address in ours:
            raise Refused(
                "own-path",
                f"{_told(remote, address)} is on our own path: the runner, a DNS server, an inventory host or policy.own",
                "a block would cut hemostat or your hosts off",
            )


def _not_never_block(remote: Remote, meant: tuple[Address, ...], policy: Policy, today: date) -> None:
    for entry in policy.never_block:
        hit = next((address for address in meant if address in entry.network), None)
        if hit and entry.counts(today):
            raise Refused(
                NEVER_BLOCK,
                f"{_told(remote, hit)} is in never_block ({entry.network}) until {entry.expires}: {entry.reason}",
                f"if it must be blocked all the same, say `--override {NEVER_BLOCK}`",
                NEVER_BLOCK,
            )


def _told(remote: Remote, address: Address) -> str:
    return str(address) if address == remote.address else f"{remote.address}, which carries {address},"
