"""Plays look.ps1, signed.ps1, stat.ps1 and chunks.ps1 over a simulated Windows. Looks only; changes nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lab.windows.base import S32
from lab.windows.host import Stored, Windows
from lab.windows.link import Link
from lab.windows.scenario import File
from lab.wsman import Failed, Pipes, Shell
from tasks.transports import winrm_frame as frame
from tasks.windows.paths import plain

Row = dict[str, Any]
CHUNK = 49152


class Looks:
    """One host's players. `link` is None on a host where nothing talks."""

    def __init__(self, host: Windows, link: Link | None, callers: Callable[[], list[Row]] = list) -> None:
        self.host, self.link, self.callers = host, link, callers
        self.sections: dict[str, Callable[[Row], list[Row]]] = {
            "preflight": self._preflight,
            "connections": self.connections,
            "watch": self._watch,
            "processes": self._processes,
            "services": lambda _: [_full(r, _SERVICE) for r in host.services.values()],
            "tasks": lambda _: [_full(r, _TASK) for r in host.tasks.values()],
            "registry": lambda _: [_full(r, _VALUE) for r in host.registry.values()],
            "subscriptions": lambda _: [_full(r, _OBJECT) for r in host.subscriptions],
            "drivers": lambda _: list(host.drivers),
            "files": self._files,
            "notes": lambda _: [{"detail": "", "at": 0.0} | r for r in host.scenario.notes],
            "events": self._events,
            "modules": self._modules,
            "phantom": lambda _: [{"pid": pid} for pid in sorted(self._hidden())],
        }

    def look(self, shell: Shell, data: Any, pipes: Pipes) -> str:
        """The sections that were asked for, as look.ps1 answers them."""
        return json.dumps({name: self._section(name, data) for name in data["sections"]})

    def _section(self, name: str, data: Row) -> Row:
        if name not in self.sections:
            return {"rows": [], "error": "there is no such section", "seconds": 0.0}
        if name in self.host.broken:
            return {"rows": [], "error": self.host.broken[name], "seconds": 30.0}
        if name == "watch":
            return {"rows": self._watch(data), "error": "", "seconds": data["watch"]}
        with self.host.lock:
            self.host.tick()
            return {"rows": self.sections[name](data), "error": "", "seconds": 0.01}

    def _preflight(self, _: Row) -> list[Row]:
        return [
            {
                "language": "FullLanguage", "admin": True, "process64": True, "build": "10.0.17763",
                "product": "Microsoft Windows Server 2019 Standard", "codepage": 437, "computer": "WIN-LAB", "user": "WIN-LAB\\hemostat",
                "boot": self.host.boot, "now": time.time(),
            }
        ]  # fmt: skip

    def connections(self, _: Row) -> list[Row]:
        now = time.time()
        rows = [
            _listening(now, 135, 1004),
            _listening(now, 445, 4),
            _listening(now, 5985, 4),
            _listening(now, 3389, 1032),
        ]
        rows += [_tcp(now, c["local"], c["port"], c["remote"], 50123, "Established", 4) for c in self.callers()]
        for s in self.link.sockets() if self.link else ():
            rows.append(_tcp(now, s.local, s.local_port, s.remote, s.remote_port, s.state, s.pid))
        return rows

    def _watch(self, data: Row) -> list[Row]:
        """Again and again, without the host's lock, until the remote shows or the time is over."""
        until = time.monotonic() + data["watch"]
        while time.monotonic() < until:
            if seen := [row for row in self.connections({}) if row["remote"] == data["remote"]]:
                return seen
            time.sleep(0.05)
        return []

    def _processes(self, _: Row) -> list[Row]:
        return [
            {
                "pid": p.pid,
                "ppid": p.ppid,
                "created": p.created,
                "name": p.name,
                "exe": p.exe,
                "command": p.command,
                "user": p.user,
                "ours": False,
            }
            for p in self.host.alive()
            if p.pid not in self._hidden()
        ] + self._ours()

    def _hidden(self) -> set[int]:
        """The pids that a rootkit keeps out of every list."""
        beacon = self.host.scenario.beacon
        return {self.host.beacon} if beacon and beacon.hidden and self.host.beacon else set()

    def _ours(self) -> list[Row]:
        """What the look itself runs in: the shell's host, cmd and PowerShell, as the host's own list shows them too."""
        at, line = time.time() - 0.5, " ".join(frame.bootstrap())
        cmd = f'{S32}cmd.exe /C "powershell.exe {line}"'
        rows = (
            (9000, 1000, "winrshost.exe", f"{S32}WinrsHost.exe", f"{S32}WinrsHost.exe -Embedding"),
            (9004, 9000, "cmd.exe", f"{S32}cmd.exe", cmd),
            (9008, 9004, "powershell.exe", f"{S32}WindowsPowerShell\\v1.0\\powershell.exe", f"powershell.exe {line}"),
        )
        return [
            {"pid": pid, "ppid": ppid, "created": at, "name": name, "exe": exe, "command": command, "user": "WIN-LAB\\hemostat",
             "ours": pid == 9008}
            for pid, ppid, name, exe, command in rows
        ]  # fmt: skip

    def _files(self, data: Row) -> list[Row]:
        return [
            {
                "path": stored.file.path, "size": len(stored.content), "modified": stored.modified, "created": stored.created,
                "hidden": "Hidden" in stored.file.attributes, "magic": "pe",
            }
            for name, stored in self.host.files.items()
            if name.startswith(("c:\\users\\", "c:\\programdata\\", "c:\\windows\\temp\\")) and "\\quarantine\\" not in name
        ]  # fmt: skip

    def _events(self, data: Row) -> list[Row]:
        rows = [dict(row) for row in self.host.scenario.events]
        for number, row in enumerate(rows):
            row["at"] = self.host.born - row.pop("ago", 0.0)
            row["record"] = number + 1
            row["fields"] = [list(pair) for pair in row.get("fields", [])]
        return rows + self._our_events()

    def _our_events(self) -> list[Row]:
        """What the host logs of ourselves: script blocks and the process, when those logs are on."""
        at, look = time.time() - 1, frame.shipped("look").decode()
        shared, section = (
            look.split("$shared = {")[1].split("\n}\n")[0],
            look.split("$sections['drivers'] = {")[1].split("\n}\n")[0],
        )
        logged = (
            look[:4000],
            frame.shipped("quarantine").decode()[:4000],
            f"{shared}\n\n& {{{section}\n}} $args[0]"[:4000],
        )
        line = "powershell.exe " + " ".join(frame.bootstrap())
        blocks = [
            {
                "log": "Microsoft-Windows-PowerShell/Operational",
                "id": 4104,
                "at": at,
                "record": 900 + n,
                "fields": [["ScriptBlockText", text]],
            }
            for n, text in enumerate(logged)
        ]
        return [
            *blocks,
            {"log": "Security", "id": 4688, "at": at, "record": 990, "fields": [["CommandLine", line[:4000]]]},
        ]

    def _modules(self, data: Row) -> list[Row]:
        beacon = self.host.scenario.beacon
        rows = [
            {"pid": pid, "path": "C:\\Windows\\System32\\ntdll.dll"}
            for pid in data["pids"]
            if pid in self.host.processes
        ]
        if beacon and beacon.module and self.host.beacon in data["pids"]:
            rows.append({"pid": self.host.beacon, "path": beacon.module})
        return rows

    def signed(self, shell: Shell, data: Any, pipes: Pipes) -> str:
        """What is known of each named file; what nobody planted is Windows' or a vendor's own, and valid."""
        return json.dumps([self._one(path) for path in data["paths"]])

    def _one(self, path: str) -> Row:
        stored = self.host.file(path)
        if stored is None:
            return _genuine(path) if self._known(path) else {"path": path, "exists": False}
        file = stored.file
        good = file.signed == "Valid"
        return {
            "path": path, "exists": True, "size": len(stored.content), "sha256": digest(stored), "status": file.signed,
            "kind": "Authenticode" if good else "None", "os_binary": False, "signer": file.signer, "thumbprint": "AB" * 20 if good else "",
            "company": file.company, "attributes": [a.strip() for a in file.attributes.split(",")], "streams": list(file.streams),
            "owner": "LAB\\ada", "created": stored.created, "modified": stored.modified, "why": "",
        }  # fmt: skip

    def _known(self, path: str) -> bool:
        """Is it a file of the clean machine: Windows' own, or a program that runs there?"""
        name = plain(path)
        planted = {plain(file.path) for file in self.host.scenario.files}
        return name not in planted and name.startswith(
            (
                "c:\\windows\\",
                "c:\\program files",
                "c:\\programdata\\microsoft\\",
                "c:\\users\\ada\\appdata\\local\\microsoft\\",
            )
        )

    def stat(self, shell: Shell, data: Any, pipes: Pipes) -> str:
        """One planted file's metadata."""
        stored = self._stored(data["path"])
        head = stored.content[: data["limit"]]
        return json.dumps({
            "path": stored.file.path, "size": len(stored.content), "hashed": len(head), "sha256": hashlib.sha256(head).hexdigest(),
            "modified": iso(stored.modified), "created": iso(stored.created), "attributes": stored.file.attributes,
        })  # fmt: skip

    def chunks(self, shell: Shell, data: Any, pipes: Pipes) -> str:
        """A planted file from an offset."""
        content = self._stored(data["path"]).content[data["offset"] : data["offset"] + data["limit"]]
        for at in range(0, len(content), CHUNK):
            pipes.out(base64.b64encode(gzip.compress(content[at : at + CHUNK], 1)) + b"\r\n")
        return json.dumps({"sent": len(content)})

    def _stored(self, path: str) -> Stored:
        stored = self.host.file(path)
        if stored is None and self._known(path):
            return Stored(File(path, "Valid"), plain(path), 1.5e9, 1.5e9)
        if stored is None:
            raise Failed(f"Cannot find path '{path}' because it does not exist.")
        return stored


_SERVICE: Row = {
    "display": "",
    "type": "",
    "state": "",
    "start": "Auto",
    "account": "",
    "command": "",
    "dll": "",
    "failure_command": "",
    "pid": 0,
}
_TASK: Row = {
    "enabled": True, "hidden": False, "run_as": "", "author": "", "actions": [], "triggers": [], "xml": "", "modified": 0.0,
}  # fmt: skip
_VALUE: Row = {"type": "REG_SZ", "view": 64, "user": ""}
_OBJECT: Row = {"type": "", "text": "", "filter": "", "consumer": ""}


def _full(row: Row, usual: Row) -> Row:
    return usual | row


def _listening(at: float, port: int, pid: int) -> Row:
    return _tcp(at, "0.0.0.0", port, "0.0.0.0", 0, "Listen", pid)  # noqa: S104 - a row of a table, nothing listens


def _tcp(at: float, local: str, local_port: int, remote: str, remote_port: int, state: str, pid: int) -> Row:
    return {
        "at": at, "proto": "tcp", "local": local, "local_port": local_port, "remote": remote, "remote_port": remote_port, "state": state,
        "pid": pid,
    }  # fmt: skip


def _genuine(path: str) -> Row:
    windows = plain(path).startswith("c:\\windows\\")
    return {
        "path": path, "exists": True, "size": 20_000, "sha256": digest(Stored(File(path), plain(path), 0, 0)), "status": "Valid",
        "kind": "Catalog" if windows else "Authenticode", "os_binary": windows,
        "signer": "CN=Microsoft Windows, O=Microsoft Corporation" if windows else "CN=A Vendor", "thumbprint": "CD" * 20,
        "company": "Microsoft Corporation" if windows else "A Vendor", "attributes": ["Archive"], "streams": [],
        "owner": "NT SERVICE\\TrustedInstaller", "created": 1.5e9, "modified": 1.5e9, "why": "",
    }  # fmt: skip


def digest(stored: Stored) -> str:
    """The file's SHA-256."""
    return hashlib.sha256(stored.content).hexdigest()


def iso(at: float) -> str:
    """A time as .NET's round-trip format writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
