"""Zeek's notice.log and conn.log as JSON: the notice or connection, its two ends. Knows Zeek's field names; must not know an inventory.

Zeek documentation, "notice.log" (Notice::Info), "conn.log" and policy/tuning/json-logs: `ts` is the epoch in seconds, or ISO 8601 when
LogAscii::json_timestamps says so. A notice has `id.orig_h` and `id.resp_h`, or only `src` and `dst` with the port `p`, or no host at
all; `uid` is there only when the notice belongs to a connection. orig is the client: only the port of resp is a service's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import End, client_server, victim_first
from tasks.alerts.shape import Record, name_of
from tasks.model import Alert, ConfigError
from tasks.settings import Network

NO_ALERT = "send records of notice.log or conn.log as JSON (`@load policy/tuning/json-logs`)"


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    victim, far = victim_first(record, _ends(record), internal)
    at, what = record.moment("ts"), _signature(record)
    yield Alert(
        source="zeek",
        id=name_of(record.word("uid") or f"{victim.address} {far.address}", what, at.isoformat()),
        host=str(victim.address),
        remote=far.remote,
        signature=what,
        at=at,
        sha256=record.sha256,
    )


def _signature(record: Record) -> str:
    note, message = record.word("note"), record.word("msg")
    if note:
        return f"{note}: {message}" if message else note
    return f"connection {record.text('uid')} ({record.word('service', 'proto') or 'unknown service'})"


def _ends(record: Record) -> tuple[End, End]:
    if record.get("id.orig_h") is not None or record.get("id.resp_h") is not None:
        return client_server(record, "id.orig_h", "id.resp_h", "id.resp_p")
    if record.get("src") is None or record.get("dst") is None:
        raise ConfigError(
            f"looked for the two ends in {record}",
            "it has neither id.orig_h and id.resp_h nor src and dst",
            "send notices that belong to a connection: give NOTICE a $conn or an $id",
        )
    return client_server(record, "src", "dst", "p")
