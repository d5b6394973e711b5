"""Palo Alto threat logs by HTTP log forwarding: a JSON body of the owner's template, or CSV. Knows their fields; no inventory.

PAN-OS Administrator's Guide, "Threat Log Fields" (names and CSV order) and "Forward Logs to an HTTP/S Destination" (`$src`, `$dst` … in
the body). src is who opened the session, so only dst's port is a service's. threatid is a name with its number in brackets. Times have
no offset: they are taken as UTC; high_res_timestamp (PAN-OS 10) has one and wins.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tasks.alerts.ends import client_server, victim_first
from tasks.alerts.shape import Record, domain_of, name_of
from tasks.model import Alert, Json
from tasks.settings import Network

NO_ALERT = "send logs of type THREAT, as JSON with src, dst, dport, threatid, severity, receive_time, or as CSV"
MEDIA = ("text/csv", "text/plain")
_COLUMNS = {
    1: "receive_time", 2: "serial", 3: "type", 4: "subtype", 6: "time_generated", 7: "src", 8: "dst", 22: "sessionid",
    25: "dport", 31: "misc", 32: "threatid", 34: "severity", 36: "seqno",
}  # fmt: skip
_TIMES = ("high_res_timestamp", "time_generated", "receive_time")


def line(text: str) -> dict[str, Json] | None:
    """The columns of one CSV line that an alert needs; None for a line with too few."""
    try:
        row = next(csv.reader([text], strict=True), [])
    except csv.Error:
        return None
    return {name: row[place] for place, name in _COLUMNS.items()} if len(row) > max(_COLUMNS) else None


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    if record.word("type").upper() not in ("", "THREAT"):
        return
    victim, far = victim_first(record, client_server(record, "src", "dst", "dport"), internal)
    threat, at = record.text(record.first("threatid", "threat_name", "threat")), _time(record)
    yield Alert(
        source="paloalto",
        id=_id(record) or name_of(victim.address, far.remote, threat, at.isoformat()),
        host=str(victim.address),
        remote=far.remote,
        signature=threat,
        at=at,
        severity=record.word("severity"),
        sha256=record.sha256,
        domain=_domain(record),
    )


def _id(record: Record) -> str:
    """A log's sequence number is unique on its firewall and for its type."""
    number = record.word("seqno")
    return f"{record.word('serial')}/threat/{number}" if number and number != "0" else ""


def _domain(record: Record) -> str:
    """The host part of the URL, in logs that have one (`misc` is a file's name in others)."""
    if record.word("subtype") not in ("url", "spyware"):
        return ""
    return domain_of(record.word("misc"))


def _time(record: Record) -> datetime:
    path = record.first(*_TIMES)
    try:
        return datetime.strptime(record.text(path), "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return record.moment(path)
