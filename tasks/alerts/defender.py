"""Microsoft Defender XDR alerts (Graph security alert, v2) and Microsoft Sentinel incidents: which evidence is a remote. No inventory.

Microsoft Graph, "alert resource type" and "alertEvidence": evidence has an @odata.type, roles, a verdict. Microsoft Sentinel, "incident
trigger" and "entity types reference": `object.properties` has title, severity, status and relatedEntities by kind.
An incident lists every address that it met, the host's own and those of services among them. So an address is a remote only as the far
end of a networkConnectionEvidence, or marked as malicious or the attacker's (Graph), or with threat intelligence (Sentinel).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.alerts.ends import End, client_server, inner, own_addresses, victim_first
from tasks.alerts.shape import Over, Record
from tasks.model import Address, Alert, ConfigError
from tasks.settings import Network

NO_ALERT = "send a Graph security alert with its evidence, or the body of Sentinel's incident trigger"
_BAD_ROLES = {"attacker", "commandAndControl"}
_OVER = {"resolved", "closed", "falsepositive", "benignpositive", "informationalexpectedactivity"}


def parts(record: Record) -> Sequence[Record]:
    """Graph answers a list request with `value`; Sentinel puts the incident into `object`."""
    if record.get("value") is not None:
        return record.parts("value")
    return record.parts("object") if record.get("object") is not None else (record,)


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert | Over]:
    sentinel = record.get("properties") is not None
    where = "properties." if sentinel else ""
    words = record.word(f"{where}status"), record.word(f"{where}classification")
    if over := next((word for word in words if word.lower() in _OVER), ""):
        yield Over(str(record), f"Microsoft calls it {over}")
        return
    found = _incident(record, internal) if sentinel else _evidence(record, internal)
    for host, far, names in dict.fromkeys(found):
        yield Alert(
            source="defender",
            id=f"{record.text(record.first('id', 'name'))}/{host}/{far.remote}",
            host=host,
            remote=far.remote,
            signature=record.text(f"{where}title"),
            at=record.time(record.first(f"{where}createdDateTime", f"{where}createdTimeUtc")),
            severity=record.word(f"{where}severity").lower(),
            sha256=record.sha256,
            aliases=names,
        )


_Found = tuple[str, End, tuple[str, ...]]


def _evidence(record: Record, internal: Sequence[Network]) -> list[_Found]:
    """Graph: the connections; without any, the addresses that are marked, for the one device."""
    evidence = record.parts("evidence")
    devices = [part for part in evidence if _is(part, "deviceEvidence")]
    ours = {address for device in devices for address in _addresses(device)}
    found = [_connection(part, internal, devices) for part in evidence if _is(part, "networkConnectionEvidence")]
    if found:
        return found
    marked = [End(part.address("ipAddress")) for part in evidence if _is(part, "ipEvidence") and _marked(part)]
    far = [end for end in marked if not inner(end.address, internal) and end.address not in ours]
    names = [_device_names(device) for device in devices]
    return _pairs(record, far, names, "evidence")


def _is(part: Record, kind: str) -> bool:
    return part.word("@odata.type").rpartition(".")[2] == kind


def _marked(part: Record) -> bool:
    roles = part.get("roles")
    bad = set(roles) & _BAD_ROLES if isinstance(roles, list) and all(isinstance(role, str) for role in roles) else set()
    return bool(bad) or part.word("verdict") == "malicious"


def _connection(part: Record, internal: Sequence[Network], devices: Sequence[Record]) -> _Found:
    ends = client_server(part, "sourceAddress.ipAddress", "destinationAddress.ipAddress", "destinationPort")
    owns = [(device, _addresses(device)) for device in devices]
    victim, far = victim_first(
        part, ends, internal, {a for _, own in owns for a in own}, " or an address of the alert's device"
    )
    names = next((_device_names(device) for device, own in owns if victim.address in own), ())
    return str(victim.address), far, names


def _addresses(device: Record) -> frozenset[Address]:
    return own_addresses(device, "lastIpAddress") | own_addresses(device, "ipInterfaces")


def _device_names(device: Record) -> tuple[str, ...]:
    names = (device.word("deviceDnsName"), device.word("hostName"))
    return tuple(dict.fromkeys(filter(None, names)))


def _incident(record: Record, internal: Sequence[Network]) -> list[_Found]:
    """Sentinel: the addresses with threat intelligence, for the one host."""
    entities = record.parts("properties.relatedEntities")
    marked = [e for e in entities if _kind(e) == "ip" and e.get("properties.threatIntelligence")]
    far = [end for end in (End(e.address("properties.address")) for e in marked) if not inner(end.address, internal)]
    return _pairs(record, far, [_host_names(e) for e in entities if _kind(e) == "host"], "properties.relatedEntities")


def _kind(entity: Record) -> str:
    return entity.word("kind").lower()


def _host_names(entity: Record) -> tuple[str, ...]:
    host, domain = entity.word("properties.hostName"), entity.word("properties.dnsDomain")
    return tuple(dict.fromkeys(filter(None, (f"{host}.{domain}" if host and domain else "", host))))


def _pairs(record: Record, far: Sequence[End], names: Sequence[tuple[str, ...]], where: str) -> list[_Found]:
    hosts = list(dict.fromkeys(filter(None, names)))
    if not far:
        raise ConfigError(
            f"looked for the remote in {record}",
            f"{where} has no connection, and no outside address that is marked as malicious: those it lists may be anybody's",
            "name the remote by hand: hemostat respond HOST --remote ADDRESS",
        )
    if len(hosts) != 1:
        raise ConfigError(
            f"looked for the victim in {record}",
            f"{where} names {len(hosts) or 'no'} devices, and nothing says which of them talked to {far[0].address}",
            "send alerts with one device, or with networkConnectionEvidence",
        )
    ((first, *others),) = hosts
    return [(first, end, tuple(others)) for end in far]
