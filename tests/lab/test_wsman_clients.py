"""Clients that are not ours against the WS-Management laboratory: pypsrp, Debian's winrmcp (Go), curl."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from lab.wsman import Account, Certificate, Faults, Pipes, Program, Shell, Wsman, made
from tests.patience import BUSY
from tests.transports.winrm_house import PASSWORD, USER, listening

pytestmark = pytest.mark.lab


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return made(tmp_path, "localhost")


def _wsman(server: Wsman, auth: str, **more: object) -> WSMan:
    verified = str(server.certificate.file) if server.certificate else False
    return WSMan(
        "127.0.0.1",
        port=server.port,
        ssl=server.tls is not None,
        auth=auth,
        username=USER,
        password=PASSWORD,
        cert_validation=verified,
        no_proxy=True,
        operation_timeout=2,
        **more,
    )


def _netstat(wsman: WSMan) -> Process:
    with wsman, WinRS(wsman, codepage=65001) as shell:
        process = Process(shell, "netstat", ["-ano"])
        process.invoke()
        process.signal(SignalCode.CTRL_C)
        return process


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_pypsrp_over_sealed_http(tmp_path: Path, auth: str) -> None:
    """Shell, command, output, exit code, signal, deletion; each message sealed by the login."""
    with listening(tmp_path) as server:
        process = _netstat(_wsman(server, auth))
        assert (process.rc, process.stderr) == (0, b"")
        assert "活动连接" in process.stdout.decode()
        assert server.log[0] == "Create"
        assert server.log[-2:] == ["Signal", "Delete"]
        assert server.service.shells == {}


@pytest.mark.parametrize("auth", ["ntlm", "negotiate", "basic"])
def test_pypsrp_over_https(tmp_path: Path, certificate: Certificate, auth: str) -> None:
    """The same over TLS, where NTLM is bound to the channel. (pypsrp's basic login takes Latin-1 only.)"""
    account = Account("ops", "pass-Wort 9") if auth == "basic" else Account(USER, PASSWORD)
    with listening(tmp_path, certificate, account=account) as server:
        wsman = _wsman(server, auth)
        wsman.transport.username, wsman.transport.password = account.user, account.password
        assert _netstat(wsman).rc == 0


def test_pypsrp_with_a_client_certificate(tmp_path: Path, certificate: Certificate) -> None:
    """The certificate that is mapped to the account is the login."""
    mine = made(tmp_path, "operator")
    with listening(tmp_path, certificate, account=Account(USER, PASSWORD, mine.der), clients=mine) as server:
        wsman = _wsman(server, "certificate", certificate_pem=str(mine.file), certificate_key_pem=str(mine.key))
        assert _netstat(wsman).rc == 0


def test_pypsrp_asks_for_the_envelope_size(tmp_path: Path) -> None:
    """The service's configuration says what the laboratory enforces."""
    with listening(tmp_path) as server, _wsman(server, "ntlm") as wsman:
        wsman.update_max_payload_size()
        assert wsman.max_envelope_size == server.faults.envelope // 1024 * 1024


class Inbox:
    """A Machine that takes what winrmcp sends: base64 by echo into a file, then a script that decodes it."""

    def __init__(self) -> None:
        self.typed: dict[str, str] = {}
        self.scripts: list[str] = []
        self.lock = threading.Lock()

    def start(self, shell: Shell, command: str, arguments: Sequence[str]) -> Program:
        line = " ".join((command, *arguments))
        return lambda pipes: self._take(line, pipes)

    def _take(self, line: str, pipes: Pipes) -> int:
        if told := re.fullmatch(r'echo (\S+) >> "(.*)"', line):
            with self.lock:
                self.typed[told[2]] = self.typed.get(told[2], "") + told[1]
            return 0
        encoded = re.search(r"(?i)-EncodedCommand (\S+)", line)
        self.scripts.append(base64.b64decode(encoded[1]).decode("utf-16-le") if encoded else line)
        return 0


@pytest.mark.skipif(not shutil.which("winrmcp"), reason="Debian's winrmcp is not installed")
def test_winrmcp_copies_a_file(tmp_path: Path, certificate: Certificate) -> None:
    """The Go client (masterzen/winrm) logs in with basic over verified https and gets a file across, whole."""
    data = bytes(range(256)) * 16
    (tmp_path / "sample.bin").write_bytes(data)
    inbox = Inbox()
    server = Wsman(inbox, Account("ops", "pass-Wort9"), certificate)
    try:
        words = [
            "-user",
            "ops",
            "-pass",
            "pass-Wort9",
            "-addr",
            f"localhost:{server.port}",
            "-https",
            "-op-timeout",
            "10s",
        ]
        words += ["-cacert", str(certificate.file), str(tmp_path / "sample.bin"), "C:/dropped.bin"]
        ran = subprocess.run(["winrmcp", *words], capture_output=True, text=True, timeout=30 * BUSY)
    finally:
        server.close()
    assert ran.returncode == 0, ran.stderr
    assert [base64.b64decode(text) for text in inbox.typed.values()] == [data], inbox.scripts
    assert any("C:/dropped.bin" in script or "C:\\dropped.bin" in script for script in inbox.scripts)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("password", "status"), [("right-9", "200"), ("wrong", "401")], ids=["right", "wrong"])
def test_curl_logs_in(tmp_path: Path, password: str, status: str) -> None:
    """libcurl's own NTLM is let in with the right password only. (It wants the scheme's own name, and ASCII.)"""
    with listening(tmp_path, account=Account("ops", "right-9"), faults=Faults(offer="NTLM")) as server:
        words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--ntlm"]
        words += ["-X", "POST", "-d", "", "-u", f"ops:{password}", server.url]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=20 * BUSY)
    assert ran.stdout == status, ran.stderr
