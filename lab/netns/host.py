"""One host of the range, from its first process on: network, files, services, orders. Knows its own part; must not know the others'.

It runs in namespaces of its own (lab.netns.inside makes them) and obeys JSON orders, one a line, each answered by one line.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from lab import c2
from lab.netns import enforce, frr, heartbeat, kernel, layout, root
from lab.netns.init import PATH, Init, wait
from lab.netns.plan import Plan
from lab.netns.systemd import Systemd
from lab.site import line_of
from tasks.model import Json

TICK = 0.1
PATIENCE = 30.0
SSHD = """Port 22
HostKey /etc/ssh/host_key
PidFile none
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/runner_key
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
PermitRootLogin yes
MaxStartups 200:30:400
MaxSessions 100
Subsystem sftp internal-sftp
"""
# As Debian's own: a login is a session of logind's, in a control group of its own.
BY_SYSTEMD = SSHD.replace("UsePAM no", "UsePAM yes")


class Host:
    """One host's process 1."""

    def __init__(self, plan: Plan, folder: Path, name: str) -> None:
        self.plan, self.folder, self.name = plan, folder, name
        self.root = folder / "hosts" / name
        self.init = self._init()
        self.ticks: list[Callable[[], None]] = []
        self.leave: list[Callable[[], None]] = []
        self.begin: list[Callable[[], None]] = []

    @property
    def real(self) -> bool:
        """Is its process 1 the machine's own systemd?"""
        return self.name == layout.VICTIM and self.plan.scenario.init == "systemd"

    def _init(self) -> Init | Systemd:
        return Systemd(self.root) if self.real else Init(self.root, self.name in (layout.VICTIM, layout.CONTROL))

    def up(self) -> None:
        """Network, files, services; returns when they answer."""
        kernel.batch(layout.addresses(self.name, self.plan.c2[0], kernel.speaks_ipv6()))
        STARTS[self.name](self)

    def files(self, sshd: str = SSHD) -> None:
        """The root folder with its mounts, and sshd's own configuration. A real systemd's host makes its mounts by itself."""
        if not self.real:
            root.mounted(self.root)
        ssh, keys = self.root / "etc/ssh", self.plan.keys
        for file, text in (
            ("host_key", keys[self.name]),
            ("sshd_config", sshd),
            ("runner_key", public(self.plan.login)),
        ):
            (ssh / file).write_text(text)
            (ssh / file).chmod(0o600 if file == "host_key" else 0o644)
        root.owned(self.root)

    def serve(self, channel: socket.socket) -> None:
        """Tick and obey until the channel ends."""
        orders = selectors.DefaultSelector()
        orders.register(channel, selectors.EVENT_READ)
        lines = channel.makefile("rwb")
        while True:
            if orders.select(TICK):
                line = lines.readline()
                if not line:
                    return
                lines.write(json.dumps(self.obey(json.loads(line))).encode() + b"\n")
                lines.flush()
            self.tick()

    def tick(self) -> None:
        self.init.tick()
        for tick in self.ticks:
            tick()

    def obey(self, order: dict[str, Json]) -> Json:
        """One order by its name; the answer, or what went wrong."""
        try:
            return ORDERS[order["do"]](self, order)
        except (KeyError, OSError, subprocess.SubprocessError) as error:
            return {"error": f"{type(error).__name__}: {error}"}


def public(key: str) -> str:
    """The public line of a private key in OpenSSH's format."""
    return f"{line_of(key)} hemostat@soc\n"


# --- what each host starts ---------------------------------------------------------------------------------------------


def _machine(host: Host) -> None:
    host.files(BY_SYSTEMD if host.real else SSHD)
    host.init.sshd()
    listens(layout.SSH)
    host.begin.append(host.init.boot)
    host.leave.append(host.init.leave)


def _control(host: Host) -> None:
    _machine(host)
    log = host.folder / "control.jsonl"
    for server in webs():
        host.begin.append(partial(heartbeat.started, server, log))


def _firewall(host: Host) -> None:
    _machine(host)
    if emulated := host.plan.scenario.emulated:
        device = enforce.start(host.plan, emulated, host.folder)
        host.ticks.append(device.tick)
        host.leave.append(device.save)
    else:
        nft = enforce.Nft(host.folder)
        nft.load()
        host.leave.append(nft.save)
    _forward()  # nothing passes before the rules are in force, or a connection would be there that they never saw


def _router(host: Host) -> None:
    _forward()
    host.files(f"{SSHD}ForceCommand /usr/bin/vtysh\n")
    host.init.sshd()
    if "frr" in host.plan.scenario.firewalls and isinstance(host.init, Init):
        frr.start(host.root, host.init)
    listens(layout.SSH)


def _internet(host: Host) -> None:
    c2.C2(host.plan.c2, host.folder / "c2.jsonl")
    for server in webs():
        c2.C2(server, host.folder / "web.jsonl")


def webs() -> tuple[tuple[str, int], ...]:
    """The servers that the control host talks to all the time, one of each family that there is."""
    return (layout.WEB, layout.WEB6) if kernel.speaks_ipv6() else (layout.WEB,)


STARTS: Mapping[str, Callable[[Host], None]] = {
    layout.VICTIM: _machine,
    layout.CONTROL: _control,
    layout.FIREWALL: _firewall,
    layout.ROUTER: _router,
    layout.INTERNET: _internet,
}


def _forward() -> None:
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/send_redirects"):
        with suppress(FileNotFoundError):
            (Path("/proc/sys/net") / setting).write_text("0" if "redirects" in setting else "1")


def listens(port: int) -> None:
    """Wait until the port takes connections here; OSError when it does not."""

    def taken() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    if not wait(taken, 10):
        raise OSError(f"nothing listens on port {port}")


def trickle(port: int) -> None:
    """In place of an SSH server: whoever connects gets its first line, one byte a second."""
    with socket.create_server(("", port)) as listener:
        while True:
            client, _ = listener.accept()
            kernel.forked(lambda client=client: _drop_by_drop(client))  # type: ignore[misc]
            client.close()


def _drop_by_drop(client: socket.socket) -> None:
    for byte in b"SSH-2.0-OpenSSH_9.2p1 " + b"x" * 600:
        client.sendall(bytes([byte]))
        time.sleep(1)


# --- orders ------------------------------------------------------------------------------------------------------------


def _run(host: Host, order: dict[str, Json]) -> Json:
    inside = (host.root / "etc/passwd").exists()
    ran = subprocess.run(  # noqa: S603 - a laboratory's own words, within the host's namespaces
        host.init.words(order["argv"]) if inside else order["argv"],
        input=order.get("stdin", "").encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env={"PATH": PATH, "HOME": "/root"},
        preexec_fn=host.init.enter if inside else None,
    )
    return {
        "status": ran.returncode,
        "out": ran.stdout.decode("utf-8", "replace"),
        "err": ran.stderr.decode("utf-8", "replace"),
    }


def _provoke(host: Host, order: dict[str, Json]) -> Json:
    host.init.provoke()
    return {}


def _down(host: Host, order: dict[str, Json]) -> Json:
    host.init.down()
    return {}


def _boot(host: Host, order: dict[str, Json]) -> Json:
    host.init.sshd()
    listens(layout.SSH)
    host.init.boot()
    return {}


def _trickle(host: Host, order: dict[str, Json]) -> Json:
    host.init.down()
    kernel.forked(lambda: trickle(layout.SSH))
    return {}


ORDERS: Mapping[str, Callable[[Host, dict[str, Json]], Json]] = {
    "run": _run,
    "provoke": _provoke,
    "down": _down,
    "boot": _boot,
    "trickle": _trickle,
}


def live(plan: Plan, folder: Path, name: str, channel: socket.socket) -> None:
    """A host's whole life, for process 1 of its namespaces: wait for the cables, come up, wait for the others, begin, serve."""
    kernel.ends_with_parent()
    kernel.named("lab-init")
    channel.sendall(b"{}\n")
    if not channel.recv(1):
        return
    host = Host(plan, folder, name)
    host.up()
    channel.sendall(b"{}\n")
    if not channel.recv(1):
        return
    for begin in host.begin:
        begin()
    try:
        host.serve(channel)
    finally:
        for leave in host.leave:
            leave()
        sys.stderr.flush()
