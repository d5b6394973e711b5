"""Wazuh 4 alerts (alerts.json, the integrator's webhook): the rule, the agent, the two ends. Knows their fields; no inventory.

Wazuh documentation, "Custom integration" and "Rules and decoders": the decoders write `data.srcip` and `data.dstip`, those of Suricata
and other JSON logs `data.src_ip` and `data.dest_ip`; Windows events `data.win.eventdata.sourceIp` and `destinationIp` (Sysmon 3).
The agent that sent the event may be a sensor: it is the victim only where the event itself names no inner end, or names the
agent's own address. Values in `data` are texts. Rule levels are 0 to 15.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import End, inner, own_addresses, served, victim_first
from tasks.alerts.shape import Record, domain_of
from tasks.model import Alert, ConfigError
from tasks.settings import Network

NO_ALERT = "send Wazuh's alerts.json records"
_SOURCE = ("data.srcip", "data.src_ip", "data.win.eventdata.sourceIp", "data.srcIp")
_TARGET = ("data.dstip", "data.dest_ip", "data.win.eventdata.destinationIp", "data.dstIp", "data.dst_ip")
_PORT = ("data.dstport", "data.dest_port", "data.win.eventdata.destinationPort", "data.dst_port")
# The manager's own agent is always 000, and its address is the loopback: it relays what others sent.
_MANAGER = "000"


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    host, far = _who(record, internal)
    yield Alert(
        source="wazuh",
        id=record.text("id"),
        host=host,
        remote=far.remote,
        signature=record.text("rule.description"),
        at=record.time("timestamp"),
        severity=_severity(record),
        sha256=record.sha256,
        domain=domain_of(record.word("data.tls.sni", "data.http.hostname", "data.hostname", "data.url")),
        aliases=_names(record, host),
    )


def _who(record: Record, internal: Sequence[Network]) -> tuple[str, End]:
    source, target = record.first(*_SOURCE), record.first(*_TARGET)
    there = [path for path in (source, target) if record.get(path) not in (None, "")]
    ours = own_addresses(record, "agent.ip")
    if len(there) == 2:
        ends = End(record.address(source)), served(record, target, record.first(*_PORT))
        victim, far = victim_first(record, ends, internal, ours)
        return str(victim.address), far
    if not there:
        raise ConfigError(
            f"looked for the remote in {record}",
            "data has neither srcip nor dstip (nor src_ip, dest_ip)",
            "send alerts of rules whose decoder extracts srcip or dstip",
        )
    return _agent(record), _only(record, there[0], internal, there[0] == target)


def _only(record: Record, path: str, internal: Sequence[Network], target: bool) -> End:
    """The one end that the event names is the remote, so it must be outside."""
    end = served(record, path, record.first(*_PORT)) if target else End(record.address(path))
    if inner(end.address, internal):
        raise ConfigError(
            f"looked for the remote in {record}",
            f"{path} is {end.address}, an internal address, and there is no other end",
            "send alerts of rules whose decoder extracts both srcip and dstip",
        )
    return end


def _agent(record: Record) -> str:
    if record.word("agent.id") == _MANAGER:
        raise ConfigError(
            f"looked for the victim in {record}",
            "the event names one end only, and its agent is the Wazuh manager, which relays what others sent",
            "send alerts whose decoder extracts both srcip and dstip",
        )
    found = own_addresses(record, "agent.ip")
    return str(next(iter(found))) if len(found) == 1 else record.text("agent.name")


def _names(record: Record, host: str) -> tuple[str, ...]:
    """The agent's name, if the agent is the victim: its address may not be in the inventory."""
    mine = {str(address) for address in own_addresses(record, "agent.ip")}
    name = record.word("agent.name")
    return (name,) if name and host in mine else ()


def _severity(record: Record) -> str:
    level = record.number_at("rule.level", 16)
    return next(word for least, word in ((15, "critical"), (12, "high"), (7, "medium"), (0, "low")) if level >= least)
