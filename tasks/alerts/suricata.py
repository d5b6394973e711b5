"""Suricata EVE: which end is ours, which is the remote, what was the rule. Knows eve.json; must not know an inventory.

Suricata user guide, "EVE JSON Format". Who sent the packet says nothing of who is the victim, so the internal networks decide;
`alert.target` (only there when the rule says `target:`) decides between two outside addresses. EVE has no event id: flow_id,
signature_id and timestamp together are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import End, served, victim_first
from tasks.alerts.shape import Record
from tasks.model import Alert
from tasks.settings import Network

NO_ALERT = "send EVE records of event_type alert"
_SEVERITY = {"1": "high", "2": "medium", "3": "low", "4": "info"}
_MOST = (1 << 64) - 1


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    if record.text("event_type") != "alert":
        return
    target = {record.address("alert.target.ip")} if record.get("alert.target.ip") is not None else set()
    but = ", and alert.target does not name one of them"
    victim, far = victim_first(record, (_end(record, "src"), _end(record, "dest")), internal, target, but)
    severity = record.text("alert.severity", "")
    yield Alert(
        source="suricata",
        id=_id(record),
        host=str(victim.address),
        remote=far.remote,
        signature=record.text("alert.signature"),
        at=record.time("timestamp"),
        severity=_SEVERITY.get(severity, severity),
        sha256=record.sha256,
        domain=record.word("tls.sni", "http.hostname", "dns.rrname"),
    )


def _id(record: Record) -> str:
    """The same for a second delivery. Without a flow (a decoder's alert), the two addresses take its place."""
    if record.get("flow_id") is None:
        flow = f"{record.address('src_ip')}-{record.address('dest_ip')}"
    else:
        flow = str(record.number_at("flow_id", _MOST))
    return f"{flow}/{record.number_at('alert.signature_id', _MOST)}/{record.time('timestamp').isoformat()}"


def _end(record: Record, name: str) -> End:
    """One end; its port counts unless the direction says that it is the client's."""
    client = {"to_server": "src", "to_client": "dest"}.get(record.text("direction", ""))
    return End(record.address(f"{name}_ip")) if client == name else served(record, f"{name}_ip", f"{name}_port")
