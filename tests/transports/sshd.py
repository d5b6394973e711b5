"""Real OpenSSH servers in mount namespaces of their own: own users, shadow file, sudoers and `sh`. Nothing of the machine's changes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tasks.settings import Host
from tasks.ways import Ssh
from tests.patience import BUSY, until

SHELLS = ("dash", "busybox", "bash")
PASSWORD = "correct horse"
NEEDS = ("sshd", "ssh-keygen", "sudo", "unshare", "openssl", "dash", "busybox", "bash")
# The tools of scripts/*.sh, so that the busybox host is one through and through.
TOOLS = "cat cp chmod chown dd env head id ls mkdir mount mv openssl ps readlink rm sha256sum sh sleep stat sync touch tr unshare"
USERS = {"root": 0, "ada": 41001, "bob": 41002, "eve": 41003, "tty": 41004, "none": 41005}
SUDOERS = """Defaults lecture=always, passwd_tries=3
Defaults:tty requiretty
ada ALL=(ALL) ALL
bob ALL=(ALL) NOPASSWD: ALL
tty ALL=(ALL) NOPASSWD: ALL
root ALL=(ALL) ALL
"""
CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PasswordAuthentication yes
PermitRootLogin yes
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 200:30:400
{more}
"""
# The password's crypt is made by openssl; the login shell of `none` lets nobody run anything.
SETUP = """set -eu
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/shadow /etc/shadow
mount --bind {folder}/sudoers /etc/sudoers
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/sudo
{shell}
{setup}
exec /usr/sbin/sshd -D -e -f {folder}/sshd_config
"""


def missing() -> str:
    """Why such a server cannot run here; empty if it can."""
    if os.geteuid() != 0:
        return "a server with its own users needs root for a mount namespace"
    gone = [name for name in NEEDS if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if gone:
        return f"needs {', '.join(gone)}: see .ci/run"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"no mount namespace here: {tried.stderr.strip()}" if tried.returncode else ""


def free_port() -> int:
    """A port on loopback that is free now, and that the kernel gives to nobody by itself until a server is up on it."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", random.randrange(lowest // 2, lowest)))
            return int(sock.getsockname()[1])


def new_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A private key file as ssh-keygen makes it."""
    words = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


@dataclass
class Server:
    """One running sshd. `shell` is what `sh` is on that host; `more` are further lines of sshd_config; `boot` is the id of its boot,
    `setup` what is done in its mount namespace before it starts.
    """

    folder: Path
    shell: str = "dash"
    more: str = ""
    kind: str = "ed25519"
    boot: str = ""
    setup: str = ""
    port: int = field(default_factory=free_port)

    def __enter__(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        new_key(self.folder / "host_key", self.kind)
        if not (self.folder / "login_key").exists():
            new_key(self.folder / "login_key")
        shutil.copy(self.folder / "login_key.pub", self.folder / "authorized_keys")
        self._accounts()
        (self.folder / "sshd_config").write_text(CONFIG.format(port=self.port, folder=self.folder, more=self.more))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait for its own word that it listens: a connection made to find out would have children that hold its port."""
        script = SETUP.format(folder=self.folder, shell=self._mounts(), setup=self.setup)
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.process.poll() is not None or "Server listening" in self._said(), 10)
        assert self.process.poll() is None and "Server listening" in self._said(), f"sshd did not start: {self._said()}"

    def stop(self) -> None:
        """End the listener; sessions end with their connections."""
        self.process.terminate()
        self.process.wait(10 * BUSY)

    def end_sessions(self) -> None:
        """Cut every connection to it, as a crash of the host would."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                here = process.name() == "sshd" and any(
                    c.laddr and c.laddr.port == self.port and c.status == "ESTABLISHED"
                    for c in process.net_connections()
                )
                if here:
                    process.kill()

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _accounts(self) -> None:
        crypt = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
        ).stdout.strip()
        passwd, shadow = ["sshd:x:100:65534::/run/sshd:/usr/sbin/nologin"], ["sshd:*:19000:0:99999:7:::"]
        for name, uid in USERS.items():
            home = self.folder / "home" / name
            home.mkdir(parents=True, exist_ok=True)
            os.chown(home, uid, uid)
            shell = "/usr/sbin/nologin" if name == "none" else "/bin/sh"
            passwd.append(f"{name}:x:{uid}:{uid}::{home}:{shell}")
            shadow.append(f"{name}:{crypt}:19000:0:99999:7:::")
        (self.folder / "passwd").write_text("\n".join(passwd) + "\n")
        (self.folder / "shadow").write_text("\n".join(shadow) + "\n")
        (self.folder / "shadow").chmod(0o600)
        (self.folder / "sudoers").write_text(SUDOERS)
        (self.folder / "sudoers").chmod(0o440)

    def _mounts(self) -> str:
        if not self.boot:
            return self._shell()
        known = self.folder / "boot_id"
        if not known.exists():
            known.write_text(f"{self.boot}\n")
        return f"{self._shell()}\nmount --bind {known} /proc/sys/kernel/random/boot_id"

    def _shell(self) -> str:
        if self.shell == "dash":
            return "mount --bind /usr/bin/dash /bin/sh"
        if self.shell == "bash":
            return "mount --bind /usr/bin/bash /bin/sh"
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        known = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
        for name in set(known) & set(TOOLS.split()):
            (tools / name).unlink(missing_ok=True)
            (tools / name).symlink_to("/usr/bin/busybox")
        for name in ("sshd", "nologin"):
            shutil.copy(f"/usr/sbin/{name}", tools / name)
        # /usr/sbin is first in the session's PATH.
        return f"mount --bind {tools} /usr/sbin\nmount --bind /usr/bin/busybox /bin/sh"

    @property
    def host_key(self) -> str:
        """The line that pins it."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def host(self, user: str = "root", name: str = "victim", ssh: Ssh | None = None, **more: object) -> Host:
        """Its inventory entry: a login by key, its host key pinned."""
        fields: dict[str, object] = {
            "hostname": "127.0.0.1",
            "platform": "linux",
            "transport": "ssh",
            "port": self.port,
            "username": user,
            "key": str(self.folder / "login_key"),
            "host_key": self.host_key,
            "timeout": 5.0 * BUSY,
            "ssh": ssh or Ssh(),
        }
        return Host(name, **(fields | more))  # type: ignore[arg-type]


def fingerprint(path: Path) -> str:
    """The SHA256 fingerprint as ssh-keygen prints it."""
    shown = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True, check=True).stdout
    return next(word for word in shown.split() if word.startswith("SHA256:"))


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server]]:
    """One real sshd for each shell that is asked for, for all tests; skips where none can run."""
    if reason := missing():
        pytest.skip(reason)
    # Not below pytest's own folder, which only this user may enter: the host's users read their keys here.
    folder = Path(tempfile.mkdtemp(prefix="hemostat-sshd-"))
    folder.chmod(0o755)
    running: dict[str, Server] = {}

    def server(shell: str) -> Server:
        if shell not in running:
            running[shell] = Server(folder / shell, shell).__enter__()
        return running[shell]

    yield server
    for one in running.values():
        one.stop()
    shutil.rmtree(folder)
