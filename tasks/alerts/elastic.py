"""Alerts of Elastic Security, as a Kibana webhook connector posts them: the rule, the host, the two ends. Knows ECS; no inventory.

Kibana documentation, "Rule action variables": the body is the owner's template, and `{"alerts": {{{context.alerts}}}}` renders the
alert documents, their field names nested or with dots. Elastic Common Schema: source.*, destination.*, host.name, host.ip (a list that
holds loopback addresses too); kibana.alert.uuid, .rule.name, .severity, .status and .workflow_status.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import client_server, own_addresses, victim_first
from tasks.alerts.shape import Over, Record, domain_of, name_of
from tasks.model import Alert, ConfigError
from tasks.settings import Network

NO_ALERT = 'give the connector the body {"alerts": {{{context.alerts}}}}'
_OVER = {"recovered", "closed", "untracked"}


def parts(record: Record) -> Sequence[Record]:
    """One for each alert document; a body without `alerts` is one itself."""
    return record.parts("alerts") if record.get("alerts") is not None else (record,)


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert | Over]:
    states = {record.word("kibana.alert.status"), record.word("kibana.alert.workflow_status")}
    if over := sorted(states & _OVER):
        yield Over(str(record), f"Kibana calls the alert {over[0]}")
        return
    _needs_ends(record)
    ours = own_addresses(record, "host.ip")
    ends = client_server(record, "source.ip", "destination.ip", "destination.port")
    victim, far = victim_first(record, ends, internal, ours, " or among host.ip")
    rule, at = record.text(record.first("kibana.alert.rule.name", "rule.name")), record.moment("@timestamp")
    name = record.word("host.name", "host.hostname")
    yield Alert(
        source="elastic",
        id=record.word("kibana.alert.uuid") or name_of(victim.address, far.remote, rule, at.isoformat()),
        host=str(victim.address),
        remote=far.remote,
        signature=rule,
        at=at,
        severity=record.word("kibana.alert.severity"),
        sha256=record.sha256,
        domain=domain_of(
            record.word("destination.domain", "tls.client.server_name", "url.domain", "dns.question.name")
        ),
        # A packet sensor's agent sees others' connections: host.name is the victim's only where host.ip is.
        aliases=(name,) if name and victim.address in ours else (),
    )


def _needs_ends(record: Record) -> None:
    missing = [path for path in ("source.ip", "destination.ip") if record.get(path) in (None, "")]
    if missing:
        raise ConfigError(
            f"looked for the two ends in {record}",
            f"{missing[0]} is missing",
            "send alerts of rules on events with source.ip and destination.ip, or copy them with the rule's `suppress by` or a query",
        )
