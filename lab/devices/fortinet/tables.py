"""A FortiGate's tables: what a row may hold, and how `show` prints it. Must know no session and no device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

Fields = dict[str, list[str]]
Rows = dict[str, Fields]
DEFAULTS: Mapping[str, list[str]] = {"action": ["deny"], "status": ["enable"]}


@dataclass(frozen=True, slots=True)
class Table:
    """`fields` maps a field to its kind: subnet, prefix, text, names, or its choices; `refers` to the tables its names must be in."""

    fields: Mapping[str, str]
    required: tuple[str, ...] = ()
    refers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbered: bool = False


def _places(six: str) -> tuple[str, ...]:
    return (f"firewall address{six}", f"firewall addrgrp{six}")


TABLES: Mapping[str, Table] = {
    "firewall address": Table({"subnet": "subnet", "comment": "text"}),
    "firewall address6": Table({"ip6": "prefix", "comment": "text"}),
    "firewall addrgrp": Table({"member": "names", "comment": "text"}, ("member",), {"member": _places("")}),
    "firewall addrgrp6": Table({"member": "names", "comment": "text"}, ("member",), {"member": _places("6")}),
    "firewall policy": Table(
        {
            "name": "text",
            "srcintf": "names",
            "dstintf": "names",
            "action": "accept|deny",
            "srcaddr": "names",
            "dstaddr": "names",
            "srcaddr6": "names",
            "dstaddr6": "names",
            "schedule": "always",
            "service": "ALL",
            "status": "enable|disable",
            "comments": "text",
        },
        ("srcintf", "dstintf", "schedule", "service"),
        {f"{side}addr{six}": _places(six) for side in ("src", "dst") for six in ("", "6")},
        numbered=True,
    ),
}


def good(kind: str, values: list[str]) -> bool:
    """Are these the words of a value of this kind?"""
    if kind == "names":
        return bool(values)
    if kind == "subnet":
        return len(values) == 2 and _is(ip_network, "/".join(values)) and _is(ip_address, values[1])
    if kind == "prefix":
        return len(values) == 1 and ":" in values[0] and _is(ip_network, values[0])
    return len(values) == 1 and (kind == "text" or values[0] in kind.split("|"))


def _is(make: object, text: str) -> bool:
    try:
        make(text)  # type: ignore[operator]
    except ValueError:
        return False
    return True


def table_text(path: str, rows: Rows) -> str:
    """Rows as `show` prints them, without what is the default."""
    lines = [line for name, fields in rows.items() for line in _row(path, name, fields)]
    return "\n".join([f"config {path}", *lines, "end"])


def _row(path: str, name: str, fields: Fields) -> Iterator[str]:
    spec = TABLES[path]
    yield f"    edit {name}" if spec.numbered else f'    edit "{name}"'
    for key, kind in spec.fields.items():
        values = fields.get(key, [])
        if values and values != DEFAULTS.get(key):
            quoted = kind in ("names", "text") or kind in ("always", "ALL")
            yield f"        set {key} " + " ".join(f'"{v}"' if quoted else v for v in values)
    yield "    next"
