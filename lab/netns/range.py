"""A range of real hosts in namespaces: started, entered, asked, ended. Knows its process and its folder; must not know what a drill does.

The same as lab.range.Range to a drill. The runner's own thread enters the range's network (soc) for as long as the range stands, so
that hemostat reaches the hosts by their addresses, over SSH, as on a real site.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from lab import c2
from lab import range as loopback
from lab import site as sites
from lab.c2 import Message
from lab.child import Child
from lab.netns import frr, heartbeat, kernel, layout, plan, plant, root, site, systemd
from lab.netns.scenario import Scenario
from lab.victim import Planted
from tasks.model import ConfigError, Json, Remote, TargetError

START = 20.0
ANSWERS = 2 * START
PROGRAMS = ("ip", "nft", "conntrack", "/usr/sbin/sshd", "gcc")


class Range:
    """One range, for one `with` block (or `start` and `stop`).

    Args:
        folder: where all of it lives; made with mode 0700, and left behind for a later `reopen`.
        scenario: what happened there.
    """

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder.absolute()
        if (self.folder / plan.NAME).exists():
            raise ConfigError(f"make a range in {folder}", "there is one already", "reopen it, or name another folder")
        if why := missing(scenario):
            raise ConfigError("make a range in namespaces", why, "see `hemostat drill --range netns --explain`")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.plan = self._built(scenario)
        self._child = Child(self.folder, ANSWERS)
        self._home = -1
        self._fresh = True

    @classmethod
    def reopen(cls, folder: Path) -> Range:
        """A range that was there before: the same keys, files and firewall lists. What the entries still start, starts again.

        Raises:
            ConfigError: the folder is no range's.
        """
        self = cls.__new__(cls)
        self.folder = folder.absolute()
        self.plan = plan.load(self.folder)
        self._child, self._home, self._fresh = Child(self.folder, ANSWERS), -1, False
        return self

    def _built(self, scenario: Scenario) -> plan.Plan:
        fresh = plan.fresh(scenario, layout.HOSTS)
        hosts = self.folder / "hosts"
        for name in layout.HOSTS[:-1]:
            root.build(hosts / name, name, fresh.password, whole=name in (layout.VICTIM, layout.CONTROL))
        for name in (layout.VICTIM, layout.CONTROL):
            plant.innocent(hosts / name)
        if scenario.init == "systemd":
            systemd.prepare(hosts / layout.VICTIM)
        made = replace(fresh, planted=plant.infect(hosts / layout.VICTIM, scenario, fresh.c2))
        plan.save(made, self.folder)
        self.key.touch(mode=0o600)
        self.key.write_text(made.login)
        if scenario.login != "root":
            word = "NOPASSWD: " if scenario.login == "sudo" else ""
            rule = hosts / layout.VICTIM / "etc/sudoers.d/hemostat"
            rule.write_text(f"hemostat ALL=(ALL) {word}ALL\n")
            rule.chmod(0o440)
        return made

    # --- life --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Range:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring it up and enter its network; returns when every host answers and, in a new one, the beacon called home.

        Raises:
            TargetError: it did not come up; says what it printed.
        """
        try:
            self._child.start([*_as_root(), sys.executable, "-m", "lab.netns.inside", str(self.folder)])
            self._enter(self._child.pid)
            self._first_message()
        except BaseException:
            self.stop()
            raise

    def _enter(self, pid: int) -> None:
        if os.geteuid() != 0:
            _join(pid, "user", kernel.NEWUSER)
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _join(pid, "net", kernel.NEWNET)

    def _first_message(self) -> None:
        wanted = self._fresh and self.plan.scenario.beacon != "none"
        if wanted and not loopback.Range.wait(lambda: bool(self.c2_messages()), START):
            raise TargetError("start the beacon", "the C2 heard nothing", f"see {self._child.log}")

    def stop(self) -> None:
        """Leave its network and end everything; a second call does nothing."""
        if self._home >= 0:
            with suppress(PermissionError):  # a process that entered a user namespace cannot go back; it ends soon
                kernel.setns(self._home, kernel.NEWNET)
            os.close(self._home)
            self._home = -1
        self._child.stop()

    # --- orders ------------------------------------------------------------------------------------------------------

    def order(self, host: str, do: str, **more: Json) -> Json:
        """Say an order to a host's first process (lab.netns.host.ORDERS); its answer."""
        return self._child.order({"host": host, "do": do, **more})

    def run(self, host: str, *argv: str, stdin: str = "") -> str:
        """Run a program on a host, from within; its standard output. TargetError when it fails."""
        ran = self.order(host, "run", argv=list(argv), stdin=stdin)
        if ran["status"]:
            raise TargetError(
                f"run {' '.join(argv)} on {host}", f"status {ran['status']}: {ran['err'].strip()}", "look at it by hand"
            )
        return str(ran["out"])

    # --- what there is -----------------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The folder that is / for the runner on the victim: it reaches it over SSH, so / itself."""
        return Path("/")

    def inside(self, path: str, host: str = layout.VICTIM) -> Path:
        """A host's file as it stands on this machine."""
        return self.folder / "hosts" / host / path.lstrip("/")

    @property
    def key(self) -> Path:
        """The file of the runner's private key."""
        return self.folder / "runner_key"

    @property
    def remote(self) -> Remote:
        """The C2's address and port."""
        return Remote(ip_address(self.plan.c2[0]), self.plan.c2[1])

    @property
    def planted(self) -> tuple[Planted, ...]:
        """What a triage should find."""
        return self.plan.planted

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the written site's credential references name."""
        return {sites.PASSWORD: self.plan.password, sites.SECRET: self.plan.secret}

    def alert(self) -> bytes:
        """One line of Suricata's EVE JSON about the beacon, as a sensor writes it now."""
        victim = layout.address(layout.VICTIM, self.plan.scenario.remote)
        return sites.alert(victim, self.plan.c2, 40000, datetime.now(UTC))

    def write_site(self, folder: Path) -> None:
        """Write inventory/ and playbooks/ for this range into that folder."""
        site.write(self.plan, self.key, folder)

    def c2_messages(self) -> list[Message]:
        """Every message that reached the C2, with its time; also after `stop`."""
        return c2.messages(self.folder / "c2.jsonl")

    def control(self) -> tuple[int, int]:
        """How many messages the control host sent, and how many had no answer."""
        return heartbeat.lost(self.folder / "control.jsonl")


def _join(pid: int, name: str, kind: int) -> None:
    handle = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    kernel.setns(handle, kind)
    os.close(handle)


def _as_root() -> list[str]:
    """Nothing for root; for anyone else, the words that make a user namespace with all of the user's subordinate ids."""
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-auto", "--map-root-user", "--"]


def missing(scenario: Scenario | None = None) -> str:
    """Why no range in namespaces can be made here, in words with what to do; or nothing."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    if absent:
        return f"{', '.join(absent)} not found: install Debian's iproute2, nftables, conntrack, openssh-server and gcc"
    if scenario and "frr" in scenario.firewalls and frr.missing():
        return frr.missing()
    if scenario and "ipv6" in (scenario.remote, scenario.path) and not kernel.speaks_ipv6():
        return "this kernel has no IPv6: start it without ipv6.disable=1"
    if scenario and scenario.init == "systemd" and (why := systemd.missing()):
        return why
    words = [*_as_root(), "unshare", "-n", "-m", "-p", "--fork", "true"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if tried.returncode == 0:
        return ""
    who = (
        "not even root may make namespaces here"
        if os.geteuid() == 0
        else "you are not root, and this machine lets no one else make them"
    )
    return f"{who}: {tried.stderr.strip()[-200:]}"
