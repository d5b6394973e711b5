"""The victim's folder: a small root with a home, innocent entries, and what the attacker left. Knows files; starts nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab.plan import Plan

HOME = "/home/ops"
LAIR = f"{HOME}/.cache/.kworker"
PROGRAM = f"{LAIR}/kworker-sync"
UNIT = f"{HOME}/.config/systemd/user/kworker-sync.service"
CRON = "/etc/cron.d/kworker-sync"
PROFILE = f"{HOME}/.profile"
KEYS = f"{HOME}/.ssh/authorized_keys"
ATTACKER = "root@vps-3391"
OLD = 90 * 86400.0


@dataclass(frozen=True, slots=True)
class Planted:
    """One thing that the attacker left, as the victim names it. `line` is 1-based, 0 for the whole file.

    `kind` is `file`, or one of tasks.persistence's.
    """

    kind: str
    path: str
    line: int = 0


PLANTED = (
    Planted("file", PROGRAM),
    Planted("cron", CRON, 2),
    Planted("systemd", UNIT, 5),
    Planted("profile", PROFILE, 4),
    Planted("authorized_keys", KEYS, 2),
)
# What stands there for good reasons, and must stand there afterwards with the same content.
INNOCENT = (
    "/etc/cron.d/nightly-backup",
    f"{HOME}/.config/systemd/user/syncthing.service",
    f"{HOME}/.bashrc",
    f"{HOME}/bin/deploy.sh",
)


def build(root: Path, plan: Plan, compiler: str | None) -> Plan:
    """Make the victim's folder.

    Args:
        root: the folder that stands for /; it must not exist.
        compiler: a C compiler, or None for the copied interpreter.

    Returns:
        The plan with the environment that the beacon needs.
    """
    root.mkdir(parents=True)
    words, environment = _program(root, compiler)
    conf = f"{plan.front[0]} {plan.front[1]} {plan.victim} {plan.mode} {plan.interval} {plan.lifetime}\n"
    _put(root, f"{LAIR}/.sync.conf", conf, 0o600)
    _innocent(root)
    _persistence(root, words)
    return replace(plan, environment=environment)


def compiler() -> str | None:
    return next((path for path in map(shutil.which, ("cc", "gcc", "clang")) if path), None)


def _program(root: Path, compiler: str | None) -> tuple[str, dict[str, str]]:
    """Put the beacon in place; its command line and environment."""
    target, source = _inside(root, PROGRAM), Path(__file__).with_name("beacon.c")
    target.parent.mkdir(parents=True)
    plain = {"PATH": "/usr/bin:/bin", "HOME": HOME, "LOGNAME": "ops"}
    if compiler and _compiled(compiler, source, target):
        return PROGRAM, plain
    shutil.copyfile(Path(sys.executable).resolve(), target)
    target.chmod(0o755)
    _put(root, f"{LAIR}/.sync.py", source.with_suffix(".py").read_text("utf-8"), 0o600)
    library = str(sysconfig.get_config_var("LIBDIR") or "")
    return f"{PROGRAM} -S {LAIR}/.sync.py", plain | {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": library}


def _compiled(compiler: str, source: Path, target: Path) -> bool:
    argv = [compiler, "-O1", "-o", str(target), str(source)]
    try:
        return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False


def _innocent(root: Path) -> None:
    backup = "# nightly backup, ticket OPS-112\n30 2 * * * root /usr/local/sbin/nightly-backup --quiet\n"
    unit = "[Unit]\nDescription=Syncthing\n\n[Service]\nExecStart=/usr/bin/syncthing serve --no-browser\n\n"
    _put(root, "/etc/cron.d/nightly-backup", backup, old=True)
    _put(
        root, f"{HOME}/.config/systemd/user/syncthing.service", unit + "[Install]\nWantedBy=default.target\n", old=True
    )
    _put(root, f"{HOME}/.bashrc", "alias ll='ls -l'\nexport EDITOR=vi\n", old=True)
    _put(
        root,
        f"{HOME}/bin/deploy.sh",
        '#!/bin/sh\nexec rsync -a --delete ./site/ web1:/srv/site/ "$@"\n',
        0o755,
        old=True,
    )
    _enable(root, "syncthing.service")


def _persistence(root: Path, command: str) -> None:
    unit = f"[Unit]\nDescription=Kernel worker sync\n\n[Service]\nExecStart={command}\nRestart=always\n\n"
    profile = "# ~/.profile: executed by the login shell\numask 027\nexport LANG=C.UTF-8\n"
    keys = f"{public_key()} anna@admin1\n{public_key()} {ATTACKER}\n{public_key()} deploy@ci\n"
    cron = f"# keeps kernel workers in sync\n* * * * * ops {command} >/dev/null 2>&1\n"
    _put(root, CRON, cron)
    _put(root, UNIT, unit + "[Install]\nWantedBy=default.target\n")
    _put(root, PROFILE, f"{profile}{command} >/dev/null 2>&1 &\n")
    _put(root, KEYS, keys, 0o600)
    _enable(root, "kworker-sync.service")
    now = time.strftime("%b %d %H:%M:%S")
    _put(root, "/var/log/cron.log", f"{now} victim CRON[812]: (ops) CMD ({command} >/dev/null 2>&1)\n")
    _put(
        root,
        "/var/log/auth.log",
        f"{now} victim sshd[640]: Accepted publickey for ops from 127.66.0.1 port 50122 ssh2\n",
    )


def _enable(root: Path, unit: str) -> None:
    wants = _inside(root, f"{HOME}/.config/systemd/user/default.target.wants")
    wants.mkdir(exist_ok=True)
    (wants / unit).symlink_to(f"../{unit}")


def _put(root: Path, path: str, text: str, mode: int = 0o644, old: bool = False) -> None:
    file = _inside(root, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    if old:
        then = time.time() - OLD
        os.utime(file, (then, then))


def _inside(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def public_key() -> str:
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
