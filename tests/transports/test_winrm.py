"""The WinRM client against the WS-Management laboratory: real HTTP, real logins; what the caller gets and what the host saw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.wsman import made
from tests.transports.winrm_house import ECHO, EMIT, client, listening

pytestmark = pytest.mark.lab
ROUND = ["Create", "Command", "Send", "Receive", "Signal", "Delete"]


@pytest.mark.parametrize("tls", [False, True], ids=["sealed http", "pinned https"])
def test_a_script_and_its_answer(tmp_path: Path, tls: bool) -> None:
    """Arguments go in as data and come back untouched, Chinese included, in one round of requests; no shell is left behind."""
    with listening(tmp_path, made(tmp_path, "win-1") if tls else None) as server, client(server) as windows:
        answer = windows.run_script(ECHO, json.dumps({"path": "C:\\文档\\'; exit #"}).encode())
        assert json.loads(answer) == {"path": "C:\\文档\\'; exit #"}
        assert server.log == ROUND
        assert server.service.shells == {}


def test_eight_requests_for_a_long_script_and_a_megabyte(tmp_path: Path) -> None:
    """60 KB of script in and 1 MB of JSON out cost eight requests, counted at the host."""
    assert len(EMIT) > 60_000
    with listening(tmp_path) as server, client(server) as windows:
        answer = windows.run_script(EMIT, b'{"bytes": 1048576}')
        assert len(answer) >= 1 << 20
        assert len(server.log) <= 8, server.log
