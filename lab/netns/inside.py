"""The range's own process: makes the hosts and their cables, relays orders, ends with its pipe. Knows namespaces; run by lab.netns.range.

It is the first process of a PID namespace, and all hosts' namespaces hang on it: when it ends, for whatever reason, the kernel ends
every process of the range, and with them networks and mounts go. So nothing is left that a next start would have to clean.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from lab.netns import cgroups, host, kernel, layout, plan
from tasks.model import Json

SPACES = kernel.NEWNS | kernel.NEWNET | kernel.NEWUTS | kernel.NEWIPC


class Hosts:
    """The hosts' first processes and the lines to them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plan = folder, plan.load(folder)
        self.channels: dict[str, socket.socket] = {}
        pids = {name: self._made(name) for name in layout.HOSTS}
        self.lines = {name: channel.makefile("rb") for name, channel in self.channels.items()}
        self._all_said("make its namespaces")
        kernel.batch([*layout.cables(pids), *layout.addresses(layout.SOC, ipv6=kernel.speaks_ipv6())])
        self._go_on()
        self._all_said("come up")
        self._go_on()  # only now does anybody talk: a message that finds no way yet would count as lost

    def _made(self, name: str) -> int:
        """A host's first process; its id."""
        self.channels[name], theirs = socket.socketpair()
        pid = kernel.init_of_new(SPACES, lambda: self._live(name, theirs))
        theirs.close()
        return pid

    def _live(self, name: str, theirs: socket.socket) -> None:
        for channel in self.channels.values():
            channel.close()
        socket.sethostname(name)
        host.live(self.plan, self.folder, name, theirs)

    def _go_on(self) -> None:
        for channel in self.channels.values():
            channel.sendall(b"\n")

    def _all_said(self, what: str) -> None:
        for name, line in self.lines.items():
            if not line.readline():
                raise OSError(f"{name} did not {what}; what it said stands above")

    def ask(self, order: dict[str, Json]) -> Json:
        """Pass an order to its host; the answer."""
        name = order["host"]
        try:
            self.channels[name].sendall(json.dumps(order).encode() + b"\n")
            return json.loads(self.lines[name].readline() or b'{"error": "the host is gone"}')
        except OSError as error:
            return {"error": f"the host is gone: {error}"}

    def leave(self) -> None:
        """Let every host save what it keeps, then end."""
        for name, channel in self.channels.items():
            self.lines[name].close()
            channel.close()
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def serve(folder: Path) -> None:
    """Bring the hosts up, say so, then relay until standard input ends."""
    kernel.ends_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    kernel.mount("none", Path("/"), flags=kernel.REC | kernel.PRIVATE)
    hosts = Hosts(folder)
    _say({"ready": True})
    orders = selectors.DefaultSelector()
    orders.register(sys.stdin.buffer, selectors.EVENT_READ)
    while True:
        orders.select()
        line = sys.stdin.buffer.readline()
        if not line:
            return hosts.leave()
        _say(hosts.ask(json.loads(line)))


def _say(answer: Json) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    """soc's network is this process's own, so that whoever started it can enter by its id."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel.unshare(kernel.NEWNET)
    pid = kernel.init_of_new(kernel.NEWNS, lambda: serve(Path(sys.argv[1])), back=False)
    os.close(0)
    _, status = os.waitpid(pid, 0)
    cgroups.sweep()
    sys.exit(os.waitstatus_to_exitcode(status) and 1)


if __name__ == "__main__":
    main()
