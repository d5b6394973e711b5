"""What every alert source needs: records out of bytes, typed fields out of a record. Knows JSON; must not know any source.

The bytes are hostile: their length, number of records, depth and numbers are bounded, and a fault is a ConfigError that names the
record and the field. Text is kept as data, controls included; only what no UTF-8 file could hold (a lone surrogate) is written out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from tasks.model import Address, Alert, ConfigError, Json, inert, parse_address
from tasks.settings import Network

MAX_BYTES = 1 << 20
MAX_RECORDS = 1000
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of an input. `number` is 1-based, `sha256` that of its bytes."""

    source: str
    number: int
    data: dict[str, Json]
    sha256: str

    def get(self, path: str) -> Json:
        """The value at a dotted path; None when it is not there."""
        value: Json = self.data
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

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

    def number_at(self, path: str, most: int) -> int:
        """A whole number from 0 to `most`."""
        value = self.get(path)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.fail(path, value, f"a whole number from 0 to {most}")
        return value

    def port(self, path: str) -> int | None:
        """A port; None when it is absent or 0, as for ICMP."""
        return self.number_at(path, 65535) or None if self.get(path) is not None else None

    def address(self, path: str) -> Address:
        text = self.text(path)
        try:
            return parse_address(text)
        except ConfigError:
            self.fail(path, text, "an IP address")

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

    def fail(self, path: str, value: Json, wanted: str) -> NoReturn:
        """Raise the ConfigError that names this record, the field, and what should stand there."""
        raise ConfigError(f"read the field {path} of {self}", _seen(value), f"{wanted} is wanted there")

    def __str__(self) -> str:
        return f"{self.source} record {self.number}"


def _seen(value: Json) -> str:
    if value is None:
        return "it is missing"
    # A list or object is not written out: it may be nested as deep as the reader let it.
    return f"found {'a list or object' if isinstance(value, (list, dict)) else inert(json.dumps(value), 80)}"


class Source(Protocol):
    """One alert source. `alerts` is pure; an empty answer means that the record is no alert. NO_ALERT says what to send."""

    NO_ALERT: str

    def alerts(self, record: Record, internal: Sequence[Network]) -> Iterable[Alert]:
        """The alerts of one record. Raises ConfigError for a record that cannot be read."""


def records(source: str, raw: bytes) -> Iterator[Record]:
    """The JSON objects of an input: one that may span lines, or one a line; blank lines are skipped.

    Raises:
        ConfigError: too long, too many, not UTF-8, not JSON, not objects.
    """
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"read the {source} input", f"it has {len(raw)} bytes", f"at most {MAX_BYTES} are taken")
    lines = [line for line in raw.split(b"\n") if line.strip()]
    # One object over several lines is as good as one a line: only the whole decides which it is.
    parts = lines if len(lines) > 1 and _is_json(lines[0]) else [raw.strip()] if lines else []
    if len(parts) > MAX_RECORDS:
        raise ConfigError(
            f"read the {source} input", f"it has {len(parts)} records", f"at most {MAX_RECORDS} are taken"
        )
    for number, part in enumerate(parts, start=1):
        yield Record(source, number, _object(f"{source} record {number}", part), hashlib.sha256(part).hexdigest())


def _is_json(line: bytes) -> bool:
    try:
        _json(line)
    except (ValueError, RecursionError):
        return False
    return True


def _object(name: str, part: bytes) -> dict[str, Json]:
    try:
        value = _json(part)
    except UnicodeDecodeError:
        raise ConfigError(f"read {name}", "it is not UTF-8", "send JSON as RFC 8259 wants it") from None
    except RecursionError:
        raise ConfigError(f"read {name}", "it is nested too deeply", "no alert needs that: see who sends it") from None
    except ValueError as error:
        raise ConfigError(
            f"read {name}", f"it is not JSON: {inert(error, 200)}", "send one JSON object a line"
        ) from None
    if not isinstance(value, dict):
        raise ConfigError(f"read {name}", "it is JSON, but no object", "send one JSON object a line")
    return value


def _json(data: bytes) -> Json:
    # Not json.loads(bytes): that would guess UTF-16 and UTF-32 too, and RFC 8259 knows neither NaN nor Infinity.
    return json.loads(data.decode(), parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
