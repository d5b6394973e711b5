"""The laboratory's own process: the device, the relay, the C2 and the victim's init. Knows a folder and a pipe; run by lab.range.

It lives as long as its standard input: whoever started it holds the other end, so that it ends with its parent, however
that one ends. Each line on standard input is a JSON order, each answered by one line on standard output.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from lab import plan as plans
from lab.c2 import C2
from lab.device import Device, Faults
from lab.devices import load
from lab.init import Init
from lab.relay import Relay
from lab.sshd import Sshd
from tasks.model import Json

TICK = 0.2
PROVISION = """object-group network HEMOSTAT
 network-object host 192.0.2.1
access-list INSIDE_IN extended deny ip any object-group HEMOSTAT
access-list INSIDE_IN extended permit ip any any
access-group INSIDE_IN in interface inside
"""


class Laboratory:
    """Everything of one range, for one `with` block. `whole` False brings up the device alone."""

    def __init__(self, folder: Path, whole: bool) -> None:
        self.folder, self.whole = folder, whole
        self.plan = plans.load(folder)
        self.device = _device(self.plan, folder / "device.json")
        self.init = Init(folder / "victim", self.plan.environment)
        self.saved: Json = None
        self._open = ExitStack()

    def __enter__(self) -> Laboratory:
        with ExitStack() as stack:
            stack.callback(self.save)
            stack.callback(Sshd(self.device, self.plan.device, self.plan.key).close)
            if self.whole:
                stack.callback(C2(self.plan.back, self.folder / "c2.jsonl").close)
                stack.callback(Relay(self.device, self.plan.front, self.plan.back).close)
            stack.callback(self.init.stop)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def tick(self) -> None:
        if self.whole:
            self.init.tick()
        self.save()

    def save(self) -> None:
        """Keep the device's state, so that a later range brings the same device up again."""
        state = self.device.dump()
        if state == self.saved:
            return
        new = self.folder / "device.json.new"
        new.write_text(json.dumps(state, indent=1), encoding="ascii")
        new.replace(self.folder / "device.json")
        self.saved = state

    def obey(self, order: dict[str, Json]) -> Json:
        """`state`: what there is now; `faults`: what goes wrong from now on."""
        if "faults" in order:
            self.device.faults = Faults(**order["faults"])
        self.save()
        flows = [c.flow for c in self.device.conns.of()]
        return {
            "device": self.saved,
            "accounting": list(self.device.accounting),
            "connections": [[str(f.source), f.source_port, str(f.target), f.target_port] for f in flows],
            "beacons": [p.pid for p in self.init.running.values() if p.poll() is None],
        }


def _device(plan: plans.Plan, state: Path) -> Device:
    device = load("cisco_asa")(plan.username, plan.password, plan.secret)
    kept = (
        json.loads(state.read_text("ascii"))
        if state.exists()
        else {"running": PROVISION, "startup": PROVISION, "hits": {}}
    )
    device.restore(kept)
    return device


def serve(laboratory: Laboratory) -> None:
    """Tick and obey until standard input ends or the parent is another one."""
    parent = os.getppid()
    orders = selectors.DefaultSelector()
    orders.register(sys.stdin.buffer, selectors.EVENT_READ)
    laboratory.tick()
    _say({"ready": True})
    while os.getppid() == parent:
        if orders.select(TICK):
            line = sys.stdin.buffer.readline()
            if not line:
                return
            _say(laboratory.obey(json.loads(line)))
        laboratory.tick()


def _say(answer: Json) -> None:
    # The parent may be gone; then standard input says so at the next look.
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Laboratory(Path(sys.argv[1]), whole=sys.argv[2] == "whole") as laboratory:
        serve(laboratory)


if __name__ == "__main__":
    main()
