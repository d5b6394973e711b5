"""How a Cisco ASA prints and reads groups, access lists and connections. Knows its words; must know no session and no device."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence

from lab.acl import Ace, Group, Place, Policy, network
from lab.cli import Denied, Invalid, Word
from lab.device import Conn, Connections
from lab.words import Reader as LineReader
from tasks.model import Address
from tasks.settings import Network

ANY = {"any": 0, "any4": 4, "any6": 6}
PROTOCOLS = ("ip", "tcp", "udp", "icmp")


def group_lines(policy: Policy, name: str | None = None) -> list[str]:
    """The object-groups (or one of them) as `show running-config` prints them."""
    groups = policy.groups.values() if name is None else [policy.groups[name]]
    return [line for group in groups for line in _group_lines(group)]


def _group_lines(group: Group) -> Iterator[str]:
    yield f"object-group network {group.name}"
    if group.description:
        yield f" description {group.description}"
    yield from (f" network-object {words}" for words in group.members.values())


def list_lines(policy: Policy, name: str | None = None) -> list[str]:
    names = policy.lists if name is None else [name]
    return [f"access-list {n} {ace.words}" for n in names for ace in policy.lists[n]]


def binding_lines(policy: Policy) -> list[str]:
    return [f"access-group {name} in interface {interface}" for interface, name in policy.bound.items()]


def counted(policy: Policy, name: str) -> Iterator[str]:
    """One list as `show access-list` prints it: every entry, and under it what its groups expand to, with hit counts."""
    entries = policy.lists[name]
    elements = sum(max(1, len(list(_expanded(policy, ace)))) for ace in entries)
    yield f"access-list {name}; {elements} elements; name hash: {_hash(name)}"
    for number, ace in enumerate(entries, 1):
        head = f"access-list {name} line {number}"
        total = "" if ace.remark else f" (hitcnt={sum(ace.hits.values())}) {_hash(ace.words)}"
        yield f"{head} {ace.words}{total}"
        for words, hits in _expanded(policy, ace):
            yield f"  {head} {words} (hitcnt={hits}) {_hash(words)}"


def _expanded(policy: Policy, ace: Ace) -> Iterator[tuple[str, int]]:
    if not (ace.source.group or ace.target.group):
        return
    port = "" if ace.port is None else f" eq {ace.port}"
    for source in policy.members(ace.source):
        for target in policy.members(ace.target):
            yield f"extended {ace.action} {ace.protocol} {source} {target}{port}", ace.hits.get(target, 0)


def _hash(text: str) -> str:
    return f"0x{zlib.crc32(text.encode()):08x}"


def conn_lines(conns: Connections, address: Address | None = None) -> str:
    """The connection table, or what it has of one address."""
    head = f"{len(conns.of())} in use, {conns.most} most used"
    return "\n".join([head, *(_conn_line(conn) for conn in conns.of(address))])


def _conn_line(conn: Conn) -> str:
    minutes, seconds = divmod(int(time.monotonic() - conn.last), 60)
    flow = conn.flow
    ends = f"outside {flow.target}:{flow.target_port} {flow.interface} {flow.source}:{flow.source_port}"
    return f"TCP {ends}, idle {minutes // 60}:{minutes % 60:02}:{seconds:02}, bytes {conn.octets}, flags UIO"


def member_words(member: Network) -> str:
    """A member as the configuration shows it: host, address and mask, or a prefix."""
    if member.version == 6:
        return str(member)
    if member.prefixlen == 32:
        return f"host {member.network_address}"
    return f"{member.network_address} {member.netmask}"


class Reader(LineReader):
    """The words of one line, with the ASA's way to write a network."""

    def network(self) -> Network:
        """`host A`, `A MASK`, or an IPv6 prefix."""
        first = self.take()
        if first == "host":
            return _network(self.take(), "")
        if ":" not in first:
            return _network(first, self.take())
        if "/" not in first:
            raise Invalid(first.column)
        return _network(first, "")


def _network(address: Word, mask: str) -> Network:
    try:
        return network(address, mask)
    except ValueError:
        raise Invalid(address.column) from None


def read_member(words: Sequence[Word]) -> Network:
    """What follows `network-object`."""
    reader = Reader(words)
    member = reader.network()
    reader.end()
    return member


def read_ace(policy: Policy, words: Sequence[Word]) -> tuple[int | None, Ace]:
    """What follows `access-list NAME`: the line number, if one was given, and the entry."""
    reader = Reader(words)
    line = reader.number(1, 2147483647) if reader.maybe("line") else None
    if reader.maybe("remark"):
        return line, Ace("remark", remark=" ".join([reader.take(), *reader.words]))
    reader.maybe("extended")
    action, protocol = reader.one_of("permit", "deny"), reader.one_of(*PROTOCOLS)
    source, target = _place(policy, reader), _place(policy, reader)
    port = reader.number(1, 65535) if protocol in ("tcp", "udp") and reader.maybe("eq") else None
    reader.end()
    return line, Ace(action, protocol, source, target, port)


def _place(policy: Policy, reader: Reader) -> Place:
    if reader.words and reader.words[0] in ANY:
        word = reader.take()
        return Place(str(word), family=ANY[word])
    if reader.maybe("object-group"):
        name = _used(policy, reader.take())
        return Place(f"object-group {name}", group=name)
    found = reader.network()
    return Place(member_words(found), found)


def _used(policy: Policy, name: Word) -> str:
    if name not in policy.groups:
        raise Denied(f"ERROR: specified object-group <{name}> not found")
    if not policy.groups[name].members:
        raise Denied(f"ERROR: object-group <{name}> is empty")
    return str(name)
