"""Kerberos against the WinRM laboratory: MIT's own KDC, real tickets, sealed messages; and what a person is told when there is none.

`make kerberos` installs what it needs: pykerberos is built from source, with Debian's libkrb5-dev, which no newcomer should have to have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from winrm.transport import HAVE_KERBEROS

from lab.wsman.certificate import made
from tasks.model import Unreachable
from tests.transports.kdc import Kdc, missing
from tests.transports.winrm_house import ECHO, client, inventory, listening

ABSENT = [*missing(), *(name for name in ("gssapi", "krb5") if not find_spec(name))]
ABSENT += [] if HAVE_KERBEROS else ["pykerberos"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(ABSENT), reason=f"not here: {', '.join(ABSENT)}; `make kerberos` installs it"),
]
SECRET = "a secret of ops"


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kdc]:
    """A realm in which localhost is a Windows host; this process has a ticket of ops."""
    folder = tmp_path / "realm"
    folder.mkdir()
    kdc = Kdc(folder)
    try:
        monkeypatch.setenv("KRB5_CONFIG", str(kdc.config))
        monkeypatch.setenv("KRB5_KTNAME", str(kdc.service("HTTP/localhost")))
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{kdc.ticket(kdc.user('ops', SECRET), SECRET)}")
        yield kdc
    finally:
        kdc.close()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("user", ["ops@LAB.TEST", ""], ids=["named", "whose ticket there is"])
def test_a_ticket_opens_the_door(realm: Kdc, tmp_path: Path, tls: bool, user: str) -> None:
    """Sealed on http, bound to a pinned certificate on https; 800 KB go both ways."""
    given = json.dumps(list(range(120_000)))
    with listening(tmp_path, made(tmp_path, "win-1") if tls else None) as server:
        host = replace(inventory(server, auth="kerberos"), hostname="localhost", username=user, password="")
        with client(server, host=host) as windows:
            assert json.loads(windows.run_script(ECHO, given.encode())) == json.loads(given)


@pytest.mark.parametrize(
    ("changes", "cache", "do"),
    [
        ({}, "FILE:/nowhere", "kinit ops@LAB.TEST"),
        ({"password": "env:X"}, "FILE:/nowhere", "a password in the inventory gets no ticket"),
        ({"username": "other@LAB.TEST"}, "", "kinit other@LAB.TEST"),
        ({"hostname": "127.0.0.1"}, "", "use the host's DNS name"),
    ],
    ids=["no ticket", "a password alone", "another's ticket", "an address"],
)
def test_what_is_missing_is_told(
    realm: Kdc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], cache: str, do: str
) -> None:
    """With what to type; and the password is in no message."""
    if cache:
        monkeypatch.setenv("KRB5CCNAME", cache)
    with listening(tmp_path) as server:
        base = replace(inventory(server, auth="kerberos"), hostname="localhost", username="ops@LAB.TEST", password="")
        host = replace(base, **changes)  # type: ignore[arg-type]
        with client(server, SECRET, host) as windows, pytest.raises(Unreachable) as seen:
            windows.run_script(ECHO, b"[1]")
    assert do in seen.value.do and SECRET not in str(seen.value)


def test_a_dead_kdc_is_told(realm: Kdc, tmp_path: Path) -> None:
    """No ticket for this host was taken before."""
    realm.close()
    with listening(tmp_path) as server:
        host = replace(inventory(server, auth="kerberos"), hostname="localhost", username="ops@LAB.TEST", password="")
        with client(server, host=host) as windows, pytest.raises(Unreachable, match="domain controller"):
            windows.run_script(ECHO, b"[1]")
