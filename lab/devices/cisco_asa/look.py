"""An ASA's modes and what can be looked at. Knows the words of each; changes no configuration."""

from __future__ import annotations

from lab.cli import Ask, Dialogue, Gone, Invalid, Word
from lab.devices.cisco_asa.box import HEAD, Asa, Box, cli, group_of, list_of
from lab.devices.cisco_asa.text import binding_lines, conn_lines, counted, group_lines, list_lines
from lab.words import address_of, number_of


@cli.command("enable", "user")
def enable(session: Asa) -> Dialogue:
    for _ in range(3):
        typed = yield Ask("Password: ", hidden=True)
        if typed == session.device.secret and not session.device.faults.wrong_enable:
            session.mode = "priv"
            return ""
        yield "Invalid password\n"
    return "Access denied."


@cli.command("login", "user")
def login(session: Asa) -> Dialogue:
    user = yield Ask("Username: ")
    password = yield Ask("Password: ", hidden=True)
    if (user, password) != (session.device.username, session.device.password):
        return "Login failed."
    session.mode = "priv"
    return ""


@cli.command("disable", "priv")
def disable(session: Asa) -> str:
    session.mode = "user"
    return ""


@cli.command("configure terminal", "priv")
def configure(session: Asa) -> str:
    session.mode = "config"
    return ""


@cli.command("end", "config")
def end(session: Asa) -> str:
    session.mode = "priv"
    return ""


@cli.command("exit", "user")
@cli.command("quit", "user")
def leave(session: Asa) -> str:
    above = {"group": "config", "config": "priv"}
    if session.mode not in above:
        session.terminal.write("\nLogoff\n\n")
        raise Gone
    session.mode = above[session.mode]
    return ""


@cli.command("logout", "user")
def logout(session: Asa) -> str:
    session.terminal.write("\nLogoff\n\n")
    raise Gone


@cli.command("terminal pager LINES", "user")
@cli.command("terminal pager lines LINES", "user")
def pager(session: Asa, lines: Word) -> str:
    session.page = number_of(lines, 0, 2147483647)
    return ""


@cli.command("terminal width COLUMNS", "config")
def width(session: Asa, columns: Word) -> str:
    if number_of(columns, 0, 511) not in (0, *range(40, 512)):
        raise Invalid(columns.column)
    return ""


@cli.command("show curpriv", "user")
def show_curpriv(session: Asa) -> str:
    level = 1 if session.mode == "user" else 15
    name = session.user if level == 1 else "enable_15"
    modes = {"user": "P_UNPR", "priv": "P_PRIV"}.get(session.mode, "P_PRIV P_CONF")
    return f"Username : {name}\nCurrent privilege level : {level}\nCurrent Mode/s : {modes}"


@cli.command("show version", "user")
def show_version(session: Asa) -> str:
    return (
        "\nCisco Adaptive Security Appliance Software Version 9.16(4)\n"
        f"\n{session.device.hostname} up\n\nHardware:   hemostat laboratory, not a real ASA\nSerial Number: 00000000000"
    )


@cli.command("show running-config", "priv")
def show_running(session: Asa) -> str:
    return _whole(session.device, session.device.config())


@cli.command("show startup-config", "priv")
def show_startup(session: Asa) -> str:
    return _whole(session.device, session.device.startup)


def _whole(device: Box, text: str) -> str:
    return f": Saved\n\n:\n{HEAD.format(host=device.hostname)}\n{text}: end"


@cli.command("show running-config object-group", "priv")
def show_groups(session: Asa) -> str:
    return "\n".join(group_lines(session.device.policy))


@cli.command("show running-config object-group id NAME", "priv")
def show_group(session: Asa, name: Word) -> str:
    return "\n".join(group_lines(session.device.policy, group_of(session, name).name))


@cli.command("show running-config access-list", "priv")
def show_running_lists(session: Asa) -> str:
    return "\n".join(list_lines(session.device.policy))


@cli.command("show running-config access-list NAME", "priv")
def show_running_list(session: Asa, name: Word) -> str:
    list_of(session, name)
    return "\n".join(list_lines(session.device.policy, name))


@cli.command("show running-config access-group", "priv")
def show_bindings(session: Asa) -> str:
    return "\n".join(binding_lines(session.device.policy))


@cli.command("show access-list", "priv")
def show_lists(session: Asa) -> str:
    head = "access-list cached ACL log flows: total 0, denied 0 (deny-flow-max 4096)\n            alert-interval 300"
    policy = session.device.policy
    return "\n".join([head, *(line for name in policy.lists for line in counted(policy, name))])


@cli.command("show access-list NAME", "priv")
def show_list(session: Asa, name: Word) -> str:
    list_of(session, name)
    return "\n".join(counted(session.device.policy, name))


@cli.command("show conn", "priv")
def show_conns(session: Asa) -> str:
    return conn_lines(session.device.conns)


@cli.command("show conn address ADDRESS", "priv")
def show_conns_of(session: Asa, address: Word) -> str:
    return conn_lines(session.device.conns, address_of(address))
