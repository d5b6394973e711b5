"""The own path is gathered from this very machine, and a slow name does not hold the block up."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tasks import own_path
from tasks.model import parse_address
from tasks.own_path import dns_servers, effective_own_path, local_addresses, resolve
from tasks.serving import Notify, Serve
from tasks.settings import Host, Policy, Site


def test_this_machines_loopback_is_found() -> None:
    """psutil's real interfaces."""
    assert parse_address("127.0.0.1") in local_addresses()


def test_resolv_conf_is_read_as_the_manual_says(tmp_path: Path) -> None:
    """Comments, options, zones and nonsense beside real servers; an absent file has none."""
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# nameserver 192.0.2.1\nsearch nameserver\nnameserver 192.0.2.53\nnameserver\tfe80::1%eth0\nnameserver x\nnameserver\n"
    )
    assert dns_servers([file, tmp_path / "absent"]) == {parse_address("192.0.2.53"), parse_address("fe80::1")}


def test_hosts_devices_policy_and_the_operators_login_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of the inventory is resolved; one that does not resolve is told, never silently unprotected."""
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.77 50000 192.0.2.5 22")
    monkeypatch.setenv("PREFECT_API_URL", "http://203.0.113.78:4200/api")
    hosts = {
        "web": Host("web", "localhost", "linux", "ssh", addresses=(parse_address("2001:db8::7"),)),
        "fw": Host("fw", "192.0.2.1", "cisco_asa", "device"),
        "gone": Host("gone", "gone.invalid", "linux", "ssh"),
    }
    found = effective_own_path(Site("", hosts, Policy(own=(parse_address("192.0.2.53"),)), {}))
    wanted = ("203.0.113.77", "203.0.113.78", "2001:db8::7", "192.0.2.1", "192.0.2.53", "127.0.0.1")
    assert {parse_address(text) for text in wanted} <= set(found.addresses)
    assert found.unresolved == ("gone.invalid",)


def test_where_notifications_go_is_own_path_and_their_urls_stay_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the chat's server would silence us. A target whose secret is not there is told by its name in the file alone."""
    monkeypatch.setenv("CHAT", "https://203.0.113.80/services/hush")
    monkeypatch.setenv("NAMED", "https://localhost:8443/hush")
    monkeypatch.setenv("BROKEN", "https://[hush")
    monkeypatch.delenv("GONE", raising=False)
    targets = {n: Notify("slack", f"env:{n.upper()}") for n in ("chat", "named", "broken", "gone")}
    found = effective_own_path(Site("", {}, Policy(), {}, Serve(notify=targets)))
    assert {parse_address("203.0.113.80"), parse_address("127.0.0.1")} <= set(found.addresses)
    assert found.unresolved == ("notify target broken", "notify target gone")


def test_names_that_hang_are_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead resolver costs the deadline, not ten seconds a name: the block must not wait."""
    real, answers = socket.getaddrinfo, threading.Event()

    def slow(name: str, *rest: object, **more: object) -> object:
        if name == "localhost":
            return real(name, None)
        answers.wait()  # stands for a resolver that does not answer; the threads are daemons
        return []

    monkeypatch.setattr(own_path.socket, "getaddrinfo", slow)
    try:
        assert set(resolve(["localhost", "a.example", "b.example"], seconds=3.0)) == {"localhost"}
    finally:
        answers.set()
