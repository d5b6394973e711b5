"""What stands on the wire between a WinRM client on http and its host: nothing that can be read, whatever went wrong before."""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lab.wsman import Cut, Faults
from tasks.model import TargetError, Unreachable
from tasks.transports.winrm_frame import framed, packed
from tests.transports.winrm_house import ECHO, PASSWORD, client, inventory, listening
from tests.transports.winrm_tap import Tap

pytestmark = pytest.mark.lab


def test_nobody_on_the_wire_reads_along(tmp_path: Path) -> None:
    """What stands in the messages in the clear is nowhere in the bytes that pass."""
    plain = bytearray()
    with listening(tmp_path) as server, closing(Tap(server.port)) as tap:
        real = server.service.handle

        def kept(data: bytes, user: str) -> tuple[str, int, bytes]:
            action, status, answer = real(data, user)
            plain.extend(data + answer)
            return action, status, answer

        server.service.handle = kept
        with client(server, host=replace(inventory(server), port=tap.address[1])) as windows:
            windows.run_script(ECHO, b'{"the argument": 1}')
            netstat = windows.run_console("netstat -ano").out
    assert tap.seen.count(b"application/HTTP-SPNEGO-session-encrypted") > 20
    whole = [packed(ECHO, b'{"the argument": 1}'), framed(b'{"the argument": 1}'), netstat]
    for text in (b"Envelope", b"ShellId", b"powershell.exe", b"netstat", b"MessageID", *map(b64encode, whole)):
        assert text in plain
        assert text not in tap.seen
    for form in ("utf-8", "utf-16-le"):
        assert PASSWORD.encode(form) not in tap.seen


@pytest.mark.parametrize(
    ("faults", "password"),
    [
        (Faults(), "wrong"),
        (Faults(offer="Kerberos"), PASSWORD),
        (Faults(page="<html>"), PASSWORD),
        (Faults(denied=True), PASSWORD),
        (Faults(cuts=[Cut(n) for n in range(1, 99)]), PASSWORD),
    ],
    ids=["wrong password", "no such login", "a page", "denied", "cut"],
)
def test_a_call_after_a_failed_one_is_sealed_too(tmp_path: Path, faults: Faults, password: str) -> None:
    """A login that failed leaves no session behind that would send the next message as it is."""
    with listening(tmp_path, faults=faults) as server, closing(Tap(server.port)) as tap:
        with client(server, password, replace(inventory(server), port=tap.address[1])) as windows:
            for _ in range(2):
                with pytest.raises((TargetError, Unreachable)):
                    windows.run_script(ECHO, b"[1]")
        assert b"Envelope" not in tap.seen
        assert b"POST /wsman" in tap.seen
