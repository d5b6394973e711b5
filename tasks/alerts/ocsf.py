"""OCSF findings (Detection Finding 2004, and the older Security Finding 2001): the evidences' endpoints. Knows OCSF; no inventory.

schema.ocsf.io, classes detection_finding and security_finding, objects evidences, network_endpoint and device: activity_id 3 is Close;
status_id 3 Suppressed, 4 Resolved; `time` is in milliseconds since 1970; severity_id 1 to 6. An evidence whose endpoints are not both
there is no connection and is passed over; a finding without any connection is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import End, client_server, own_addresses, victim_first
from tasks.alerts.shape import Over, Record
from tasks.model import Address, Alert, ConfigError
from tasks.settings import Network

NO_ALERT = "send OCSF Detection Findings (class_uid 2004)"
_OVER = {("activity_id", 3): "closed", ("status_id", 3): "suppressed", ("status_id", 4): "resolved"}
_SEVERITY = {1: "info", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "fatal"}
_FINDINGS = (2001, 2004)


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert | Over]:
    if record.number_at("class_uid", 10**9) not in _FINDINGS:
        return
    over = next((word for (path, value), word in _OVER.items() if record.get(path) == value), "")
    if over:
        yield Over(str(record), f"the finding is {over}")
        return
    for victim, far, domain in dict.fromkeys(_connections(record, internal)):
        yield _alert(record, victim, far, domain)


def _alert(record: Record, victim: End, far: End, domain: str) -> Alert:
    info = record.first("finding_info.title", "finding.title")
    uid = record.first("finding_info.uid", "finding.uid")
    severity = record.get("severity_id")
    return Alert(
        source="ocsf",
        id=f"{record.text(uid)}/{victim.address}/{far.remote}",
        host=str(victim.address),
        remote=far.remote,
        signature=record.text(info),
        at=record.moment("time"),
        severity=_SEVERITY.get(severity, "") if isinstance(severity, int) else "",
        sha256=record.sha256,
        domain=domain,
        aliases=_names(record, victim),
    )


def _connections(record: Record, internal: Sequence[Network]) -> Iterator[tuple[End, End, str]]:
    whole = [part for part in record.parts("evidences") if _both(part)]
    if not whole:
        raise ConfigError(
            f"looked for the two ends in {record}",
            "no item of evidences has both src_endpoint.ip and dst_endpoint.ip",
            "send findings whose evidences hold the connection",
        )
    for part in whole:
        ends = client_server(part, "src_endpoint.ip", "dst_endpoint.ip", "dst_endpoint.port")
        domain = part.word("dst_endpoint.domain", "dst_endpoint.hostname")
        yield *victim_first(part, ends, internal, _device(record)), domain


def _both(part: Record) -> bool:
    return all(part.get(f"{end}.ip") not in (None, "") for end in ("src_endpoint", "dst_endpoint"))


def _device(record: Record) -> frozenset[Address]:
    return own_addresses(record, "device.ip") | own_addresses(record, "device.ip_addresses")


def _names(record: Record, victim: End) -> tuple[str, ...]:
    """The device's names, where the device is the victim and not the sensor."""
    names = (record.word("device.hostname"), record.word("device.name"))
    return tuple(dict.fromkeys(filter(None, names))) if victim.address in _device(record) else ()
