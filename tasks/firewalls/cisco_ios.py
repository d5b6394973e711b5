"""Cisco IOS and IOS XE: numbered entries in a named access list that is already bound. Knows the words; must not know who says them.

Cisco IOS Security Configuration Guide, "IP Access List Entry Sequence Numbering": an entry without a number goes to the end, after
the permit; a number in use is refused ("Duplicate sequence number"); an entry that is there already changes nothing; numbers are not
kept over a reload on older releases. So the number is chosen from the listing, before the first permit, and an entry is taken back
by its own words, which no renumbering can turn into another entry. IPv6 has a list of its own, whose name may not be the IPv4
list's: NAME-6. Cisco IOS Security Command Reference, `ip access-list`, `ipv6 access-list`, `ipv6 traffic-filter`, and IP
Application Services Command Reference, `show ip interface` ("Inbound access list is"). A filter of this kind keeps no sessions:
established flows stop as well. There are no timed entries, and a remark has no number on most releases: the journal holds the
incident and the time to live.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from tasks.firewalls.shape import Channel, Command, Entry, Listing
from tasks.model import TargetError

platform = "cisco_ios"
driver = "cisco_ios"
channel: Channel = "cli"
prompt = r"[\r\n]{base}(?:\([^)\r\n]*\))?[>#] ?$"
failures = (
    r"^% ?(?!\w+-\d-).*",  # but not a log line, %SYS-5-CONFIG_I
    r"^Command authorization failed.*",
    r"^Configuration mode (?:is )?locked.*",
)
ports = True
timed = False

PERMIT = 1000000
STEP = 10
# Where IOS prints a name for a port (Security Command Reference, `access-list (IP extended)`), with those that beacons like.
NAMES = {
    "ftp": 21,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "tftp": 69,
    "www": 80,
    "pop3": 110,
    "sunrpc": 111,
    "ident": 113,
    "nntp": 119,
    "ntp": 123,
    "snmp": 161,
    "irc": 194,
    "isakmp": 500,
    "exec": 512,
    "login": 513,
    "cmd": 514,
    "syslog": 514,
    "non500-isakmp": 4500,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a list as the device shows it, in words that can be compared."""

    number: int
    words: str
    hits: int


def _list(entry: Entry) -> str:
    return entry.name if entry.address.version == 4 else f"{entry.name}-6"


def _wanted(entry: Entry) -> tuple[str, ...]:
    """The entries that deny the remote: one for the address, or one each for TCP and UDP where a port is named."""
    host, port = f"any host {entry.address}", entry.remote.port
    if port is None:
        return (f"deny {'ip' if entry.address.version == 4 else 'ipv6'} {host}",)
    return (f"deny tcp {host} eq {port}", f"deny udp {host} eq {port}")


def look(entry: Entry) -> tuple[Command, ...]:
    if entry.address.version == 4:
        return (
            Command(f"show ip access-lists {_list(entry)}"),
            Command("show ip interface | include line protocol|access list is"),
        )
    return (
        Command(f"show ipv6 access-list {_list(entry)}"),
        Command("show ipv6 interface | include line protocol|access list"),
    )


def read(entry: Entry, answers: tuple[str, ...]) -> Listing:
    shown, interfaces = answers
    name = _list(entry)
    lines = tuple(_lines(shown))
    if shown.strip() and f"access list {name}" not in shown:
        raise TargetError("read the access list", f"the device answered {shown!r}", "look at the device by hand")
    first = min((line.number for line in lines if line.words.startswith("permit")), default=None)
    ours = [line for line in lines if line.words in _wanted(entry) and (first is None or line.number < first)]
    present, free = len(ours) == len(_wanted(entry)), _free(lines, first)
    bound = tuple(_bound(name, interfaces))
    room = present or len(free) >= len(_wanted(entry))
    where = f"bound {' and '.join(bound)}" if bound else "not bound to an interface that is up"
    return Listing(
        present=present,
        enforced=bool(lines and bound) and room,
        seen=f"{len(lines)} entries in {name}, {where}" + ("" if room else ", no free number before the first permit"),
        missing=_missing(entry, bool(lines and bound), room),
        hits=sum(line.hits for line in ours) if ours else None,
        free=free,
    )


def _lines(shown: str) -> Iterator[Line]:
    """IPv4 shows the number in front, IPv6 behind."""
    pattern = r"^\s+(?:(\d+) )?((?:permit|deny) .*?)(?: \((\d+) match(?:es)?\))?(?: sequence (\d+))?\s*$"
    for front, words, hits, behind in re.findall(pattern, shown, re.M):
        if front or behind:
            yield Line(int(front or behind), " ".join(_word(w) for w in words.split()), int(hits or 0))


def _word(word: str) -> str:
    """A port by its number and an IPv6 address as Python writes it."""
    if word in NAMES:
        return str(NAMES[word])
    try:
        return str(ip_address(word))
    except ValueError:
        return word.lower()


def _free(lines: tuple[Line, ...], first: int | None) -> tuple[int, ...]:
    """The two lowest free numbers before the first permit, in steps of ten while there are any."""
    used = {line.number for line in lines}
    end = first if first is not None else max(used, default=0) + 10 * STEP
    round_ones = (n for n in range(STEP, end, STEP) if n not in used)
    found = [n for n, _ in zip(round_ones, range(2), strict=False)]
    any_ones = (n for n in range(1, end) if n not in used and n not in found)
    return tuple((found + [n for n, _ in zip(any_ones, range(2), strict=False)])[:2])


def _bound(name: str, interfaces: str) -> Iterator[str]:
    """Where the list is bound: direction and name of each interface whose line protocol is up."""
    interface = ""
    for line in interfaces.splitlines():
        if head := re.match(r"(\S+) is .*line protocol is (\w+)", line):
            interface = head.group(1) if head.group(2) == "up" else ""
        way = re.match(rf"\s+(Inbound|Outgoing)\s+access list(?: is)? {re.escape(name)}\s*$", line)
        if way and interface:
            yield f"{'in' if way.group(1) == 'Inbound' else 'out'} on {interface}"


def _missing(entry: Entry, bound: bool, room: bool) -> tuple[str, ...]:
    if not bound:
        return _provision4(entry.name) if entry.address.version == 4 else _provision6(entry.name)
    if not room:
        return (f"{'ip' if entry.address.version == 4 else 'ipv6'} access-list resequence {_list(entry)} 1000 10",)
    return ()


def _configure(entry: Entry, lines: tuple[str, ...], tolerate: str = "") -> tuple[Command, ...]:
    kind = "ip access-list extended" if entry.address.version == 4 else "ipv6 access-list"
    said = tuple(Command(line, tolerate=tolerate) for line in lines)
    return (Command("configure terminal"), Command(f"{kind} {_list(entry)}"), *said, Command("end"))


def block(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    # A plan that was made before the device was read has no number yet.
    numbers = [*map(str, listing.free), "NUMBER", "NUMBER"]
    word = "" if entry.address.version == 4 else "sequence "
    return _configure(entry, tuple(f"{word}{n} {words}" for n, words in zip(numbers, _wanted(entry), strict=False)))


def unblock(entry: Entry, listing: Listing) -> tuple[Command, ...]:
    # One of a pair may be there alone, after a connection that broke between the two.
    return _configure(entry, tuple(f"no {words}" for words in _wanted(entry)), tolerate=r"(?i)not (?:found|exist)")


def cut(entry: Entry) -> tuple[Command, ...]:
    return ()


def sessions(entry: Entry) -> tuple[Command, ...]:
    return ()


def count(entry: Entry, answers: tuple[str, ...]) -> int:
    return 0


def save() -> tuple[Command, ...]:
    return (Command("write memory", patience=60),)


def leave() -> tuple[Command, ...]:
    return (Command("end"),)


def provision(name: str) -> tuple[str, ...]:
    return (*_provision4(name), *_provision6(name))


def _provision4(name: str) -> tuple[str, ...]:
    return (
        f"ip access-list extended {name}",
        f" {PERMIT} permit ip any any",
        "! the interface where the hosts' packets come in; if it has a list in that direction, name yours in the inventory instead",
        "interface GigabitEthernet0/1",
        f" ip access-group {name} in",
    )


def _provision6(name: str) -> tuple[str, ...]:
    return (
        f"ipv6 access-list {name}-6",
        f" sequence {PERMIT} permit ipv6 any any",
        "! the interface where the hosts' packets come in; a list that it has in that direction would be replaced",
        "interface GigabitEthernet0/1",
        f" ipv6 traffic-filter {name}-6 in",
    )
