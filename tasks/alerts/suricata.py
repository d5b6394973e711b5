"""Suricata EVE: which end is ours, which is the remote, what was the rule. Knows eve.json; must not know an inventory.

Suricata user guide, "EVE JSON Format". Who sent the packet says nothing of who is the victim, so the internal networks decide;
`alert.target` (only there when the rule says `target:`) decides between two outside addresses. EVE has no event id: flow_id,
signature_id and timestamp together are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.shape import Record
from tasks.model import Address, Alert, ConfigError, Remote
from tasks.settings import Network

NO_ALERT = "send EVE records of event_type alert"
_SEVERITY = {"1": "high", "2": "medium", "3": "low", "4": "info"}
_DOMAINS = ("tls.sni", "http.hostname", "dns.rrname")
_MOST = (1 << 64) - 1


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    if record.text("event_type") != "alert":
        return
    victim, far = _ends(record, internal)
    severity = record.text("alert.severity", "")
    yield Alert(
        source="suricata",
        id=_id(record),
        host=str(record.address(f"{victim}_ip")),
        remote=Remote(record.address(f"{far}_ip"), _service_port(record, far)),
        signature=record.text("alert.signature"),
        at=record.time("timestamp"),
        severity=_SEVERITY.get(severity, severity),
        sha256=record.sha256,
        domain=next((name for path in _DOMAINS if (name := record.text(path, ""))), ""),
    )


def _id(record: Record) -> str:
    """The same for a second delivery. Without a flow (a decoder's alert), the two addresses take its place."""
    if record.get("flow_id") is None:
        flow = f"{record.address('src_ip')}-{record.address('dest_ip')}"
    else:
        flow = str(record.number_at("flow_id", _MOST))
    return f"{flow}/{record.number_at('alert.signature_id', _MOST)}/{record.time('timestamp').isoformat()}"


def _ends(record: Record, internal: Sequence[Network]) -> tuple[str, str]:
    """Which of src and dest is the victim, which the remote."""
    src, dest = record.address("src_ip"), record.address("dest_ip")
    src_in, dest_in = _inside(src, internal), _inside(dest, internal)
    if src_in != dest_in:
        return ("src", "dest") if src_in else ("dest", "src")
    if src_in:
        raise ConfigError(
            f"looked for the remote in {record}",
            f"{src} and {dest} are both internal",
            "an alert between two of your hosts names nothing outside to block; name the remote by hand, if there is one",
        )
    return _by_target(record, src, dest)


def _by_target(record: Record, src: Address, dest: Address) -> tuple[str, str]:
    target = record.address("alert.target.ip") if record.get("alert.target.ip") is not None else None
    if target == src != dest:
        return "src", "dest"
    if target == dest != src:
        return "dest", "src"
    raise ConfigError(
        f"looked for the victim in {record}",
        f"neither {src} nor {dest} is internal, and alert.target does not name one of them",
        "add your own networks to `internal` in inventory/policy.yaml",
    )


def _inside(address: Address, internal: Sequence[Network]) -> bool:
    return any(address in network for network in internal)


def _service_port(record: Record, far: str) -> int | None:
    """The far end's port, where it is the port of a service: a client's is another one each time."""
    client = {"to_server": "src", "to_client": "dest"}.get(record.text("direction", ""))
    return None if client == far else record.port(f"{far}_port")
