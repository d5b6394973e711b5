"""hemostat's own JSON alert, for whatever can send an HTTP POST or write a line. Knows this schema and no other.

host         text      needed  the victim: its name in the inventory, or one of its addresses
remote_ip    text      needed  the address that it talks to
remote_port  number            1 to 65535
domain       text              the name that it asked for
rule         text      needed  what raised the alert
severity     text              as the sender calls it
time         text      needed  ISO 8601 with its offset: 2027-01-31T12:00:00+00:00
id           text              what a second delivery repeats; without it: host, remote, rule and time
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.shape import Record, name_of
from tasks.model import Alert, ConfigError, inert
from tasks.settings import Network

NO_ALERT = "send one JSON object with host, remote_ip, rule and time"
_FIELDS = ("host", "remote_ip", "remote_port", "domain", "rule", "severity", "time", "id")


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:  # noqa: ARG001
    """The one alert of a record; `internal` is not needed, since the sender says which end is which."""
    if strange := sorted(set(record.data) - set(_FIELDS)):
        raise ConfigError(
            f"read {record}", f"unknown field '{inert(strange[0], 60)}'", f"known are {', '.join(_FIELDS)}"
        )
    remote = record.remote("remote_ip", record.port("remote_port"))
    host, rule, at = record.host("host"), record.text("rule"), record.time("time")
    yield Alert(
        source="plain",
        id=record.text("id", "") or name_of(host, remote, rule, at.isoformat()),
        host=host,
        remote=remote,
        signature=rule,
        at=at,
        severity=record.text("severity", ""),
        sha256=record.sha256,
        domain=record.text("domain", ""),
    )
