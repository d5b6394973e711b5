"""An IOS router's modes and what can be looked at. Knows the words of each; changes no configuration."""

from __future__ import annotations

from lab.cli import Ask, Dialogue, Gone, Word
from lab.devices.cisco_ios.box import Ios, cli, interface_of
from lab.devices.cisco_ios.text import listing
from lab.words import number_of


@cli.command("enable", "user")
def enable(session: Ios) -> Dialogue:
    for _ in range(3):
        typed = yield Ask("Password: ", hidden=True)
        if typed == session.device.secret and not session.device.faults.wrong_enable:
            session.mode = "priv"
            return ""
    return "% Bad secrets\n"


@cli.command("disable", "priv")
def disable(session: Ios) -> str:
    session.mode = "user"
    return ""


@cli.command("configure terminal", "priv")
def configure(session: Ios) -> str:
    session.mode = "config"
    return "Enter configuration commands, one per line.  End with CNTL/Z."


@cli.command("end", "config")
def end(session: Ios) -> str:
    session.mode = "priv"
    return ""


@cli.command("exit", "user", "config")
def leave(session: Ios) -> str:
    if session.mode in ("user", "priv"):
        raise Gone
    session.mode = "priv" if session.mode == "config" else "config"
    return ""


@cli.command("logout", "user")
def logout(session: Ios) -> str:
    raise Gone


@cli.command("terminal length LINES", "user")
def length(session: Ios, lines: Word) -> str:
    session.page = number_of(lines, 0, 512)
    return ""


@cli.command("terminal width COLUMNS", "user")
def width(session: Ios, columns: Word) -> str:
    number_of(columns, 0, 512)
    return ""


@cli.command("show privilege", "user")
def privilege(session: Ios) -> str:
    return f"Current privilege level is {1 if session.mode == 'user' else 15}"


@cli.command("show version", "user")
def version(session: Ios) -> str:
    return (
        "Cisco IOS XE Software, Version 17.03.04a\n\n"
        f"{session.device.hostname} uptime is 1 day, 2 hours\n"
        "hemostat laboratory, not a real router\n\nConfiguration register is 0x2102\n"
    )


@cli.command("show running-config", "priv")
def running(session: Ios) -> str:
    return "Building configuration...\n\n" + _whole(session, session.device.config())


@cli.command("show startup-config", "priv")
def startup(session: Ios) -> str:
    text = session.device.startup
    return f"Using {len(text)} out of 33554432 bytes\n{_whole(session, text)}"


def _whole(session: Ios, text: str) -> str:
    return f"!\nversion 17.3\n!\nhostname {session.device.hostname}\n!\n{text}!\nend\n"


@cli.command("show ip access-lists", "user")
def lists4(session: Ios) -> str:
    return _all(session, 4)


@cli.command("show ipv6 access-list", "user")
def lists6(session: Ios) -> str:
    return _all(session, 6)


@cli.command("show access-lists", "user")
def lists(session: Ios) -> str:
    return f"{_all(session, 4)}\n{_all(session, 6)}".strip("\n")


@cli.command("show ip access-lists NAME", "user")
def list4(session: Ios, name: Word) -> str:
    return _one(session, 4, name)


@cli.command("show ipv6 access-list NAME", "user")
def list6(session: Ios, name: Word) -> str:
    return _one(session, 6, name)


def _all(session: Ios, wanted: int) -> str:
    lists = session.device.lists
    return "\n".join(line for key in sorted(lists) if key[0] == wanted for line in listing(key, lists[key]))


def _one(session: Ios, wanted: int, name: str) -> str:
    # Of a list that is not there IOS says nothing at all.
    entries = session.device.lists.get((wanted, name))
    return "" if entries is None else "\n".join(listing((wanted, name), entries))


@cli.command("show ip interface", "user")
def interfaces4(session: Ios) -> str:
    return "\n".join(_interface4(session, name) for name in session.device.interfaces)


def _interface4(session: Ios, name: str) -> str:
    bound = session.device.interfaces[name].lists
    return (
        f"{name} is up, line protocol is up\n  Internet address is 192.0.2.1/24\n  MTU is 1500 bytes\n"
        f"  Outgoing access list is {bound.get((4, 'out'), 'not set')}\n"
        f"  Inbound  access list is {bound.get((4, 'in'), 'not set')}\n  Proxy ARP is enabled"
    )


@cli.command("show ipv6 interface", "user")
def interfaces6(session: Ios) -> str:
    return "\n".join(_interface6(session, name) for name in session.device.interfaces)


def _interface6(session: Ios, name: str) -> str:
    bound = session.device.interfaces[name].lists
    lists = [
        f"\n  {words} access list {bound[6, way]}"
        for way, words in (("in", "Inbound"), ("out", "Outgoing"))
        if (6, way) in bound
    ]
    return f"{name} is up, line protocol is up\n  IPv6 is enabled, link-local address is FE80::1{''.join(lists)}"


@cli.command("show ip interface NAME", "user")
def interface4(session: Ios, name: Word) -> str:
    return _interface4(session, interface_of(name))
