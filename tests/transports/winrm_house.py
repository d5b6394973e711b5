"""A small Windows for the transport's tests: a few fixed scripts over a real folder, behind the real WS-Management laboratory."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.wsman import Account, Certificate, Failed, Faults, Pipes, Scripts, Shell, Wsman
from tasks.settings import Host
from tasks.transports.winrm import Client
from tasks.transports.winrm_frame import shipped
from tasks.ways import Winrm

PASSWORD = f"密码 {secrets.token_urlsafe(9)} 9"
USER = "运维"
ECHO = b"# hemostat test echo\nparam([string]$Json)\n$Json\n"
EMIT = b"# hemostat test emit\nparam([string]$Json)\n" + b"# filler: a script as long as a real one\n" * 1500
FAIL = b"# hemostat test fail\nparam([string]$Json)\nthrow 'x'\n"
SLOW = b"# hemostat test slow\nparam([string]$Json)\nStart-Sleep 30\n"


def _emit(shell: Shell, data: Any, pipes: Pipes) -> str:
    """So many bytes of JSON that do not compress to nothing."""
    rows, size, number = [], 2, 0
    while size < data["bytes"]:
        row = hashlib.sha256(str(number).encode()).hexdigest()
        rows.append(row)
        size += len(row) + 4
        number += 1
    return json.dumps(rows)


def _fail(shell: Shell, data: Any, pipes: Pipes) -> str:
    raise Failed("无法访问 <C:\\x_y> & \U0001f600\r\nAt line:1")


def _slow(shell: Shell, data: Any, pipes: Pipes) -> str:
    pipes.sleep(data["seconds"])
    return "awake"


def _netstat(shell: Shell, pipes: Pipes) -> int:
    text = "  TCP    10.0.0.5:49707   203.0.113.9:443   ESTABLISHED   4711\r\n活动连接\r\n"
    pipes.out(text.encode("cp936" if shell.codepage == 936 else "utf-8"))
    return 0


class Files:
    """The players of the shipped stat and chunks scripts over a real folder that stands for C:\\."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, data: Any) -> Path:
        path = self.folder / data["path"].removeprefix("C:\\").replace("\\", "/")
        if not path.is_file():
            raise Failed(f"Cannot find path '{data['path']}' because it does not exist.")
        return path

    def stat(self, shell: Shell, data: Any, pipes: Pipes) -> str:
        path = self._path(data)
        start = path.read_bytes()[: data["limit"]]
        digest = hashlib.sha256(start).hexdigest()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime(path.stat().st_mtime))
        facts = {
            "path": data["path"],
            "size": path.stat().st_size,
            "hashed": len(start),
            "sha256": digest,
            "modified": stamp,
        }
        return json.dumps(facts | {"created": stamp, "attributes": "Archive"})

    def chunks(self, shell: Shell, data: Any, pipes: Pipes) -> str:
        sent = 0
        with self._path(data).open("rb") as file:
            file.seek(data["offset"])
            while chunk := file.read(min(49152, data["limit"] - sent)):
                pipes.out(base64.b64encode(gzip.compress(chunk, 1)) + b"\r\n")
                sent += len(chunk)
        return json.dumps({"sent": sent})


def windows(folder: Path) -> Scripts:
    files = Files(folder)
    scripts = {ECHO: lambda shell, data, pipes: json.dumps(data), EMIT: _emit, FAIL: _fail, SLOW: _slow}
    shipped_ones = {shipped("stat"): files.stat, shipped("chunks"): files.chunks}
    return Scripts(scripts | shipped_ones, {"netstat -ano": _netstat})


@contextmanager
def listening(folder: Path, certificate: Certificate | None = None, **more: Any) -> Iterator[Wsman]:
    """A WinRM listener over that folder; `more` goes to the server."""
    account = more.pop("account", Account(USER, PASSWORD))
    server = Wsman(windows(folder), account, certificate, more.pop("faults", Faults()), **more)
    try:
        yield server
    finally:
        server.close()


def inventory(server: Wsman, **winrm: Any) -> Host:
    """The inventory's entry for that listener, its certificate pinned."""
    pin = server.certificate.sha256 if server.certificate else ""
    options = Winrm(**({"tls": bool(server.tls), "certificate_sha256": pin} | winrm))
    return Host(
        "win-1",
        "127.0.0.1",
        "windows",
        "winrm",
        port=server.port,
        username=USER,
        password="env:X",
        timeout=5,
        winrm=options,
    )


@contextmanager
def client(server: Wsman, password: str = PASSWORD, host: Host | None = None, **winrm: Any) -> Iterator[Client]:
    """A client of ours for that listener."""
    made = Client(host or inventory(server, **winrm), lambda reference: password)
    try:
        yield made
    finally:
        made.close()
