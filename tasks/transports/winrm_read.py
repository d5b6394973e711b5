"""What look.ps1 and signed.ps1 print → facts. Knows their JSON; must not know how it came, nor judge it.

The host is hostile: rows that are not of their shape are left out and told, texts are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tasks.facts import Connection, FileSeen, Process, Unseen
from tasks.facts_windows import (
    Driver,
    Event,
    Module,
    Note,
    Preflight,
    RegistryValue,
    Service,
    Signed,
    Subscription,
    Task,
    Windows,
)
from tasks.model import ConfigError, Json, TargetError, inert, parse_address
from tasks.transports.winrm_frame import bootstrap, is_ours
from tasks.windows import pasted
from tasks.windows.paths import plain, started

T = TypeVar("T")
MOST_ROWS = 20_000
# signed.ps1's words.
NO_TIME = "there was no time left to look at it"
# Get-NetTCPConnection's words (MSFT_NetTCPConnection.State) as psutil has them.
_STATES = {
    "Established": "ESTABLISHED",
    "Listen": "LISTEN",
    "SynSent": "SYN_SENT",
    "SynReceived": "SYN_RECV",
    "TimeWait": "TIME_WAIT",
    "CloseWait": "CLOSE_WAIT",
    "FinWait1": "FIN_WAIT1",
    "FinWait2": "FIN_WAIT2",
    "Closing": "CLOSING",
    "LastAck": "LAST_ACK",
    "Closed": "CLOSE",
    "Bound": "CLOSE",
    "None": "NONE",
}
_ROWS: dict[str, type[Any]] = {
    "services": Service,
    "tasks": Task,
    "registry": RegistryValue,
    "subscriptions": Subscription,
    "drivers": Driver,
    "events": Event,
    "modules": Module,
    "notes": Note,
}
SYSTEM = tuple(name for name in _ROWS if name != "modules")


@dataclass(slots=True)
class Sections:
    """One answer of look.ps1: its rows by section, and what it could not look at."""

    rows: dict[str, list[dict[str, Json]]] = field(default_factory=dict)
    unseen: list[Unseen] = field(default_factory=list)

    def typed(self, name: str, kind: type[T]) -> list[T]:
        """The section's rows as facts; those of another shape are left out and told."""
        found, wrong = [], 0
        for row in self.rows.get(name, []):
            try:
                found.append(_adapter(kind).validate_python(row))  # type: ignore[arg-type]
            except ValidationError:
                wrong += 1
        if wrong:
            self.unseen.append(Unseen(name, f"{wrong} row(s) of it had not the shape that was asked for"))
        return found


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def sections(raw: bytes, asked: Iterable[str]) -> Sections:
    """The answer of look.ps1.

    Raises:
        TargetError: it is no JSON object.
    """
    told = _json(raw)
    if not isinstance(told, dict):
        raise TargetError("read what the host shows", "the answer is no JSON object", "run it again")
    found = Sections()
    for name in asked:
        _section(found, name, told.get(name))
    return found


def _section(found: Sections, name: str, told: Json) -> None:
    if not isinstance(told, dict) or not isinstance(told.get("rows"), list):
        found.unseen.append(Unseen(name, "the host's answer leaves it out"))
        return
    rows = [row for row in told["rows"] if isinstance(row, dict)]
    if len(rows) > MOST_ROWS:
        found.unseen.append(Unseen(name, f"{len(rows) - MOST_ROWS} rows beyond the first {MOST_ROWS} were left out"))
    found.rows[name] = rows[:MOST_ROWS]
    if error := str(told.get("error") or ""):
        found.unseen.append(Unseen(name, inert(error, 200)))


def _json(raw: bytes) -> Json:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise TargetError("read what the host shows", "the answer is no JSON", "run it again") from None


def preflight(found: Sections) -> Preflight:
    """The one row of that section.

    Raises:
        TargetError: it is not there.
    """
    rows = found.typed("preflight", Preflight)
    if len(rows) != 1:
        why = "; ".join(u.why for u in found.unseen) or "its answer lacks it"
        raise TargetError("learn what Windows this is", why, "run it again, or look at the host by hand")
    return rows[0]


def connections(found: Sections) -> list[Connection]:
    """The sockets; from netstat's own text where Windows has no cmdlet for them."""
    sockets: list[Connection] = []
    for row in found.rows.get("connections", []):
        if "netstat" in row:
            sockets += pasted.read(
                str(row["netstat"]).encode("utf-8", "replace"), float(row.get("at") or 0.0)
            ).connections
        elif socket := _socket(row, found):
            sockets.append(socket)
    return sockets


def _socket(row: dict[str, Json], found: Sections) -> Connection | None:
    pid = row.get("pid") or None
    state = _STATES.get(str(row.get("state")), str(row.get("state")).upper())
    shaped = {**row, "pid": pid, "state": state, "owner": "high" if pid else "none", "local": _bare(row.get("local"))}
    try:
        socket: Connection = _adapter(Connection).validate_python({**shaped, "remote": _bare(row.get("remote"))})
    except ValidationError:
        found.unseen.append(Unseen("connections", "a row had not the shape that was asked for"))
        return None
    return socket


def _bare(address: Json) -> Json:
    """An address without its zone in its one spelling, IPv4-mapped IPv6 as IPv4; what is none (`*`, nothing) as it stands."""
    text = str(address or "").partition("%")[0]
    try:
        return str(parse_address(text))
    except ConfigError:
        return text


def processes(found: Sections, seen: dict[str, Signed]) -> list[Process]:
    """The processes; their files' hashes are those of `seen`, by plain path."""
    rows = _without_us(found.typed("processes", _Row))
    return [_process(row, seen.get(plain(row.exe))) for row in rows if row.pid]


@dataclass(frozen=True, slots=True)
class _Row:
    pid: int
    ppid: int
    created: float
    name: str
    exe: str = ""
    command: str = ""
    user: str = ""
    ours: bool = False


def _without_us(rows: list[_Row]) -> list[_Row]:
    """Not the PowerShell that looks, nor the cmd that WinRM started it with: both show an encoded command, which is ours."""
    mark, mine = bootstrap()[-1], {row.ppid for row in rows if row.ours}
    return [row for row in rows if not row.ours and not (row.pid in mine and mark in row.command)]


def _process(row: _Row, file: Signed | None) -> Process:
    denied = tuple(name for name, value in (("exe", row.exe), ("cmdline", row.command)) if not value and row.pid > 4)
    return Process(
        row.pid,
        row.ppid,
        row.created,
        row.name,
        row.exe,
        deleted=file is not None and not file.exists,
        sha256=file.sha256 if file else "",
        cmdline=(row.command,) if row.command else (),
        user=row.user,
        denied=denied,
    )


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    modified: float
    created: float
    hidden: bool
    magic: str


def files(found: Sections, seen: dict[str, Signed]) -> list[FileSeen]:
    """Dropped files, with their hash and owner from `seen`."""
    result = []
    for row in found.typed("files", _File):
        file = seen.get(plain(row.path))
        owner, digest = (file.owner, file.sha256) if file else ("", "")
        executable = row.magic == "pe"
        result.append(FileSeen(row.path, row.size, 0, owner, row.modified, row.created, digest, executable, row.magic))
    return result


def windows(found: Sections, told: Preflight, seen: Sequence[Signed], phantom: Sequence[int]) -> Windows:
    """All that only Windows shows, of the sections that were asked for."""
    rows = {name: tuple(found.typed(name, kind)) for name, kind in _ROWS.items()}
    rows["events"] = tuple(event for event in rows["events"] if not _our_event(event))
    return Windows(told, tuple(seen), **rows, phantom=tuple(phantom))


def _our_event(event: Event) -> bool:
    """Windows logs what we ourselves run there: our scripts, block by block, and the command line of our PowerShell."""
    fields = dict(event.fields)
    if event.id == 4104:
        return is_ours(fields.get("ScriptBlockText", ""))
    return any(bootstrap()[-1] in fields.get(name, "") for name in ("CommandLine", "ParentCommandLine"))


def signed(raw: bytes) -> tuple[list[Signed], list[Unseen]]:
    """The answer of signed.ps1, and what it could not look at.

    Raises:
        TargetError: it is no JSON list.
    """
    told = _json(raw)
    if not isinstance(told, list):
        raise TargetError("read the host's signatures", "the answer is no JSON list", "run it again")
    found = Sections({"signed": [row for row in told if isinstance(row, dict)]})
    rows = found.typed("signed", Signed)
    dark = [row for row in rows if row.why and not row.status]
    # Which of them the time left out is another one at each look: no file is named, so that both looks tell the same.
    if untimely := sum(row.why == NO_TIME for row in dark):
        found.unseen.append(Unseen("signatures", f"{untimely} file(s): {NO_TIME}"))
    if late := [row for row in dark if row.why != NO_TIME]:
        found.unseen.append(
            Unseen("signatures", f"{len(late)} file(s), first {inert(late[0].path, 100)}: {inert(late[0].why, 100)}")
        )
    return rows, found.unseen


def named(found: Sections) -> list[str]:
    """Every file that a service, task, autostart, driver, module or start-up entry names, for signed.ps1; each once."""
    texts: list[str] = []
    for row in found.rows.get("services", []):
        texts += [
            *started(str(row.get("command", ""))),
            *started(str(row.get("failure_command", ""))),
            str(row.get("dll", "")),
        ]
    for row in found.rows.get("tasks", []):
        texts += [path for action in _list(row.get("actions")) for path in started(str(action))]
    for name in ("registry", "subscriptions"):
        texts += [
            path for row in found.rows.get(name, []) for path in started(str(row.get("data") or row.get("text") or ""))
        ]
    texts += [str(row.get("path", "")) for row in (*found.rows.get("drivers", []), *found.rows.get("modules", []))]
    texts += [
        str(row.get("detail") or row.get("what")) for row in found.rows.get("notes", []) if row.get("kind") == "startup"
    ]
    return unique(texts)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def unique(paths: Iterable[str]) -> list[str]:
    """Each file once, as its plain path; what is no full path is left out."""
    return list(dict.fromkeys(p for p in map(plain, paths) if p[1:3] == ":\\"))
