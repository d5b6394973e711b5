"""What every alert source needs: typed fields out of one JSON object. Knows JSON values; must not know any source.

The values are hostile: text and numbers are bounded, and a fault is a ConfigError that names the record and the field. Text is kept
as data, controls included; only what no UTF-8 file could hold (a lone surrogate) is written out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from tasks.model import Address, Alert, ConfigError, Json, Remote, inert, parse_address
from tasks.settings import Network

MAX_TEXT = 1000
MAX_PARTS = 1000
# An epoch time is in seconds, milli-, micro- or nanoseconds: from 1973 to 5138 their sizes do not overlap.
_EPOCH = ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of an input. `number` is 1-based, `sha256` that of its bytes, `inside` says which part of them this is."""

    source: str
    number: int
    data: dict[str, Json]
    sha256: str
    inside: str = ""

    def get(self, path: str) -> Json:
        """The value at a dotted path, whether its dots are levels or stand in a key (`id.orig_h`); None when it is not there."""
        return _at(self.data, path)

    def first(self, *paths: str) -> str:
        """The first of the paths that has a value; the first of all when none has one."""
        return next((path for path in paths if self.get(path) not in (None, "")), paths[0])

    def parts(self, path: str) -> list[Record]:
        """The objects of the list at the path, each as a record; one object counts as a list of one, a missing list as none.

        Raises:
            ConfigError: something else is there, or more than MAX_PARTS.
        """
        value = self.get(path)
        items = [value] if isinstance(value, dict) else [] if value is None else value
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self.fail(path, value, "a list of objects")
        if len(items) > MAX_PARTS:
            self.fail(path, value, f"a list of at most {MAX_PARTS} objects")
        return [
            replace(self, data=item, inside=f"{self.inside}, {path} {number}")
            for number, item in enumerate(items, start=1)
        ]

    def text(self, path: str, default: str | None = None) -> str:
        """A text or whole number at the path, as text of at most MAX_TEXT characters.

        Raises:
            ConfigError: it is missing (and there is no default), empty, or of another type.
        """
        value = self.get(path)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
            self.fail(path, value, "a text")
        return str(value).encode("utf-8", "backslashreplace").decode()[:MAX_TEXT]

    def word(self, *paths: str) -> str:
        """The text at the first path that has one, as it stands; nothing when none has: for what an alert can do without."""
        return next(
            (self.text(p) for p in paths if isinstance(v := self.get(p), (str, int)) and v not in ("", True, False)), ""
        )

    def number_at(self, path: str, most: int) -> int:
        """A whole number from 0 to `most`."""
        value = self.get(path)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.fail(path, value, f"a whole number from 0 to {most}")
        return value

    def port(self, path: str) -> int | None:
        """A port; None when it is absent or 0, as for ICMP."""
        return self.number_at(path, 65535) or None if self.get(path) is not None else None

    def port_text(self, path: str) -> int | None:
        """A port that the sender may also write as a text; None when it is absent, empty or 0."""
        value = self.get(path)
        if not isinstance(value, str):
            return self.port(path)
        if value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65535:
            return int(value) or None
        return None if value in ("", "-") else self.fail(path, value, "a port")

    def address(self, path: str) -> Address:
        return self.remote(path).address

    def remote(self, path: str, port: int | None = None) -> Remote:
        """An address in any spelling, in brackets or not, with a port behind it or not.

        Args:
            port: what a field of its own says; it must not contradict.
        """
        text = self.text(path)
        try:
            found = Remote.parse(text)
        except ConfigError:
            self.fail(path, text, "an IP address")
        if port and found.port and port != found.port:
            self.fail(path, text, f"the port {port} of its own field, or none,")
        return Remote(found.address, port or found.port)

    def host(self, path: str) -> str:
        """A host's name as it stands, or its address in its one canonical spelling (RFC 5952)."""
        text = self.text(path)
        try:
            return str(Remote.parse(text).address)
        except ConfigError:
            return text

    def time(self, path: str) -> datetime:
        """An ISO 8601 time with its offset, as UTC."""
        text = self.text(path)
        try:
            moment = datetime.fromisoformat(text)
            offset, moment = moment.utcoffset(), moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(path, text, "a time, as 2027-01-31T12:00:00+00:00")
        if offset is None:
            self.fail(path, text, "a time with its offset from UTC")
        return moment

    def moment(self, path: str) -> datetime:
        """A time as UTC: ISO 8601 with its offset, or the seconds, milli-, micro- or nanoseconds since 1970."""
        value = self.get(path)
        number = _number(value)
        return self.time(path) if number is None else self._epoch(path, number)

    def _epoch(self, path: str, number: float) -> datetime:
        unit = next((unit for most, unit in _EPOCH if 0 <= number < most), None)
        if unit is None:
            self.fail(path, number, "a time since 1970")
        return datetime.fromtimestamp(number / unit, UTC)

    def fail(self, path: str, value: Json, wanted: str) -> NoReturn:
        """Raise the ConfigError that names this record, the field, and what should stand there."""
        raise ConfigError(f"read the field {path} of {self}", _seen(value), f"{wanted} is wanted there")

    def __str__(self) -> str:
        return f"{self.source} record {self.number}{self.inside}"


def _at(value: Json, path: str) -> Json:
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    while dot:
        if (found := _at(value.get(head), rest)) is not None:
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _number(value: Json) -> float | None:
    """A JSON number, or a text that is one as far as a time can be."""
    if isinstance(value, str) and len(value) <= 32 and value.replace(".", "", 1).isascii():
        value = float(value) if value.replace(".", "", 1).isdigit() else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value > _EPOCH[-1][0]:
        return None
    return float(value)


def _seen(value: Json) -> str:
    if value is None:
        return "it is missing"
    # A list or object is not written out: it may be nested as deep as the reader let it.
    return f"found {'a list or object' if isinstance(value, (list, dict)) else inert(json.dumps(value), 80)}"


@dataclass(frozen=True, slots=True)
class Over:
    """What a record tells that is no reason to respond: `why`, as `resolved`."""

    record: str
    why: str


class Source(Protocol):
    """One alert source. `alerts` is pure; an empty answer means that the record is no alert. NO_ALERT says what to send.

    Two more functions may stand in its file. `parts(record)` gives the alerts of a record that holds several, each as a record of its
    own: a fault in one does not touch the others. `line(text)` reads one line that is not JSON into an object, or None.
    """

    NO_ALERT: str

    def alerts(self, record: Record, internal: Sequence[Network]) -> Iterable[Alert | Over]:
        """The alerts of one record. Raises ConfigError for a record that cannot be read."""


def domain_of(text: str) -> str:
    """The name in a URL or `HOST:PORT`; empty where there is an address, or a path alone."""
    host = re.split(r"[/?#]", text.partition("://")[2] or text, maxsplit=1)[0].rpartition("@")[2]
    bare = "" if host.startswith("[") or host.count(":") > 1 else host.partition(":")[0]
    return "" if _is_address(bare) else bare


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ConfigError:
        return False
    return True


def name_of(*parts: object) -> str:
    """An id for an alert whose sender gives none: the same for the same parts."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]
