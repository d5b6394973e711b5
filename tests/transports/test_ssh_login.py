"""Logging in to a real sshd: whose key it is, which credential opens it, jump hosts, sudo. Each refusal says what to do."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.model import ConfigError, TargetError, Unreachable
from tasks.settings import Policy, Site
from tasks.transports import ssh, ssh_keys
from tasks.transports.ssh_hands import SshHands
from tasks.ways import Ssh
from tests.transports.sshd import PASSWORD, Server, fingerprint, new_key
from tests.transports.ways import NOWHERE, no_secret

pytestmark = pytest.mark.lab
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK"


@pytest.fixture
def server(servers) -> Server:
    """The host with dash."""
    return servers("dash")


@contextmanager
def reached(host, secret=no_secret, site=NOWHERE) -> Iterator[SshHands]:
    """The hands for that host; the connection ends with the block."""
    with closing(SshHands(host, site, secret)) as hands:
        yield hands


def secrets(reference: str) -> str:
    """The references of these tests."""
    return {"env:RIGHT": PASSWORD, "env:WRONG": "wrong horse", "env:PASSPHRASE": "battery staple"}[reference]


def who(hands: SshHands) -> str:
    """Whom the host takes us for."""
    return hands.run(["id", "-u"]).out.decode().strip()


def test_a_changed_host_key(server):
    """Both fingerprints are told, as ssh-keygen prints them, and what to do."""
    with reached(server.host(host_key=OTHER)) as hands, pytest.raises(Unreachable) as caught:
        hands.stat("/")
    assert fingerprint(server.folder / "host_key.pub") in caught.value.seen
    assert ssh_keys.shown(ssh_keys.pinned_key(server.host(host_key=OTHER))) in caught.value.seen
    assert "hemostat check --learn victim" in caught.value.do


def test_an_unknown_host_key(server, monkeypatch, tmp_path):
    """Without a pin and without known_hosts nothing is accepted; with known_hosts it is, and a change of it is told."""
    monkeypatch.setenv("HOME", str(tmp_path))
    host = server.host(host_key="")
    with reached(host) as hands, pytest.raises(Unreachable, match="not known") as caught:
        hands.stat("/")
    assert fingerprint(server.folder / "host_key.pub") in caught.value.seen
    assert "hemostat check --learn victim" in caught.value.do
    known = tmp_path / ".ssh/known_hosts"
    known.parent.mkdir()
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    with reached(host) as hands:
        assert hands.stat("/") is not None
    known.write_text(f"[127.0.0.1]:{server.port} {OTHER}\n")
    with reached(host) as hands, pytest.raises(Unreachable, match="the one in known_hosts"):
        hands.stat("/")


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_host_keys_of_other_types(servers, kind):
    """A pin of any type is held against the host's key of that type; --learn shows that one, not the first that is offered."""
    with Server(servers("dash").folder.parent / f"key-{kind}", kind=kind) as server:
        new_key(server.folder / "second")
        config = server.folder / "sshd_config"
        config.write_text(f"HostKey {server.folder}/second\n{config.read_text()}")
        server.stop()
        server.start()
        with reached(server.host()) as hands:
            assert hands.stat("/") is not None
        assert ssh_keys.line(ssh.shown_key(server.host(), no_secret, NOWHERE)) == server.host_key
        assert ssh.shown_key(server.host(host_key=""), no_secret, NOWHERE).get_name() == "ssh-ed25519"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_private_keys_of_every_type(server, kind, tmp_path):
    """Each type that OpenSSH makes opens the host, without a passphrase and with one; a wrong or missing one is told."""
    allowed = server.folder / "authorized_keys"
    before = allowed.read_text()
    plain, locked = new_key(tmp_path / "plain", kind), new_key(tmp_path / "locked", kind, "battery staple")
    allowed.write_text(before + Path(f"{plain}.pub").read_text() + Path(f"{locked}.pub").read_text())
    try:
        with reached(server.host(key=str(plain))) as hands:
            assert who(hands) == "0"
        with reached(server.host(key=str(locked), ssh=Ssh(passphrase="env:PASSPHRASE")), secrets) as hands:
            assert who(hands) == "0"
    finally:
        allowed.write_text(before)
    for options, words in ((Ssh(), "it has a passphrase"), (Ssh(passphrase="env:WRONG"), "passphrase is wrong")):
        with (
            reached(server.host(key=str(locked), ssh=options), secrets) as hands,
            pytest.raises(ConfigError, match=words),
        ):
            hands.stat("/")


@pytest.mark.parametrize("text", [None, "", "no key\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n"])
def test_a_key_file_that_is_none(server, tmp_path, text):
    """A missing or broken file is the owner's fault, said with its path; nothing of its content is shown."""
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
    with reached(server.host(key=str(path))) as hands, pytest.raises(ConfigError, match=re.escape(str(path))):
        hands.stat("/")


def test_passwords(server):
    """A password logs in; a wrong one is refused in words, and neither stands in the message."""
    with reached(server.host("ada", key="", password="env:RIGHT"), secrets) as hands:
        assert who(hands) == "41001"
    with (
        reached(server.host("ada", key="", password="env:WRONG"), secrets) as hands,
        pytest.raises(Unreachable, match="the login was refused") as caught,
    ):
        hands.stat("/")
    assert "horse" not in str(caught.value)


def test_the_agent_only_if_told(server, tmp_path, monkeypatch):
    """A key in the user's agent is used with `agent: true`, and never without."""
    words = ["ssh-agent", "-D", "-a", str(tmp_path / "agent")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
            while subprocess.run(["ssh-add", "-q", server.folder / "login_key"], capture_output=True).returncode:
                assert agent.poll() is None
            with reached(server.host(key="", ssh=Ssh(agent=True))) as hands:
                assert who(hands) == "0"
            with reached(server.host(key="")) as hands, pytest.raises(Unreachable, match="no password, no key"):
                hands.stat("/")
        finally:
            agent.terminate()


def test_over_jump_hosts(servers, tmp_path):
    """Each hop has its own login and its own pin; the way of the first hop comes before it; a wrong pin of a hop ends it."""
    first, second, last = servers("dash"), servers("bash"), servers("busybox")
    hops = {
        "outer": first.host("ada", "outer", key="", password="env:RIGHT"),
        "inner": second.host("root", "inner", ssh=Ssh(jump=("outer",))),
    }
    target = last.host("bob", ssh=Ssh(jump=("inner",), sudo="nopasswd"))
    assert [hop.name for hop in ssh.route(target, Site("", hops, Policy(), {}))] == ["outer", "inner"]
    with reached(target, secrets, Site("", hops, Policy(), {})) as hands:
        assert who(hands) == "0"
        assert hands.came_from() == ("127.0.0.1", last.port)
    wrong = hops | {"inner": replace(hops["inner"], host_key=OTHER)}
    with reached(target, secrets, Site("", wrong, Policy(), {})) as hands, pytest.raises(Unreachable, match="inner"):
        hands.stat("/")
    nowhere = replace(target, port=1)
    with (
        reached(nowhere, secrets, Site("", hops, Policy(), {})) as hands,
        pytest.raises(Unreachable, match="over inner"),
    ):
        hands.stat("/")


def test_a_jump_host_that_forwards_nothing(servers, tmp_path):
    """The message names the hop and the setting that forbids it."""
    target = servers("dash").host(ssh=Ssh(jump=("gate",)))
    with Server(servers("dash").folder.parent / "closed", more="AllowTcpForwarding no") as gate:
        site = Site("", {"gate": gate.host(name="gate")}, Policy(), {})
        with reached(target, site=site) as hands, pytest.raises(Unreachable, match="gate says") as caught:
            hands.stat("/")
    assert "AllowTcpForwarding" in caught.value.do


def test_one_channel_only(servers):
    """A host that allows one session at a time, as an attacker may have made it: the shell that stays makes room for what needs its own."""
    with (
        Server(servers("dash").folder.parent / "single", more="MaxSessions 1") as server,
        reached(server.host()) as hands,
    ):
        assert hands.stat("/") is not None
        assert hands.run(["echo", "heard"]).out == b"heard\n"
        assert hands.stat("/") is not None
        assert hands.fetch("/etc/hostname", io.BytesIO(), 1 << 20).size == Path("/etc/hostname").stat().st_size


def test_no_channel_at_all(servers):
    """A host that allows none is told with the setting that is in the way, and soon."""
    with (
        Server(servers("dash").folder.parent / "none-at-all", more="MaxSessions 0") as server,
        reached(server.host()) as hands,
    ):
        with pytest.raises(Unreachable, match="it refused") as caught:
            hands.run(["true"])
        assert "MaxSessions" in caught.value.do


SUDO = {
    "ada with a password": ("ada", Ssh(sudo="password", sudo_password="env:RIGHT"), ""),
    "ada with a wrong password": ("ada", Ssh(sudo="password", sudo_password="env:WRONG"), "the sudo password is wrong"),
    "ada without the password": ("ada", Ssh(sudo="nopasswd"), "sudo asks for a password"),
    "bob without a password": ("bob", Ssh(sudo="nopasswd"), ""),
    "bob with one that nobody asks for": ("bob", Ssh(sudo="password", sudo_password="env:RIGHT"), ""),
    "eve, who may not": ("eve", Ssh(sudo="password", sudo_password="env:RIGHT"), "not in the sudoers"),
    "tty, who needs a terminal": ("tty", Ssh(sudo="nopasswd"), "sudo wants a terminal"),
    "nobody's shell": ("none", Ssh(), "no POSIX shell answers"),
}


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize("case", SUDO)
def test_sudo(servers, shell, case):
    """Real sudo with its own sudoers file: who becomes root, and what a refusal says. The password stands in no message."""
    user, options, refusal = SUDO[case]
    with reached(servers(shell).host(user, ssh=options), secrets) as hands:
        if not refusal:
            assert who(hands) == "0"
            assert hands.stat("/etc/shadow") is not None
            return
        with pytest.raises(TargetError, match=refusal) as caught:
            hands.stat("/")
        assert "horse" not in str(caught.value)
        assert caught.value.do


def test_the_sudo_password_is_on_no_command_line(servers):
    """Neither sshd nor sudo nor the shell holds it in its words or its environment, and sudo remembers nothing."""
    with reached(servers("dash").host("ada", ssh=Ssh(sudo="password", sudo_password="env:RIGHT")), secrets) as hands:
        hands.stat("/")
        for process in Path("/proc").glob("[0-9]*"):
            try:
                texts = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            assert PASSWORD.encode() not in texts or int(process.name) == os.getpid()
    with (
        reached(servers("dash").host("ada", ssh=Ssh(sudo="nopasswd"))) as hands,
        pytest.raises(TargetError, match="asks for"),
    ):
        hands.stat("/")


def test_a_login_that_is_not_root_sees_less_and_says_so(servers):
    """Without sudo the host is looked at with the login's own rights; what is closed to it is an error, never an empty answer."""
    with reached(servers("dash").host("ada")) as hands:
        assert who(hands) == "41001"
        with pytest.raises(TargetError, match="Permission denied") as caught:
            hands.read("/etc/shadow", 100)
        assert "sudo" in caught.value.do
        assert [unseen.what for unseen in hands.blind()]
