"""Prometheus Alertmanager's webhook: one POST, many alerts, each with labels. Knows its version 4 body; must not know an inventory.

Prometheus documentation, "Alerting: configuration, webhook_config". Labels are the rules' own; these are taken: `host` (else
`instance`, without its port) is the victim, `remote_ip` the remote, with `remote_port`; or `src_ip` and `dest_ip` with
`dest_port`, and the internal networks decide. `resolved` never blocks. fingerprint is the same each time an alert fires; with startsAt it
names one firing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import End, client_server, served, victim_first
from tasks.alerts.shape import Over, Record
from tasks.model import Alert, ConfigError
from tasks.settings import Network

NO_ALERT = "send Alertmanager's webhook body: an object with alerts"


def parts(record: Record) -> Sequence[Record]:
    return record.parts("alerts")


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert | Over]:
    if record.text("status") != "firing":
        yield Over(str(record), f"the alert {record.word('labels.alertname')} is resolved")
        return
    host, far = _who(record, internal)
    yield Alert(
        source="alertmanager",
        id=f"{record.text('fingerprint')}/{record.time('startsAt').isoformat()}",
        host=host,
        remote=far.remote,
        signature=record.text("labels.alertname"),
        at=record.time("startsAt"),
        severity=record.word("labels.severity"),
        sha256=record.sha256,
        domain=record.word("labels.domain"),
    )


def _who(record: Record, internal: Sequence[Network]) -> tuple[str, End]:
    if record.get("labels.remote_ip") is not None:
        return _host(record), served(record, "labels.remote_ip", "labels.remote_port")
    if record.get("labels.src_ip") is None or record.get("labels.dest_ip") is None:
        raise ConfigError(
            f"looked for the remote in {record}",
            "it has neither the label remote_ip nor src_ip and dest_ip",
            "give the rule the labels host and remote_ip, or src_ip and dest_ip",
        )
    ends = client_server(record, "labels.src_ip", "labels.dest_ip", "labels.dest_port")
    victim, far = victim_first(record, ends, internal)
    return str(victim.address), far


def _host(record: Record) -> str:
    if record.get("labels.host") is not None:
        return record.host("labels.host")
    instance = record.host("labels.instance")
    return instance.partition(":")[0] if instance.count(":") == 1 else instance
