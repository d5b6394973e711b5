"""A host's root folder: own /etc, /home, /root, /tmp and /var, the machine's programs read-only. Knows paths; must not know the network.

Nothing of the machine can be changed through it: /usr and dpkg's database are bound read-only, /etc is a copy without the machine's
keys, passwords, units and cron tables, all else begins empty. It stays on the disk, so that a range comes up again as it was left.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from lab.netns import kernel

PROGRAMS = ("usr", "bin", "sbin", "lib", "lib64", "lib32", "libx32")
FOLDERS = (
    "dev", "etc", "home/ops", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr/local", "var/cache", "var/lib", "var/log",
    "var/spool/cron/crontabs", "var/spool/cron/atjobs", "var/tmp",
)  # fmt: skip
# What of the machine's /etc is its own business, or would start something in the range.
PRIVATE = (
    "shadow", "shadow-", "gshadow", "gshadow-", "sudoers.d", "ssl/private", "ssh", "systemd/system", "systemd/user", "cron.d", "crontab",
    "hostname", "hosts", "resolv.conf", "rc.local", "ld.so.preload", "update-motd.d", "machine-id", "subuid", "subgid", "frr", "apt",
)  # fmt: skip
ROUTERS = ("pam.d/frr", "init.d/frr", "logrotate.d/frr")  # a victim is no router
NEEDED = tuple(
    f"/etc/{name}" for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives",
    "pam.d", "security", "login.defs", "profile", "bash.bashrc", "services", "protocols", "localtime", "netconfig")
)  # fmt: skip
LOCAL = ("bin", "sbin", "lib", "share")
VAULT = "var/lib/hemostat"
SETUID = {"usr/bin/sudo": 0o4755, "usr/libexec/sudo": 0o755, "usr/lib/sudo": 0o755}
NODES = ("null", "zero", "full", "random", "urandom", "tty")
SUDOERS = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
STICKY = 0o1777
OPS, ADMIN = 1000, 1001


def build(root: Path, name: str, password: str, whole: bool) -> None:
    """Make a clean host's folder.

    Args:
        root: it must not exist.
        name: the host's own name.
        password: of the login `hemostat`, for sudo.
        whole: with all of the machine's /etc that is no private matter; else with what a login needs.
    """
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        _program(root, program)
    for local in LOCAL:
        (root / "usr/local" / local).mkdir()
    for folder, mode in (("tmp", STICKY), ("var/tmp", STICKY), ("root", 0o700), ("var/spool/cron/crontabs", 0o1730)):
        (root / folder).chmod(mode)
    (root / "var/run").symlink_to("/run")
    (root / "var/lock").symlink_to("/run/lock")
    _etc(root / "etc", name, whole)
    _people(root, password)


def _program(root: Path, name: str) -> None:
    """A link as the machine has it, else a folder to bind the machine's upon."""
    here = Path("/") / name
    if here.is_symlink():
        (root / name).symlink_to(here.readlink())
    elif here.is_dir():
        (root / name).mkdir(exist_ok=True)


def _etc(etc: Path, name: str, whole: bool) -> None:
    # cp is three times as fast as shutil here; what only root may read is left out where we are not root.
    wanted = ["/etc/."] if whole else [path for path in NEEDED if Path(path).exists()]
    subprocess.run(["cp", "-a", *wanted, str(etc)], capture_output=True, check=False)  # noqa: S603, S607
    for private in (*PRIVATE, *ROUTERS) if whole else PRIVATE:
        path = etc / private
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    for folder in (
        "cron.d",
        "systemd/system",
        "systemd/user",
        "ssh",
        "sudoers.d",
        "update-motd.d",
        "udev/rules.d",
        "profile.d",
    ):
        (etc / folder).mkdir(parents=True, exist_ok=True)
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")


def _people(root: Path, password: str) -> None:
    """root, the system's own, `ops` who works here, and `hemostat` whom the runner may log in as."""
    etc = root / "etc"
    people = {OPS: "ops", ADMIN: "hemostat"}
    for file, line in (("passwd", "{0}:x:{1}:{1}::/home/{0}:/bin/bash"), ("group", "{0}:x:{1}:")):
        kept = [
            row for row in (etc / file).read_text().splitlines() if int(row.split(":")[2]) < OPS or "nogroup" in row
        ]
        (etc / file).write_text("\n".join([*kept, *(line.format(name, uid) for uid, name in people.items())]) + "\n")
    names = [row.split(":")[0] for row in (etc / "passwd").read_text().splitlines()]
    secrets = {"hemostat": _crypt(password)}
    (etc / "shadow").write_text("".join(f"{name}:{secrets.get(name, '*')}:19700:0:99999:7:::\n" for name in names))
    (etc / "shadow").chmod(0o600)
    (etc / "sudoers").unlink(missing_ok=True)  # the machine's own is its own business, and not everybody may read it
    (etc / "sudoers").write_text(SUDOERS)
    (etc / "sudoers").chmod(0o440)
    for name in people.values():
        (root / "home" / name).mkdir(exist_ok=True)


def _crypt(password: str) -> str:
    """crypt(3) with SHA-512, as shadow(5) holds it; "*" (no password at all) where there is no libcrypt."""
    try:
        crypt = ctypes.CDLL("libcrypt.so.1").crypt
    except OSError:
        return "*"
    crypt.restype = ctypes.c_char_p
    made = crypt(password.encode(), b"$6$hemostatlab$")
    return str(made.decode()) if made else "*"


def owned(root: Path) -> None:
    """Give every home, and each login's cron table, to its owner; for a process that may (root, or in a user namespace)."""
    for uid, name in ((OPS, "ops"), (ADMIN, "hemostat")):
        home = root / "home" / name
        for path in (home, *home.rglob("*"), *(root / "var/spool/cron/crontabs").glob(name)):
            os.chown(path, uid, uid, follow_symlinks=False)


def mounted(root: Path) -> None:
    """Put the machine's programs and fresh /proc, /sys, /dev and /run in place; for a process in mount and PID namespaces of its own."""
    kernel.mount("none", Path("/"), flags=kernel.REC | kernel.PRIVATE)
    kernel.bind(
        root, root
    )  # / of a host is a mount point, also where somebody there makes a mount namespace of his own
    kernel.bind(root / "usr/local", root / "mnt")  # /usr is about to cover it
    for name in PROGRAMS:
        if (root / name).is_dir() and not (root / name).is_symlink():
            kernel.bind(Path("/") / name, root / name, read_only=True)
    kernel.bind(root / "mnt", root / "usr/local")
    _packages(root)
    _own_sudo(root)
    kernel.mount("proc", root / "proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    kernel.mount("sysfs", root / "sys", "sysfs", kernel.RDONLY | kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    kernel.mount("tmpfs", root / "run", "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=755")
    _dev(root / "dev")
    for folder in ("run/sshd", "run/lock", "run/frr"):
        (root / folder).mkdir()


def released(root: Path) -> None:
    """Take the immutable flag off what hemostat locked away there: whoever made the range must be able to delete its folder."""
    if (root / VAULT).is_dir() and shutil.which("chattr"):
        subprocess.run(["chattr", "-R", "-i", str(root / VAULT)], capture_output=True, check=False)  # noqa: S603, S607


def _own_sudo(root: Path) -> None:
    """In a user namespace the machine's root is nobody, and sudo wants its files to be root's: a copy is."""
    for name, mode in SETUID.items():
        there, copy = Path("/") / name, root.with_name(f"{root.name}.sudo") / name
        if not there.exists() or there.stat().st_uid == 0:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(there, copy, dirs_exist_ok=True) if there.is_dir() else shutil.copyfile(there, copy)
        copy.chmod(mode)
        kernel.bind(copy, root / name)


def _packages(root: Path) -> None:
    """dpkg's database, for whoever verifies a package there."""
    database = Path("/var/lib/dpkg")
    if database.is_dir():
        (root / "var/lib/dpkg").mkdir(exist_ok=True)
        kernel.bind(database, root / "var/lib/dpkg", read_only=True)


def _dev(dev: Path) -> None:
    kernel.mount("tmpfs", dev, "tmpfs", kernel.NOSUID, "mode=755")
    for node in NODES:
        (dev / node).touch()
        kernel.bind(Path("/dev") / node, dev / node)
    for folder in ("pts", "shm"):
        (dev / folder).mkdir()
    kernel.mount("devpts", dev / "pts", "devpts", kernel.NOSUID | kernel.NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    kernel.mount("tmpfs", dev / "shm", "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=1777")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "fd").symlink_to("/proc/self/fd")
