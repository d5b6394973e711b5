"""Login records and log lines of a Linux host as scripts/look.sh tells them. Knows utmp(5) and log formats; judges nothing."""

from __future__ import annotations

import calendar
import ipaddress
import re
import struct
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tasks.facts import Unseen
from tasks.facts_linux import Login, LogLine
from tasks.transports.ssh_look_records import Ask, Record, first, of_kind, records, text, unseen

NEAR = 600.0
# Of each log and of the journal, as scripts/look.sh cuts them; and of all of them.
TAIL, MAX_LINES = 800, 1_000
# struct utmp of glibc: with 32-bit times where 32- and 64-bit programs share it (x86, s390), with 64-bit ones elsewhere.
_SHORT = struct.Struct("=h2xi32s4s32s256shhiii16s20x")
_LONG = struct.Struct("=h2xi32s4s32s256shhqqq16s20x4x")
_BOOT, _USER, _LOGIN = 2, 7, 6
# As scripts/look.sh cuts them; whoever owns a host owns its tools.
LONGEST = 1000
_ISO = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)\s")
_OLD = re.compile(r"^([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)\s", re.ASCII)
_UNIX = re.compile(r"^(\d{9,11})\.\d+ ", re.ASCII)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}


def logins(ask: Ask, since: float, root: str) -> tuple[list[Login], list[Unseen]]:
    """Logins, failed logins and boots since then, from the ends of wtmp and btmp."""
    found = records(ask, "logins", [], 30.0, root)
    rows: list[Login] = []
    for record in of_kind(found, "records"):
        rows += utmp(record.body, failed="btmp" in record.word)
    missed = [Unseen(f"/{r.word}", "it could not be read") for r in of_kind(found, "refused")]
    if not of_kind(found, "records"):
        missed.append(Unseen("login records", "this host keeps no wtmp (it may have a journal only)"))
    return [row for row in dict.fromkeys(rows) if row.at >= since], [*unseen(found), *missed]


def utmp(data: bytes, failed: bool) -> list[Login]:
    """The records of a utmp file; the layout is the one whose records make sense."""
    tried = [list(_records(data, layout, failed)) for layout in (_SHORT, _LONG)]
    return max(tried, key=len)


def _records(data: bytes, layout: struct.Struct, failed: bool) -> Iterator[Login]:
    for start in range(0, len(data) - layout.size + 1, layout.size):
        kind, pid, line, _, user, host, _, _, _, seconds, _, address = layout.unpack_from(data, start)
        if kind not in ((_USER, _LOGIN) if failed else (_USER, _BOOT)) or not 0 < seconds < 1 << 33:
            continue
        word = "boot" if kind == _BOOT else "failed" if failed else "login"
        yield Login(word, _word(user), _word(line), _word(host) or _address(address), float(seconds), max(pid, 0))  # type: ignore[arg-type]


def _word(data: bytes) -> str:
    return text(data.partition(b"\0")[0])


def _address(packed: bytes) -> str:
    """ut_addr_v6: four bytes for IPv4, sixteen for IPv6, zeros for none."""
    if not any(packed):
        return ""
    return str(ipaddress.IPv6Address(packed) if any(packed[4:]) else ipaddress.IPv4Address(packed[:4]))


def lines(ask: Ask, starts: Sequence[float], root: str) -> tuple[list[LogLine], list[Unseen]]:
    """Lines of who logged in and did what, near the moments in which suspects started (at most three moments)."""
    moments = sorted({int(start) for start in starts if start > 0})[:3]
    if not moments:
        return [], []
    spans = [str(int(edge)) for moment in moments for edge in (moment - NEAR, moment + NEAR)]
    zone = _zone(first(records(ask, "zone", [], 20.0, root), "zone"))
    found = records(ask, "logs", [beginnings(moments, zone), *spans], 120.0, root)
    rows = [row for r in of_kind(found, "log", "journal") for row in log_rows(r, zone, time.time())]
    near = [row for row in rows if any(abs(row.at - moment) <= NEAR for moment in moments)]
    missed = [Unseen(f"/var/log/{r.word}", "it could not be read") for r in of_kind(found, "refused")]
    for full in (r for r in of_kind(found, "log", "journal") if len(r.lines()) >= TAIL):
        missed.append(Unseen(_source(full), f"only the last {TAIL} lines of those hours were kept"))
    if not of_kind(found, "log", "journal"):
        missed.append(Unseen("log lines", "this host has no text logs and no journal that we may read"))
    if len(near) > MAX_LINES:
        missed.append(Unseen("log lines", f"only {MAX_LINES} of {len(near)} lines were kept"))
    return list(dict.fromkeys(near))[:MAX_LINES], [*unseen(found), *missed]


def beginnings(moments: Sequence[int], zone: int) -> str:
    """How the lines of these hours begin, in the host's zone and in Greenwich's, as a regular expression."""
    edges = {edge for moment in moments for edge in (moment - NEAR, moment, moment + NEAR)}
    hours = [time.gmtime(edge + shift) for edge in sorted(edges) for shift in (0, zone)]
    ways = [time.strftime(way, hour) for hour in hours for way in ("%Y-%m-%dT%H", "%b %e %H:")]
    return "|".join(dict.fromkeys(ways))


def _zone(written: str) -> int:
    """ "+0130" in seconds east of Greenwich."""
    match = re.fullmatch(r"([+-])(\d\d)(\d\d)", written, re.ASCII)
    return (-1 if match[1] == "-" else 1) * (int(match[2]) * 3600 + int(match[3]) * 60) if match else 0


def log_rows(record: Record, zone: int, now: float) -> Iterator[LogLine]:
    """Each line with its time; one whose time cannot be told has time 0."""
    source = _source(record)
    for line in record.lines():
        yield LogLine(source, moment(line, zone, now), line[:LONGEST])


def _source(record: Record) -> str:
    return "journal" if record.kind == "journal" else f"/var/log/{record.word}"


def moment(line: str, zone: int, now: float) -> float:
    """When the line was written, in seconds since the epoch; 0 when it does not say.

    Args:
        zone: the host's, in seconds east of Greenwich: the old form has none, and no year. It is the last such day before `now`.
    """
    if match := _UNIX.match(line):
        return float(match[1])
    try:
        if match := _ISO.match(line):
            return datetime.fromisoformat(match[1] + match[2]).timestamp()
        if match := _OLD.match(line):
            return _old(match, zone, now)
    except (ValueError, OverflowError):
        return 0.0
    return 0.0


def _old(match: re.Match[str], zone: int, now: float) -> float:
    month, (day, hour, minute, second) = _MONTHS.get(match[1], 0), map(int, match.groups()[1:])
    year = datetime.fromtimestamp(now, UTC).year
    for candidate in (year + 1, year, year - 1):
        at = datetime(candidate, month, day, hour, minute, second, tzinfo=UTC).timestamp() - zone
        if at <= now + 86400:
            return at
    return 0.0
