"""The bytes of an input → its records. Knows JSON, its lines and its limits; must not know any source.

One object, a list of objects, or one object a line (NDJSON). A record that cannot be read is a fault of its own and takes no other
with it; an input that cannot be read at all is a ConfigError.
"""

from __future__ import annotations

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from typing import NoReturn

from tasks.alerts.shape import Record
from tasks.model import ConfigError, Json, inert

MAX_BYTES = 1 << 20
MAX_RECORDS = 1000
DEEPEST = 100

Line = Callable[[str], dict[str, Json] | None]


def records(source: str, raw: bytes, line: Line | None = None) -> Iterator[Record | ConfigError]:
    """The records of an input, in their order; blank lines are skipped.

    Args:
        source: names the records in errors.
        raw: the bytes as they came.
        line: reads a line that is no JSON, for a source that also sends such.

    Raises:
        ConfigError: too long, too many.
    """
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"read the {source} input", "it is too long", f"at most {MAX_BYTES} bytes are taken")
    values = list(_values(source, raw, line))
    if len(values) > MAX_RECORDS:
        raise ConfigError(
            f"read the {source} input", f"it has {len(values)} records", f"at most {MAX_RECORDS} are taken"
        )
    for number, (value, part) in enumerate(values, start=1):
        yield (
            value if isinstance(value, ConfigError) else Record(source, number, value, hashlib.sha256(part).hexdigest())
        )


def _values(source: str, raw: bytes, line: Line | None) -> Iterator[tuple[dict[str, Json] | ConfigError, bytes]]:
    for number, part in enumerate(_pieces(raw, line), start=1):
        name = f"{source} record {number}"
        try:
            value = _read(name, part, line)
        except ConfigError as error:
            yield error, part
            continue
        if not isinstance(value, list):
            yield _object(name, value), part
            continue
        for place, item in enumerate(value, start=1):
            yield _object(f"{name}, item {place}", item), json.dumps(item, sort_keys=True).encode()


def _pieces(raw: bytes, line: Line | None) -> list[bytes]:
    """The lines, if each is a record; one value over several lines is as good as one a line, and only the whole decides which it is."""
    raw = raw.removeprefix(BOM_UTF8)  # a reader may pass over it (RFC 8259, section 8.1), and Windows writes it
    lines = [piece for piece in raw.split(b"\n") if piece.strip()]
    by_line = len(lines) > 1 and (
        _is_json(lines[0]) or (line is not None and not raw.lstrip().startswith((b"{", b"[")))
    )
    return lines if by_line else [raw.strip()] if lines else []


def _is_json(piece: bytes) -> bool:
    try:
        _json(piece)
    except (ValueError, RecursionError):
        return False
    return True


def _read(name: str, part: bytes, line: Line | None) -> Json:
    try:
        return _json(part)
    except UnicodeDecodeError:
        raise ConfigError(f"read {name}", "it is not UTF-8", "send JSON as RFC 8259 wants it") from None
    except RecursionError:
        raise ConfigError(f"read {name}", "it is nested too deeply", "no alert needs that: see who sends it") from None
    except ValueError as error:
        if line and (found := line(part.decode().strip())) is not None:
            return found
        raise ConfigError(
            f"read {name}", f"it is not JSON: {inert(error, 200)}", "send one JSON object a line"
        ) from None


def _object(name: str, value: Json) -> dict[str, Json] | ConfigError:
    if isinstance(value, dict):
        return value
    return ConfigError(f"read {name}", "it is JSON, but no object", "send one JSON object a line")


def _json(data: bytes) -> Json:
    # Not json.loads(bytes): that would guess UTF-16 and UTF-32 too, and RFC 8259 knows neither NaN nor Infinity.
    value = json.loads(data.decode(), parse_constant=_no_constant)
    if _deeper(value, DEEPEST):
        raise RecursionError
    return value


def _deeper(value: Json, most: int) -> bool:
    """Is it nested more than `most` levels? What is read later walks into it, and writes it out."""
    level = [value]
    for _ in range(most):
        level = [inner for item in level if isinstance(item, (dict, list)) for inner in _inside(item)]
        if not level:
            return False
    return True


def _inside(item: dict[str, Json] | list[Json]) -> list[Json]:
    return list(item.values()) if isinstance(item, dict) else item


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
