"""A device that is an attacker's: whatever it prints, reading it ends. Were a pattern's time the square of a line, this would take days."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import firewalls
from tasks.block import ask_for
from tasks.firewalls import Command, Entry
from tasks.model import Remote, TargetError, Unreachable
from tasks.settings import Host
from tasks.transports import device
from tasks.transports.device import Cli

PLATFORMS = [name for name in firewalls.platforms() if firewalls.load(name).channel == "cli"]
SIZE = 200_000
HOST = Host("gw-1", "192.0.2.1", "cisco_asa", "device", timeout=600)
ENTRY = Entry(Remote.parse("203.0.113.9"), "20260101-000000-000aa")
LINES = (
    "\n", "\n ", " ", "\t", "a", "1", "(", "()", "()> ", "> ", "]", "<gw", "x=", "a ", "1 ", "1 a=", "a=b ", "@", "\x1b[?2004h", "% ",
    "  edit 1\n", "    set a  ", "a {\n", "rule 1 name a", " rule 1 name a\n", "rule id 1\n", "address HEMOSTAT\n", "Error: ",
    "From zone: a\n", "access-list A extended deny ip any any (hitcnt=1", "deny ip any host ", "  Inbound  access list is ",
)  # fmt: skip


class Hostile:
    """A connection to a device that prints these pieces, one after the other, and has more to print for ever."""

    base_prompt, RETURN = "gw-1", "\n"

    def __init__(self, pieces: Iterator[str]) -> None:
        ours, self.other = socket.socketpair()
        self.other.send(b".")  # it can always be read
        self.remote_conn = SimpleNamespace(fileno=ours.fileno, exit_status_ready=lambda: False, ours=ours)
        self.pieces = pieces

    def write_channel(self, text: str) -> None:
        assert text.startswith("show")

    def read_channel(self) -> str:
        return next(self.pieces)

    def close(self) -> None:
        self.remote_conn.ours.close()
        self.other.close()


def ask(platform: str, pieces: Iterator[str]) -> tuple[str, ...]:
    connection: Any = Hostile(pieces)
    try:
        return Cli(HOST, firewalls.load(platform), connection).ask([Command("show")])
    finally:
        connection.close()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_answer_is_read_to_its_end(platform: str) -> None:
    """Its refusals are looked for, and it is read; what it comes to is the platform's own tests' business."""
    firewall = firewalls.load(platform)
    for line in LINES:
        heard = device._body(f"show\n{line * (SIZE // len(line))}\x00x\ngw-1#", "show")
        with suppress(TargetError):
            device.checked(HOST, firewall, Command("show"), heard)
        with suppress(TargetError):
            firewall.read(ENTRY, (heard,) * len(firewall.look(ENTRY)))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_prompt_is_looked_for_in_all_of_a_flood(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that never comes to its prompt is left at the limit, before the time is over."""
    monkeypatch.setattr(device, "LARGEST", SIZE)
    piece = "\ngw-1" + "(" * 60_000

    def flood() -> Iterator[str]:
        yield "show\n"
        while True:
            yield piece

    with pytest.raises(Unreachable, match="characters and no end"):
        ask(platform, flood())


def test_a_number_without_an_end_is_the_devices_fault() -> None:
    """Python refuses to read more than 4300 digits."""
    answer = f" {'1' * 5000} list=a address=203.0.113.9\nhemostat-end"
    session = SimpleNamespace(ask=lambda commands: tuple(answer for _ in commands))
    with pytest.raises(TargetError, match="a number in it is none"):
        ask_for(session, firewalls.load("mikrotik_routeros"), ENTRY)


def test_blank_lines_are_kept_as_one() -> None:
    """What stands between two of them is as it was."""
    assert device._body("show\r\na\r\n\r\n \r\n\n  b\r\n\r\nc\r\ngw-1#", "show") == "a\n\n  b\n\nc"
