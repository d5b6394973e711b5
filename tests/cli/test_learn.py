"""`hemostat check --learn HOST` against a real sshd: shown, compared, asked for, written; never without a yes, never silently."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import pin
from tasks.model import ConfigError
from tests.cli.house import CODE, say
from tests.patience import BUSY
from tests.transports.odd_sshd import listening
from tests.transports.sshd import Server, fingerprint

pytestmark = pytest.mark.lab
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK"
INVENTORY = """# Our hosts.

web:                      # the shop
    hostname: 127.0.0.1   # loopback
    port: {port}
    platform: linux
    transport: ssh
    username: root
    firewalls:
        - fw
    {pin}
    # the end of web

fw: {{hostname: 192.0.2.1, platform: cisco_asa, transport: device}}   # a flow mapping
"""


@pytest.fixture
def site(servers, tmp_path, monkeypatch) -> Path:
    """A site whose host `web` is a real sshd with nothing known about it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "inventory").mkdir()
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "inventory/policy.yaml").write_text("internal: [10.0.0.0/8]\n")
    (tmp_path / "playbooks/beacon.yaml").write_bytes((CODE / "playbooks/beacon.yaml").read_bytes())
    write(tmp_path, servers("dash"))
    return tmp_path


def write(site: Path, server: Server, pin: str = "# no pin yet") -> Path:
    """The inventory with that pin."""
    hosts = site / "inventory/hosts.yaml"
    hosts.write_text(INVENTORY.format(port=server.port, pin=pin))
    hosts.chmod(0o640)
    return hosts


def typed(site: Path, answer: str) -> tuple[int, str]:
    """What a person at a terminal sees who types that; the exit code."""
    main, far = pty.openpty()
    words = [sys.executable, "-m", "flows.cli", "check", "--learn", "web", "--site", str(site)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(site / "home"), "PYTHONPATH": str(CODE), "TERM": "dumb"}
    with subprocess.Popen(words, stdin=far, stdout=far, stderr=far, env=environment, close_fds=True) as child:
        os.close(far)
        seen, deadline, asked = b"", time.monotonic() + 30 * BUSY, False
        while child.poll() is None and time.monotonic() < deadline:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    seen += os.read(main, 65536)
                except OSError:
                    break
            if b"compared it: " in seen and not asked:
                asked = os.write(main, f"{answer}\n".encode()) > 0
        code = child.wait(10 * BUSY)
    os.close(main)
    return code, seen.decode()


def test_yes_pins_it_and_changes_nothing_else(site, servers):
    """After a yes one line more stands in the file; comments, order, indentation and mode are as they were."""
    before = (site / "inventory/hosts.yaml").read_text().splitlines()
    code, seen = typed(site, "yes")
    assert code == 0, seen
    assert fingerprint(servers("dash").folder / "host_key.pub") in seen
    hosts = site / "inventory/hosts.yaml"
    after = hosts.read_text().splitlines()
    assert [row for row in after if row not in before] == [f"    host_key: {servers('dash').host_key}"]
    assert [row.split() for row in before if row not in after] == []
    assert hosts.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in hosts.parent.iterdir() if path.name.startswith(".")] == []
    again = say("check", "--learn", "web", "--site", site)
    assert (again.code, "it is the pinned one" in again.text) == (0, True)


@pytest.mark.parametrize("answer", ["no", "", "y", "yess"])
def test_anything_but_yes_writes_nothing(site, answer):
    """Only the whole word is a yes."""
    before = (site / "inventory/hosts.yaml").read_bytes()
    code, seen = typed(site, answer)
    assert code == 5, seen
    assert (site / "inventory/hosts.yaml").read_bytes() == before


def test_nobody_there_is_a_no(site, servers):
    """From cron the line is printed for a person to copy, and nothing is written."""
    before = (site / "inventory/hosts.yaml").read_bytes()
    said = say("check", "--learn", "web", "--site", site, stdin=b"yes\n")
    assert said.code == 5
    assert f"host_key: {servers('dash').host_key}" in said.text
    assert (site / "inventory/hosts.yaml").read_bytes() == before


def test_json_prints_only(site, servers):
    """A program gets the facts and decides nothing."""
    before = (site / "inventory/hosts.yaml").read_bytes()
    said = say("check", "--learn", "web", "--json", "--site", site, stdin=b"yes\n")
    assert (said.code, said.json["known"], said.json["line"]) == (5, "new", servers("dash").host_key)
    assert fingerprint(servers("dash").folder / "host_key.pub") in said.json["key"]
    assert (site / "inventory/hosts.yaml").read_bytes() == before


def test_a_changed_key_is_shown_as_changed(site, servers):
    """Both fingerprints and a loud word; a yes replaces the pin in its place."""
    hosts = write(site, servers("dash"), f"host_key: {OTHER}   # pinned last year")
    said = say("check", "--learn", "web", "--site", site)
    assert said.code == 5
    assert "IT HAS CHANGED" in said.text
    assert said.text.count("SHA256:") == 2
    code, seen = typed(site, "yes")
    assert code == 0, seen
    assert f"host_key: {servers('dash').host_key}" in hosts.read_text()
    assert OTHER not in hosts.read_text()
    assert "# pinned last year" in hosts.read_text()


def test_what_known_hosts_says(site, servers, monkeypatch):
    """A key that the user's known_hosts has is told as that; another one there is a change."""
    known = site / "home/.ssh/known_hosts"
    known.parent.mkdir(parents=True)
    server = servers("dash")
    for line, word in ((server.host_key, "in known_hosts"), (OTHER, "changed")):
        known.write_text(f"[127.0.0.1]:{server.port} {line}\n")
        assert say("check", "--learn", "web", "--json", "--site", site).json["known"] == word


def test_who_has_no_key(site, servers):
    """A host that is not reached over SSH, a name that is not there, a port that is closed: each has its code."""
    assert say("check", "--learn", "nobody", "--site", site).code == 2
    hosts = site / "inventory/hosts.yaml"
    hosts.write_text(hosts.read_text().replace("transport: ssh", "transport: local"))
    assert "only SSH has one" in say("check", "--learn", "web", "--site", site).text
    hosts.write_text(
        hosts.read_text().replace("transport: local", "transport: ssh").replace(str(servers("dash").port), "1")
    )
    assert say("check", "--learn", "web", "--site", site).code == 4
    with listening(lambda sock: None) as port:
        hosts.write_text(hosts.read_text().replace("port: 1\n", f"port: {port}\n    timeout: 0.5\n"))
        assert say("check", "--learn", "web", "--site", site).code == 4


KEY = ("a", "host_key")
NESTED = ("a", "winrm", "certificate_sha256")
WRITTEN = [
    (KEY, "a: {hostname: x}  # flow\nb: 1\n", "a: {host_key: K, hostname: x}  # flow\nb: 1\n"),
    (KEY, "a:\n  hostname: x", "a:\n  hostname: x\n  host_key: K\n"),
    (KEY, "a:\r\n    port: 1\r\nb:\r\n", "a:\r\n    host_key: K\r\n    port: 1\r\nb:\r\n"),
    (KEY, "a:\n  ssh:\n    jump:\n    - b\n", "a:\n  host_key: K\n  ssh:\n    jump:\n    - b\n"),
    (KEY, "a:\nb: {}\n", "a:\n  host_key: K\nb: {}\n"),
    (KEY, 'a: {hostname: x, host_key: "old, one"}\n', "a: {hostname: x, host_key: K}\n"),
    (KEY, "a:\n  host_key: old one  # why\n", "a:\n  host_key: K  # why\n"),
    (NESTED, "a:\n  hostname: x\n", "a:\n  hostname: x\n  winrm: {certificate_sha256: K}\n"),
    (NESTED, "a:\n  winrm:\n    auth: ntlm\n", "a:\n  winrm:\n    certificate_sha256: K\n    auth: ntlm\n"),
    (NESTED, "a:\n  winrm: {auth: ntlm}\n", "a:\n  winrm: {certificate_sha256: K, auth: ntlm}\n"),
    (NESTED, "a:\n  winrm: {certificate_sha256: o}\n", "a:\n  winrm: {certificate_sha256: K}\n"),
    (KEY, "'a':\n- no mapping\n", None),
    (KEY, "a:\n  ? hostname\n  : x\n  # end\n", None),
    (KEY, "a:\n  hostname: >-\n    folded\n    text\n", None),
    (KEY, "a:\n  host_key:\n    below\n", None),
]


@pytest.mark.parametrize(("place", "old", "new"), WRITTEN)
def test_every_way_of_writing_an_entry(place, old, new):
    """Block and flow mappings, empty entries, other line ends: only this value changes, or the file stays as it is."""
    if new is None:
        with pytest.raises(ConfigError, match="add by hand: host_key: K"):
            pin.with_value(old, place, "K")
    else:
        assert pin.with_value(old, place, "K") == new
