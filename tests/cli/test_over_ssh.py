"""`check --live` and `plan` for a host over real SSH: what a person reads when it works, and when a credential does not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.cli.house import CODE, say
from tests.transports.sshd import PASSWORD, Server

pytestmark = pytest.mark.lab


@pytest.fixture
def site(servers, tmp_path, monkeypatch) -> Path:
    """A site whose one host is a real sshd; nothing stands before it."""
    monkeypatch.setenv("HEMOSTAT_TEST_SUDO", PASSWORD)
    monkeypatch.setenv("HEMOSTAT_TEST_WRONG", "wrong horse")
    (tmp_path / "inventory").mkdir()
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "inventory/policy.yaml").write_text("internal: [10.0.0.0/8]\n")
    (tmp_path / "playbooks/beacon.yaml").write_bytes((CODE / "playbooks/beacon.yaml").read_bytes())
    write(tmp_path, servers("dash"))
    return tmp_path


def write(site: Path, server: Server, **more: object) -> None:
    """The inventory with these values of the host."""
    web = {
        "hostname": "127.0.0.1",
        "port": server.port,
        "platform": "linux",
        "transport": "ssh",
        "username": "root",
        "key": str(server.folder / "login_key"),
        "host_key": server.host_key,
    }
    with (site / "inventory/hosts.yaml").open("w") as file:
        YAML().dump({"web": web | more}, file)


def live(site: Path):
    """The one check of the host, and the exit code."""
    said = say("check", "--live", "--json", "--site", site)
    [check] = said.json["live"]
    return said.code, check


def test_check_live(site, servers):
    """A login that works passes, or says what it cannot see; without root it says more."""
    code, check = live(site)
    assert (code, check["name"]) == (0, "web")
    assert check["result"] in ("pass", "unknown")
    write(site, servers("dash"), username="ada")
    code, check = live(site)
    assert (code, check["result"]) == (0, "unknown"), check
    assert "root" in check["observed"] or "other" in check["observed"]


BAD = {
    "a wrong host key": (
        {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK"},
        "hemostat check --learn web",
    ),
    "a wrong sudo password": (
        {"username": "ada", "ssh": {"sudo": "password", "sudo_password": "env:HEMOSTAT_TEST_WRONG"}},
        "the sudo password is wrong",
    ),
    "a login without sudo": ({"username": "eve", "ssh": {"sudo": "nopasswd"}}, "sudo"),
    "a reference that is nowhere": ({"key": "", "password": "env:HEMOSTAT_TEST_NOWHERE"}, "HEMOSTAT_TEST_NOWHERE"),
    "a port where nothing listens": ({"port": 1}, "Connection refused"),
    "a key that is not there": ({"key": "/nonexistent/key"}, "/nonexistent/key"),
}


@pytest.mark.parametrize("what", BAD)
def test_check_live_says_what_is_wrong(site, servers, what):
    """Each fault is that host's check, in words that name what to correct, with exit code 4; no secret stands in it."""
    more, words = BAD[what]
    write(site, servers("dash"), **more)
    code, check = live(site)
    assert (code, check["result"]) == (4, "fail"), check
    assert words in check["observed"]
    assert "horse" not in check["observed"]


def test_plan_sees_the_socket(site, servers):
    """The sockets that the host has to the remote are seen over SSH, with their owner."""
    with socket.create_server(("127.66.1.9", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.66.1.9", port)):
            said = say("plan", "web", "--remote", f"127.66.1.9:{port}", "--json", "--site", site)
    assert said.json["verdict"]["decision"] == "confirmed", said.text
    assert "held by process" in " ".join(said.json["verdict"]["reasons"])
    away = say("plan", "web", "--remote", "203.0.113.9", "--json", "--site", site)
    assert away.json["verdict"]["decision"] == "unsure", away.text


def test_plan_says_why_it_could_not_look(site, servers):
    """A key that was exchanged or a refused login stands in the plan, in the words of the run: "not looked" alone helps nobody."""
    more, words = BAD["a port where nothing listens"]
    write(site, servers("dash"), **more)
    said = say("plan", "web", "--remote", "203.0.113.9", "--site", site)
    assert words in " ".join(said.text.split()), said.text
