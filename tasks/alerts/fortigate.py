"""FortiGate logs by an automation stitch's webhook: key=value inside a JSON `message`, as the bare line, or as JSON. No inventory.

FortiOS Administration Guide, "Webhook action" and "Variables in actions" (`{"message": "%%log%%"}`); FortiOS Log Reference: srcip,
srcport, dstip, dstport, logid, type, subtype, level, msg, attack, sessionid, devid. srcip opened the session, so only dstport is a
service's. eventtime is in seconds before FortiOS 6.2 and in nanoseconds since; without it date, time and tz are the time. A body
whose inner quotes were not escaped is no JSON, and is read as the line that it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tasks.alerts.ends import client_server, victim_first
from tasks.alerts.shape import Record, name_of
from tasks.model import Alert, Json
from tasks.settings import Network

NO_ALERT = 'give the webhook action the body {"message": "%%log%%"}'
MEDIA = ("text/plain",)
_PAIR = re.compile(r'\b([a-z_][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_MOST_PAIRS = 500
# What names the finding, the most telling first.
_SIGNATURE = ("attack", "virus", "botnet", "threat", "msg", "logdesc")


def line(text: str) -> dict[str, Json] | None:
    """The pairs of one log line; None when it is none."""
    found = [pair for _, pair in zip(range(_MOST_PAIRS), _PAIR.finditer(text), strict=False)]
    pairs: dict[str, Json] = {pair[1]: _bare(pair[2]) for pair in found}
    return pairs if "logid" in pairs or "srcip" in pairs else None


def alerts(record: Record, internal: Sequence[Network]) -> Iterator[Alert]:
    message = record.get("message")
    inner = line(message) if record.get("srcip") is None and isinstance(message, str) else None
    log = replace(record, data=inner) if inner is not None else record
    victim, far = victim_first(log, client_server(log, "srcip", "dstip", "dstport"), internal)
    what, at = _signature(log), _time(log)
    yield Alert(
        source="fortigate",
        id=name_of(
            log.word("devid"),
            log.word("logid"),
            log.word("sessionid"),
            victim.address,
            far.remote,
            what,
            at.isoformat(),
        ),
        host=str(victim.address),
        remote=far.remote,
        signature=what,
        at=at,
        severity=log.word("severity", "crlevel", "level"),
        sha256=log.sha256,
        domain=log.word("hostname", "qname"),
    )


def _bare(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _signature(log: Record) -> str:
    return log.word(*_SIGNATURE) or f"{log.word('type')} {log.word('subtype')} {log.text('logid')}".strip()


def _time(log: Record) -> datetime:
    if log.get("eventtime") is not None:
        return log.moment("eventtime")
    whole = f"{log.text('date')}T{log.text('time')}{log.text('tz')}"
    return replace(log, data={"date, time and tz": whole}).time("date, time and tz")
