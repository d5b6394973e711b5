"""Console output that a person pasted: netstat -ano, tasklist, wmic process, in English or Chinese → facts. Knows text; no host.

By position and shape, never by a localised word: netstat's rows are told by their addresses, tasklist's columns by its rule of `=`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tasks.facts import Connection, Process
from tasks.model import ConfigError, parse_address
from tasks.windows.columns import headed, ruled

MAX_BYTES = 16 << 20
_ROW = re.compile(r"^\s*(TCP|UDP)\s+(\S+):(\d+)\s+(\S+):(\d+|\*)(?:\s+([^\d\s]\S*))?(?:\s+(\d+))?\s*$", re.IGNORECASE)
_CIM = re.compile(r"^(\d{14})\.\d{6}([+-]\d{3})$")
_CSV = re.compile(r'^"[^"]+","\d+","')
_IMAGE = re.compile(r"^\s*\[([^\]]+)\]\s*$")
# netstat's states by RFC 9293's names; a localised one falls back to what the row itself shows.
_STATES = {
    "LISTENING": "LISTEN",
    "SYN_RECEIVED": "SYN_RECV",
    "CLOSE_WAIT": "CLOSE_WAIT",
    "FIN_WAIT_1": "FIN_WAIT1",
    "FIN_WAIT_2": "FIN_WAIT2",
}
_KNOWN = ("ESTABLISHED", "SYN_SENT", "TIME_WAIT", "CLOSING", "LAST_ACK", "CLOSED", "BOUND")
_LOCAL = {
    "监听": "LISTEN",
    "已建立": "ESTABLISHED",
    "ABHÖREN": "LISTEN",
    "HERGESTELLT": "ESTABLISHED",
    "WARTEND": "TIME_WAIT",
}
# All that Win32_Process has (learn.microsoft.com), and the host's name that /format:csv puts first.
_WMIC = tuple(
    re.findall(
        r"\w+",
        "Node Caption CommandLine CreationClassName CreationDate CSCreationClassName CSName Description ExecutablePath Handle "
        "ExecutionState HandleCount InstallDate KernelModeTime MaximumWorkingSetSize MinimumWorkingSetSize Name "
        "OSCreationClassName OSName PageFaults OtherOperationCount OtherTransferCount PageFileUsage ParentProcessId "
        "PeakPageFileUsage PeakVirtualSize PeakWorkingSetSize Priority PrivatePageCount ProcessId QuotaNonPagedPoolUsage "
        "QuotaPagedPoolUsage QuotaPeakNonPagedPoolUsage QuotaPeakPagedPoolUsage ReadOperationCount ReadTransferCount SessionId "
        "Status TerminationDate ThreadCount UserModeTime VirtualSize WindowsVersion WorkingSetSize WriteOperationCount "
        "WriteTransferCount ",
    )
)


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was understood, how many lines of which tool, and how many look like netstat's but could not be read."""

    connections: tuple[Connection, ...]
    processes: tuple[Process, ...]
    read: dict[str, int]
    unread: int = 0


def decoded(raw: bytes) -> str:
    """The text: UTF-16 by its mark or its zeros (wmic's redirection), else UTF-8, else GBK, the code page of Chinese Windows.

    Raises:
        ConfigError: too large, or none of these.
    """
    if len(raw) > MAX_BYTES:
        raise ConfigError("read the pasted output", "it is too long", f"at most {MAX_BYTES} bytes are taken")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    if raw[1:40:2].count(0) > 10:
        return raw.decode("utf-16-le", "replace")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError("read the pasted output", "it is neither UTF-8, UTF-16 nor GBK", "save it again as UTF-8")


def read(raw: bytes, at: float) -> Pasted:
    """Everything in the paste that is a row of one of the tools; prompts, headers and other lines are passed over.

    Args:
        raw: the file's bytes.
        at: when it was taken, in seconds since the epoch.

    Raises:
        ConfigError: not a row of any of them is in it.
    """
    lines = [line.rstrip() for line in decoded(raw).replace("\r\r\n", "\n").splitlines()]
    sockets = [c for line in lines if (c := _socket(line, at))]
    listed, detailed = list(_tasklist(lines)), [*_wmic_list(lines), *_wmic_csv(lines), *_wmic_table(lines)]
    named = list(_netstat_b(lines))
    read = {"netstat": len(sockets), "tasklist": len(listed), "wmic": len(detailed), "netstat -b": len(named)}
    if not any(read.values()):
        raise ConfigError(
            "read the pasted output",
            "no row of netstat -ano, tasklist or wmic is in it",
            "paste the output as it stood in the console",
        )
    unread = sum(map(_looks_like_one, lines)) - len(sockets)
    processes = tuple(_merged([*named, *listed, *detailed]))
    return Pasted(tuple(sockets), processes, {k: n for k, n in read.items() if n}, unread)


def _looks_like_one(line: str) -> bool:
    """Is it a row of netstat's, whatever stands for its addresses?"""
    proto, *ends = (line.split(None, 3) or [""])[:3]
    return proto.upper() in ("TCP", "UDP") and len(ends) == 2 and all(":" in end for end in ends)


def _socket(line: str, at: float) -> Connection | None:
    match = _ROW.match(line)
    if match is None:
        return None
    proto, local, local_port, remote, remote_port, state, pid = match.groups()
    try:
        here, there = _address(local), _address(remote)
    except ConfigError:
        return None
    number = int(remote_port) if remote_port != "*" else 0
    if max(int(local_port), number) > 65535:
        return None
    known = _state(proto.lower(), state or "", number)
    owner = int(pid or 0) or None  # TIME_WAIT belongs to nobody any more, and shows pid 0
    return Connection(
        at, proto.lower(), here, int(local_port), there, number, known, owner, None, "high" if owner else "low"
    )


def _address(text: str) -> str:
    bare = text.strip("[]").partition("%")[0]
    return "" if bare == "*" else str(parse_address(bare))


def _state(proto: str, said: str, remote_port: int) -> str:
    if proto == "udp":
        return "NONE"
    word = said.upper()
    known = _STATES.get(word) or _LOCAL.get(said) or _LOCAL.get(word) or (word if word in _KNOWN else "")
    return known or ("ESTABLISHED" if remote_port else "LISTEN")


def _netstat_b(lines: list[str]) -> Iterator[Process]:
    """netstat -b names the program in a line of its own below the socket."""
    pid = 0
    for line in lines:
        if match := _ROW.match(line):
            pid = int(match[7] or 0)
        elif pid and (image := _IMAGE.match(line)):
            yield Process(pid, 0, 0.0, image[1])
            pid = 0


def _tasklist(lines: list[str]) -> Iterator[Process]:
    """Image name, pid, then session, memory, status, user with /v; /svc has the services as the third column."""
    for row in (*ruled(lines), *_quoted(lines)):
        if len(row) >= 3 and row[1].isdigit():
            user = row[6] if len(row) >= 9 else ""
            yield Process(int(row[1]), 0, 0.0, row[0], user="" if user in ("N/A", "暂缺") else user)


def _quoted(lines: list[str]) -> Iterator[list[str]]:
    """The rows of `/fo csv`: every cell is quoted, the pid the second."""
    rows = (_cells(line) for line in lines if _CSV.match(line))
    yield from (row for row in rows if len(row) >= 3)


def _cells(line: str) -> list[str]:
    """The line's cells; none where Python's reader takes it for none (a cell of more than 128 KB)."""
    try:
        return next(csv.reader(io.StringIO(line)), [])
    except csv.Error:
        return []


def _wmic_list(lines: list[str]) -> Iterator[Process]:
    """`/format:list`: Key=Value lines, blank lines between processes; a value may hold `=`."""
    block: dict[str, str] = {}
    for line in [*lines, ""]:
        key, equals, value = line.strip().partition("=")
        if equals and key in _WMIC:
            if key in block:
                yield from _process(block)
                block = {}
            block[key] = value
        elif not line.strip() and {"ProcessId", "Name"} <= block.keys():
            yield from _process(block)
            block = {}


def _wmic_csv(lines: list[str]) -> Iterator[Process]:
    header: list[str] = []
    for line in lines:
        if line.startswith("Node,") and "ProcessId" in line:
            header = line.split(",")
        elif header and line.count(",") >= len(header) - 1:
            yield from _process(_unsplit(header, _cells(line)))


def _unsplit(header: list[str], cells: list[str]) -> dict[str, str]:
    """wmic quotes nothing: commas too many belong to the command line."""
    extra = len(cells) - len(header)
    if extra > 0 and "CommandLine" in header:
        at = header.index("CommandLine")
        cells = [*cells[:at], ",".join(cells[at : at + extra + 1]), *cells[at + extra + 1 :]]
    return dict(zip(header, cells, strict=False))


def _wmic_table(lines: list[str]) -> Iterator[Process]:
    for row in headed(lines, _WMIC):
        yield from _process(row)


def _process(row: dict[str, str]) -> Iterator[Process]:
    pid, name = row.get("ProcessId", "").strip(), row.get("Name") or row.get("Caption") or row.get("Description") or ""
    if not pid.isdigit():
        return
    parent = row.get("ParentProcessId", "").strip()
    command = row.get("CommandLine", "").strip()
    yield Process(
        int(pid),
        int(parent) if parent.isdigit() else 0,
        _moment(row.get("CreationDate", "")),
        name.strip(),
        exe=row.get("ExecutablePath", "").strip(),
        cmdline=(command,) if command else (),
    )


def _moment(said: str) -> float:
    """WMI's own spelling of a time (CIM_DATETIME, minutes east of Greenwich at its end) in seconds since the epoch; 0.0 for none."""
    match = _CIM.match(said.strip())
    try:
        begun = datetime.strptime(match[1] + "+0000", "%Y%m%d%H%M%S%z") if match else None
    except ValueError:
        return 0.0
    return begun.timestamp() - 60 * int(match[2]) if begun and match else 0.0


def _merged(found: list[Process]) -> Iterator[Process]:
    """One process a pid: each tool adds what it knows. Pid 0 is none: it would be the parent of all whose parent is unknown."""
    known: dict[int, Process] = {}
    for process in (p for p in found if p.pid):
        old = known.get(process.pid)
        known[process.pid] = process if old is None else _richer(old, process)
    yield from known.values()


def _richer(old: Process, new: Process) -> Process:
    return replace(
        old,
        ppid=new.ppid or old.ppid,
        created=new.created or old.created,
        name=new.name or old.name,
        exe=new.exe or old.exe,
        cmdline=new.cmdline or old.cmdline,
        user=new.user or old.user,
    )
