"""Hosts that answer badly: one byte a second, floods, silence, junk. Each ends by its deadline with a message that says what was seen."""

from __future__ import annotations

import contextlib
import io
import re
import time
from contextlib import closing
from dataclasses import replace

import pytest

from tasks.facts import Start
from tasks.model import TargetError, Unreachable
from tasks.settings import Host
from tasks.transports import ssh, ssh_session, ssh_text
from tasks.transports.ssh_hands import SshHands
from tasks.transports.ssh_session import Session, started
from tests.patience import BUSY
from tests.transports.odd_sshd import listening, never, odd
from tests.transports.ways import NOWHERE

pytestmark = pytest.mark.lab
READY = f"{ssh_text.READY}\n".encode()


@contextlib.contextmanager
def session(behave):
    """A session on a host that behaves like that after its greeting."""

    def greet(channel, over):
        channel.sendall(READY)
        script = b""
        while b"\nobey\n" not in script:
            script += channel.recv(65536)
        behave(channel, over)

    with odd(greet) as host, ssh.connected(host, lambda _: "x") as client:
        wire = started(ssh.transport_of(client), host, lambda _: "x", ("session.sh",), "obey")
        with closing(Session(wire, host.name)) as one:
            yield one


def drip(channel, over):
    """One byte and a pause, for ever."""
    while not over.wait(0.05):
        channel.sendall(b"x")


def pour(channel, over):
    """As much as the line takes."""
    while not over.is_set():
        channel.sendall(b"x" * 65536)


def pour_errors(channel, over):
    """The same on standard error."""
    while not over.is_set():
        channel.sendall_stderr(b"x" * 65536)


def test_a_drip_ends_at_the_deadline():
    """A host that always sends one more byte is given up when the time is over, not when it is done."""
    with session(drip) as one:
        began = time.monotonic()
        with pytest.raises(TargetError, match="the deadline is over"):
            one.ask("hello", (), 0.5)
        assert time.monotonic() - began < 3 * BUSY
        assert one.closed, "half an answer stands on the wire: nothing more may be asked there"


def test_a_silent_host_ends_at_the_deadline():
    """No answer at all is the same."""
    with (
        session(lambda channel, over: over.wait(10 * BUSY)) as one,
        pytest.raises(TargetError, match="the deadline is over"),
    ):
        one.ask("hello", (), 0.3)


def test_floods_are_bounded(monkeypatch):
    """Neither output nor standard error can fill the runner's memory."""
    monkeypatch.setattr(ssh_session, "OUTPUT_LIMIT", 1 << 20)
    with session(pour) as one, pytest.raises(TargetError, match="bytes and no end"):
        one.ask("hello", (), 60)
    with session(pour_errors) as one, pytest.raises(TargetError, match="floods standard error"):
        one.ask("hello", (), 60)


def test_one_command_is_bounded_as_well(monkeypatch):
    """A device's single command: the same limits."""
    monkeypatch.setattr(ssh, "OUTPUT_LIMIT", 1 << 20)
    for behave, words, seconds in (
        (drip, "no end", 0.5),
        (pour, "no end", 60),
        (pour_errors, "floods standard error", 60),
    ):
        with odd(behave) as host, ssh.connected(host, lambda _: "x") as client:
            began = time.monotonic()
            with pytest.raises(TargetError, match=words):
                ssh.run(client, "show", timeout=seconds)
            assert time.monotonic() - began < 4 * BUSY


def test_a_host_that_does_not_even_say_yes():
    """No answer to the command itself: given up at the deadline, as is a wire that nobody reads at the other end."""
    with odd(never) as host, ssh.connected(host, lambda _: "x") as client:
        began = time.monotonic()
        with pytest.raises(TargetError, match=r"no end|the deadline is over"):
            ssh.run(client, "show", timeout=0.5)
        assert time.monotonic() - began < 4 * BUSY

    def deaf(channel, over):
        channel.transport.packetizer.close()
        over.wait(20 * BUSY)

    with odd(deaf) as host, ssh.connected(host, lambda _: "x") as client:
        began = time.monotonic()
        with pytest.raises(TargetError):
            ssh.run(client, "show", bytes(64 << 20), timeout=0.5)
        assert time.monotonic() - began < 4 * BUSY


def test_the_handshake_has_the_inventorys_time():
    """A host that is given longer than paramiko's own 15 s is not cut off by them in the middle of a handshake."""
    with odd(never) as host, ssh.connected(replace(host, timeout=40.0), lambda _: "x") as client:
        assert ssh.transport_of(client).handshake_timeout == 40.0


def test_a_shell_that_ends_is_told():
    """A session that the host ends in the middle is a broken connection, with the shell's last words."""

    def die(channel, over):
        channel.sendall_stderr(b"sh: out of memory\n")
        channel.send_exit_status(1)

    with session(die) as one:
        one._wire.channel.status_event.wait(5 * BUSY)
        with pytest.raises(Unreachable, match=r"out of memory|the connection broke"):
            one.ask("hello", (), 5 * BUSY)


@pytest.mark.parametrize("junk", [b"", b"Welcome!\n", b"% Unknown command\n" * 9000])
def test_what_is_no_shell(junk):
    """A device, a menu or a restricted account is not taken for a shell; its words are in the message."""

    def answer(channel, over):
        channel.sendall(junk)
        channel.send_exit_status(1)

    with odd(answer) as host, ssh.connected(host, lambda _: "x") as client:
        with pytest.raises(TargetError, match="no POSIX shell answers") as caught:
            started(ssh.transport_of(client), host, lambda _: "x", ("session.sh",), "obey")
        assert junk[:8].decode() in str(caught.value)
        assert len(str(caught.value)) < 1500


def liar(body, end=b"0", errors=b""):
    """A host whose shell is somebody else's: it speaks our frame, and says the same to every question."""

    def behave(channel, over):
        channel.sendall(READY)
        script = b""
        while (match := re.search(rb"\n(obey|obey_once)\n", script)) is None:
            script += channel.recv(65536)
        rest = script[match.end() :]
        if match[1] == b"obey_once":
            while b"\n" not in rest:
                rest += channel.recv(65536)
            channel.sendall(rest.split(b" ")[0] + b"\n" + body)
            channel.sendall_stderr(errors)
            channel.send_exit_status(0)
            return
        while not over.is_set():
            for nonce in re.findall(rb"^([0-9a-f]{32}) \w+ \d+ [\d.]+$", rest, re.MULTILINE):
                channel.sendall(
                    nonce + b" BEGIN\n" + body + b"\n" + nonce + b" END " + end + b"\n\n" + nonce + b" DONE\n"
                )
            rest = channel.recv(65536)

    return behave


LOOKS = {
    "stat": lambda hands: hands.stat("/etc/passwd"),
    "sha256": lambda hands: hands.sha256("/etc/passwd"),
    "memory": lambda hands: hands.memory(7, Start(1.0), io.BytesIO(), 1 << 20),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    ("body", "end", "errors"),
    [
        (b"rubbish", b"0", b""),
        (b"1 2 3\n../../x", b"0", b""),
        (b"x86_64\n/bin/x\nzz-yy rw-p 0 0 0 /x", b"0", b"whole abc\nafter 12\n"),
        (b"\xff" * 7, b"none", b"\x1b[2J"),
    ],
)
def test_an_answer_that_makes_no_sense(look, body, end, errors):
    """A lie in the right frame costs one question, said in plain words; it is no fault of the runner's that ends a whole step."""
    with (
        odd(liar(body, end, errors)) as host,
        closing(SshHands(replace(host, password="x"), NOWHERE, lambda _: "x")) as hands,
        pytest.raises(TargetError) as caught,
    ):
        LOOKS[look](hands)
    assert "\x1b" not in str(caught.value)


def test_escapes_of_a_host_reach_no_terminal():
    """What a host says of itself is shown as text: no control character of it is left in a message."""

    def answer(channel, over):
        channel.sendall_stderr(b"\x1b[2J\x1b]0;owned\x07sh: not found\n")
        channel.send_exit_status(127)

    with odd(answer) as host, ssh.connected(host, lambda _: "x") as client:
        with pytest.raises(TargetError, match="not found") as caught:
            started(ssh.transport_of(client), host, lambda _: "x", ("session.sh",), "obey")
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("banner", [b"", b"S"])
def test_a_banner_that_never_ends(banner):
    """A port that is open and says nothing, or one byte now and then, is unreachable when the time-out is over."""
    stop = []

    def accept(sock):
        with contextlib.suppress(OSError):
            while not stop:
                sock.sendall(banner)
                time.sleep(0.1)

    with listening(accept) as port:
        host = Host("slow", "127.0.0.1", "linux", "ssh", port, username="root", password="env:X", timeout=0.5)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"banner|no SSH handshake"), ssh.connected(host, lambda _: "x"):
            pass
        stop.append(True)
        assert time.monotonic() - began < 5 * BUSY
