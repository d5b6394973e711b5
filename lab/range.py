"""A range on loopback: a victim with a beacon, a firewall, a C2. Knows how to start and end it; must not know what a drill does.

All of it runs in one child process that ends when the pipe to this one does: after `stop`, an exception, Ctrl-C, SIGTERM and
SIGKILL alike nothing is left running. Everything it writes is below its folder.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from lab import c2, plan, site, victim
from lab.c2 import Message
from lab.child import Child
from lab.victim import Planted
from tasks.model import ConfigError, Json, Remote, TargetError

START = 20.0
Mode = plan.Mode


class Range:
    """One range, for one `with` block (or `start` and `stop`).

    Args:
        folder: where all of it lives; made with mode 0700, and left behind for a later `reopen`.
        mode: how the beacon talks, over one connection or one for each message.
        interval: the beacon's interval in seconds, ±20 %.
        compiler: a C compiler for the beacon; None uses a copied Python interpreter.
        lifetime: after that many seconds the beacon ends in any case.
    """

    def __init__(
        self,
        folder: Path,
        mode: Mode = "keepalive",
        interval: float = 1.0,
        compiler: str | None = "",
        lifetime: int = plan.LIFETIME,
    ) -> None:
        self.folder = folder.absolute()
        if (self.folder / plan.NAME).exists():
            raise ConfigError(f"make a range in {folder}", "there is one already", "reopen it, or name another folder")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        chosen = plan.choose(mode, interval, lifetime)
        self.plan = victim.build(self.root, chosen, victim.compiler() if compiler == "" else compiler)
        plan.save(self.plan, self.folder)
        self._whole = self._fresh = True
        self._child = Child(self.folder, START)

    @classmethod
    def reopen(cls, folder: Path, beacon: bool = False) -> Range:
        """A range that was there before: same addresses, host key and firewall configuration.

        Args:
            beacon: also bring up the C2, the relay and whatever persistence is left; else the device alone.

        Raises:
            ConfigError: the folder is no range's.
        """
        self = cls.__new__(cls)
        self.folder = folder.absolute()
        self.plan = plan.load(self.folder)
        self._whole, self._fresh, self._child = beacon, False, Child(self.folder, START)
        return self

    # --- life --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Range:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring it up; returns when the device listens and, with a beacon, the first message has arrived.

        Raises:
            TargetError: it did not come up; says what the child printed.
        """
        words = ["-m", "lab.inside", str(self.folder), "whole" if self._whole else "device"]
        try:
            self._child.start([sys.executable, *words])
            self._first_message()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; a second call does nothing."""
        self._child.stop()

    def _first_message(self) -> None:
        # In a reopened range, persistence may be off: no beacon is what a cleanup leaves behind.
        if self._fresh and not self.wait(lambda: bool(self.c2_messages()), START):
            raise TargetError(
                "start the beacon", "the C2 heard nothing", f"is {self.folder} on a file system mounted noexec?"
            )

    def _order(self, **order: Json) -> Json:
        return self._child.order(order)

    @staticmethod
    def wait(true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true, at most that long; whether it became so."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    # --- what there is -----------------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The folder that is / for the victim."""
        return self.folder / "victim"

    @property
    def remote(self) -> Remote:
        """The C2's address and port as the victim sees it."""
        return Remote(IPv4Address(self.plan.front[0]), self.plan.front[1])

    @property
    def planted(self) -> tuple[Planted, ...]:
        """What a triage should find."""
        return victim.PLANTED

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the written site's credential references name."""
        return {site.PASSWORD: self.plan.password, site.SECRET: self.plan.secret}

    def alert(self) -> bytes:
        """One line of Suricata's EVE JSON about the beacon, as a sensor writes it now."""
        flows = self._order(state=True)["connections"] if self._child.runs else []
        port = flows[0][1] if flows else 40000
        return site.alert(self.plan.victim, self.plan.front, port, datetime.now(UTC))

    def write_site(self, folder: Path) -> None:
        """Write inventory/ and playbooks/ for this range into that folder."""
        site.write(self.plan, self.root, folder)

    def c2_messages(self) -> list[Message]:
        """Every message that reached the C2, with its time; also after `stop`."""
        return c2.messages(self.folder / "c2.jsonl")

    def beacons(self) -> list[int]:
        """Process ids of the beacons that run now."""
        return list(self._order(state=True)["beacons"])

    def connections(self) -> list[list[Json]]:
        """The device's connection table now: source, port, target, port."""
        return list(self._order(state=True)["connections"])

    def device_state(self) -> Json:
        """The device's running and startup configuration and hit counts; as last kept when it is not running."""
        if self._child.runs:
            return self._order(state=True)["device"]
        return json.loads((self.folder / "device.json").read_text("ascii"))

    def accounting(self) -> list[str]:
        """Every line that the device obeyed since it came up, in its order."""
        return list(self._order(state=True)["accounting"])

    def faults(self, **faults: Json) -> None:
        """Let things go wrong on the device from now on (see lab.device.Faults); without arguments all is well again."""
        self._order(faults=faults)
