"""Splunk's webhook alert action: the first row of the search's result. Knows its envelope and the CIM field names; no inventory.

Splunk Alerting Manual, "Use a webhook alert action": sid, search_name (null for an unsaved search), results_link, owner, app, and
`result`, the first row alone. What is in a row is the search's choice; these names are those of the Common Information Model,
"Intrusion Detection" and "Network Traffic": src or src_ip, dest or dest_ip, dest_port. A row may have _time; the sid ends in the time of
the search. An end may be a name: then it is ours, if the other is an outside address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tasks.alerts.ends import End, inner, served, victim_first
from tasks.alerts.shape import Record
from tasks.model import Alert, ConfigError, Remote
from tasks.settings import Network

NO_ALERT = "send Splunk's webhook payload: an object with sid and result"
_SOURCE, _TARGET = ("result.src_ip", "result.src"), ("result.dest_ip", "result.dest")
_SID_TIME = re.compile(r"(?:_at_|^(?:rt_)?)(\d{9,10})(?=$|[._])")


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    host, far = _who(record, internal)
    sid = record.text("sid")
    yield Alert(
        source="splunk",
        id=f"{sid}/{host}/{far.remote}",
        host=host,
        remote=far.remote,
        signature=record.word("search_name", "result.signature", "result.rule") or f"Splunk search {sid}",
        at=_time(record, sid),
        severity=record.word("result.severity", "result.urgency"),
        sha256=record.sha256,
        domain=record.word("result.dest_host", "result.query", "result.url_domain"),
    )


def _who(record: Record, internal: Sequence[Network]) -> tuple[str, End]:
    source, target = record.first(*_SOURCE), record.first(*_TARGET)
    for path in (source, target):
        if record.get(path) in (None, ""):
            raise ConfigError(
                f"looked for the two ends in {record}",
                f"{path} is missing",
                "end the search in `| table _time src dest dest_port signature severity`; only its first row is sent",
            )
    one, other = _remote(record, source), _remote(record, target)
    if one and other:
        ends = End(one.address), served(record, target, "result.dest_port")
        victim, far = victim_first(record, ends, internal)
        return str(victim.address), far
    if other and not inner(other.address, internal):
        return record.text(source), served(record, target, "result.dest_port")
    if one and not inner(one.address, internal):
        return record.text(target), End(one.address)
    missing = target if one else source
    return record.fail(missing, record.get(missing), "the remote's IP address")


def _remote(record: Record, path: str) -> Remote | None:
    """None where a name stands."""
    try:
        return Remote.parse(record.text(path))
    except ConfigError:
        if isinstance(record.get(path), str):
            return None
        raise


def _time(record: Record, sid: str) -> datetime:
    if record.get("result._time") not in (None, ""):
        return record.moment("result._time")
    found = _SID_TIME.search(sid)
    if not found:
        record.fail("result._time", None, "the time of the event")
    return datetime.fromtimestamp(int(found[1]), UTC)
