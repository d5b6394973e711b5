"""Two ends of a connection → whose is the victim, whose the remote. Knows addresses; must not know any source.

Who sent the packet says nothing of who is the victim: the internal networks decide. Where both ends are outside, the one that the
sender calls its own host does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tasks.alerts.shape import Record
from tasks.model import Address, ConfigError, Remote, parse_address
from tasks.settings import Network


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection. `port` is that of a service: a client's is another one each time and says nothing, so it is None."""

    address: Address
    port: int | None = None

    @property
    def remote(self) -> Remote:
        return Remote(self.address, self.port)


def served(record: Record, path: str, port: str) -> End:
    """The end at that path, with its service's port: from its own field, else from behind the address."""
    far = record.remote(path, record.port_text(port))
    return End(far.address, far.port)


def client_server(record: Record, client: str, server: str, port: str) -> tuple[End, End]:
    """The two ends at those paths: only the server's port counts."""
    return End(record.address(client)), served(record, server, port)


def victim_first(
    record: Record, ends: tuple[End, End], internal: Sequence[Network], ours: Collection[Address] = (), but: str = ""
) -> tuple[End, End]:
    """The victim's end and the remote.

    Args:
        record: named in errors.
        ends: the two ends, in any order.
        internal: the networks whose hosts are ours.
        ours: what the sender says is its own host's address; it decides between two outside ones.
        but: what the error says if that did not help.

    Raises:
        ConfigError: both are internal, or neither can be told to be ours.
    """
    one, other = ends
    inside = [inner(end.address, internal) for end in ends]
    if all(inside):
        raise ConfigError(
            f"looked for the remote in {record}",
            f"{one.address} and {other.address} are both internal",
            "an alert between two of your hosts names nothing outside to block; name the remote by hand, if there is one",
        )
    if not any(inside):
        inside = [end.address in ours for end in ends]
    if inside[0] == inside[1]:
        raise ConfigError(
            f"looked for the victim in {record}",
            f"neither {one.address} nor {other.address} is internal{but}",
            "add your own networks to `internal` in inventory/policy.yaml",
        )
    return (one, other) if inside[0] else (other, one)


def inner(address: Address, internal: Iterable[Network]) -> bool:
    """Is the address in one of our networks?"""
    return any(address in network for network in internal)


def own_addresses(record: Record, path: str) -> frozenset[Address]:
    """The addresses of a host as its agent lists them; loopback and link-local ones name no host and are left out."""
    value = record.get(path)
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    found = (_address(text) for text in texts)
    return frozenset(a for a in found if a and not (a.is_loopback or a.is_link_local or a.is_unspecified))


def _address(text: object) -> Address | None:
    try:
        return parse_address(text) if isinstance(text, str) else None
    except ConfigError:
        return None
