"""The twins: made-up alerts in the shape of each source's own, one folder a source. Knows the case files; no parser.

cases.yaml of a source: `bases` are whole bodies by name (a text where the source does not send JSON), `swap` pairs of paths whose values
change places when the other end opens the connection, `signature` the path of the signature's text. A case takes its `base` (else the
first), changes it by `with` (dotted paths; null takes a field away) or `replace` (in a text), and expects: `is`, the fields of one alert,
`are` those of several, `over` words of why nothing is to be done, or `says` words of the error.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tasks.yaml_lines import read

HERE = Path(__file__).parent
TWINS: dict[str, Any] = {path.parent.name: read(path.read_bytes()).value for path in sorted(HERE.glob("*/cases.yaml"))}
CASES = {
    f"{source}, {name}": (source, case or {}) for source, twin in TWINS.items() for name, case in twin["cases"].items()
}


def base(source: str, name: str = "") -> Any:
    """A whole body of that source: an object, or a text."""
    bases = TWINS[source]["bases"]
    return copy.deepcopy(bases[name or next(iter(bases))])


def body(source: str, case: dict[str, Any]) -> bytes:
    """The bytes that the case sends."""
    whole = base(source, case.get("base", ""))
    if isinstance(whole, str):
        for old, new in case.get("replace", ()):
            assert old in whole, f"the base has no {old!r}"
            whole = whole.replace(old, new)
        return whole.encode()
    return json.dumps(changed(whole, case.get("with", {}))).encode()


def changed(record: Any, changes: dict[str, Any]) -> Any:
    """The record with fields put in or (None) taken away, by dotted path; a number is a place in a list."""
    for path, value in changes.items():
        inner, last = _walk(record, path)
        if isinstance(inner, list):
            inner[int(last)] = value
        elif value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return record


def at(record: Any, path: str) -> Any:
    """The value at a dotted path; None when it is not there."""
    inner, last = _walk(record, path)
    return inner[int(last)] if isinstance(inner, list) else inner.get(last)


def swapped(source: str) -> bytes:
    """The base, with the two ends in each other's place."""
    record, twin = base(source, TWINS[source].get("swap_base", "")), TWINS[source]
    for one, other in twin["swap"]:
        first, second = at(record, one), at(record, other)
        changed(record, {one: second, other: first})
    return json.dumps(record).encode()


def _walk(inner: Any, path: str) -> tuple[Any, str]:
    """Where the path's last step is taken; a key that has dots itself counts as one step."""
    while True:
        if isinstance(inner, dict) and path in inner:
            return inner, path
        head, _, rest = path.partition(".")
        if not rest or (isinstance(inner, dict) and any(key.startswith(f"{head}.") for key in inner)):
            return inner, path
        inner, path = (inner[int(head)] if isinstance(inner, list) else inner.setdefault(head, {})), rest
