"""Sockets of this very machine: real ones, with their inode and owner; and the kernel's table format."""

from __future__ import annotations

import array
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.facts import Connection
from tasks.model import Remote
from tasks.transports import local_proc
from tasks.transports.linux_net import address, parse
from tasks.transports.local import LocalHands
from tests.patience import BUSY
from tests.transports.conftest import until

HOLD = """
import socket, sys
server = socket.create_server(("127.77.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
print(server.getsockname()[1], client.getsockname()[1], flush=True)
sys.stdin.read()
"""


def between(port: int, peer: int | None = None, proto: str = "tcp", at: str = "127.77.0.1") -> list[Connection]:
    """The sockets with this port and, if it is named, that one: the rest of the machine has the number too, elsewhere."""
    ports = {port, peer or port}
    seen = [c for c in LocalHands().connections() if c.proto == proto and at in (c.local, c.remote)]
    return [c for c in seen if ports <= {c.local_port, c.remote_port}]


def test_owner_and_inode(python):
    """An established socket shows both ends, its state, its inode and its process with high confidence."""
    child = python(HOLD)
    listening, client = map(int, child.hello.split())
    [mine] = [c for c in between(client, listening) if c.local_port == client]
    assert (mine.remote, mine.remote_port, mine.state) == ("127.77.0.1", listening, "ESTABLISHED")
    assert (mine.pid, mine.owner) == (child.pid, "high")
    links = {str(path.readlink()) for path in Path(f"/proc/{child.pid}/fd").iterdir()}
    assert f"socket:[{mine.inode}]" in links


def test_time_wait_has_no_owner():
    """A short connect leaves a TIME_WAIT socket that is nobody's and has no inode."""
    with socket.create_server(("127.77.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        ends = client.getsockname()[1], server.getsockname()[1]
        peer, _ = server.accept()
        client.close()
        assert peer.recv(1) == b"", "both would wait if they closed at the same moment"
        peer.close()
    until(lambda: any(c.state == "TIME_WAIT" for c in between(*ends)), "the closed socket never reached TIME_WAIT")
    [left] = [c for c in between(*ends) if c.state == "TIME_WAIT"]
    assert (left.pid, left.inode, left.owner) == (None, None, "none")


@pytest.mark.skipif(not socket.has_ipv6, reason="this kernel has no IPv6")
def test_mapped_address_is_ipv4():
    """A dual-stack socket that speaks IPv4 shows the IPv4 address that is on the wire."""
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0]:
            ends = between(port, client.getsockname()[1], at="127.0.0.1")
            served = [c for c in ends if c.local_port == port and c.state == "ESTABLISHED"]
        assert [(c.local, c.remote, c.pid) for c in served] == [("127.0.0.1", "127.0.0.1", os.getpid())]


def test_udp():
    """UDP sockets show, bound (NONE) and connected (ESTABLISHED)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound, socket.socket(type=socket.SOCK_DGRAM) as connected:
        bound.bind(("127.77.0.1", 0))
        connected.connect(bound.getsockname())
        port = bound.getsockname()[1]
        seen = {(c.state, c.local_port == port, c.pid) for c in between(port, proto="udp")}
    assert seen == {("NONE", True, os.getpid()), ("ESTABLISHED", False, os.getpid())}


def test_watch_catches_what_samples_miss(python):
    """A connection that lives for a fifth of a second is caught between two samples, with its owner, at once."""
    child = python("""
import socket, sys, time
server = socket.create_server(("127.77.0.2", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.readline()
while True:
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    time.sleep(0.2)
    client.close(); peer.close()
    time.sleep(0.05)
""")
    remote = Remote.parse(f"127.77.0.2:{child.hello}")
    child.stdin.write("go\n")
    child.stdin.flush()
    began = time.monotonic()
    caught = LocalHands().watch(remote, 60.0 * BUSY)
    assert time.monotonic() - began < 60 * BUSY, "it watched to the end"
    # On a busy machine some are seen whose owner had closed them before we asked.
    seen = {(c.remote, c.pid, c.owner) for c in caught}
    assert ("127.77.0.2", child.pid, "high") in seen
    assert seen <= {("127.77.0.2", child.pid, "high"), ("127.77.0.2", None, "low"), ("127.77.0.2", None, "none")}
    assert LocalHands().watch(remote, 0.0) == ()


def test_shared_socket_shows_every_holder(python):
    """A socket that a child inherited appears once for each process that holds it."""
    child = python(
        HOLD.replace("print(", "import os\npid = os.fork()\nif pid: print(pid, ").replace(
            "sys.stdin.read()", "sys.stdin.read()"
        )
    )
    other, listening, _ = map(int, child.hello.split())
    holders = {c.pid for c in between(listening) if c.state == "LISTEN"}
    assert holders == {child.pid, other}


def test_socket_that_nobody_holds():
    """A live socket whose only descriptor is in flight inside the kernel is nobody's; unsure where processes are closed to us."""
    with socket.create_server(("127.77.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        port = client.getsockname()[1]
        left, right = socket.socketpair()
        with left, right, peer:
            flight = array.array("i", [client.fileno()])
            left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, flight)])
            client.close()
            [orphan] = [c for c in between(port, server.getsockname()[1]) if c.local_port == port]
    everything = not LocalHands().blind()
    assert (orphan.pid, orphan.state, orphan.owner) == (None, "ESTABLISHED", "none" if everything else "low")
    assert orphan.inode


@pytest.mark.skipif(shutil.which("ss") is None, reason="iproute2's ss is not installed")
def test_same_as_ss(python):
    """What we say of a process's sockets is what ss says: ends, state and pid."""
    child = python(HOLD)
    listening = int(child.hello.split()[0])
    told = subprocess.run(["ss", "-tanpH"], capture_output=True, text=True, check=True).stdout
    theirs = {tuple(line.split()[i] for i in (0, 3, 4)) for line in told.splitlines() if f"pid={child.pid}," in line}
    words = {"ESTABLISHED": "ESTAB"}
    ours = {
        (
            words.get(c.state, c.state),
            f"{c.local}:{c.local_port}",
            f"{c.remote}:{c.remote_port or '*'}",
        )
        for c in between(listening)
        if c.pid == child.pid
    }
    assert len(ours) == 3
    assert ours == theirs


@given(st.ip_addresses(v=4))
def test_kernel_notation_of_ipv4(wanted):
    """Every IPv4 address comes back from the kernel's notation."""
    assert address(f"{int.from_bytes(wanted.packed, sys.byteorder):08X}") == str(wanted)


@given(st.ip_addresses(v=6))
def test_kernel_notation_of_ipv6(wanted):
    """Every IPv6 address comes back; an IPv4-mapped one as IPv4."""
    words = [int.from_bytes(wanted.packed[i : i + 4], sys.byteorder) for i in range(0, 16, 4)]
    assert address("".join(f"{word:08X}" for word in words)) == str(wanted.ipv4_mapped or wanted)


@given(st.text())
def test_no_table_breaks_the_parser(text):
    """Whatever stands in the table, the parser gives sockets or nothing, never an error."""
    assert all(0 <= c.local_port <= 65535 for c in parse(f"head\n{text}", "tcp", 0.0))


def test_every_line_of_the_real_tables_is_understood():
    """No line of this kernel's own tables is passed over."""
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            text = Path(f"/proc/net/{name}").read_text()
        except FileNotFoundError:
            continue
        lines = [line for line in text.splitlines()[1:] if re.match(r"^\s*\d+:", line)]
        assert len(list(parse(text, name[:3], 0.0))) == len(lines), f"/proc/net/{name} has lines that we do not read"


def test_states_agree_with_psutil():
    """Our words for TCP states are psutil's."""
    import psutil

    from tasks.transports.linux_net import _STATES

    assert set(_STATES.values()) == {getattr(psutil, n) for n in dir(psutil) if n.startswith("CONN_")} - {
        "NONE",
        "DELETE",
        "IDLE",
        "BOUND",
    }


def test_covered_table_is_read_below_the_cover():
    """The table is read through the uncovered /proc where we may make one."""
    with local_proc.uncovered() as proc:
        assert (proc / "self/net/tcp").read_text().startswith("  sl")
