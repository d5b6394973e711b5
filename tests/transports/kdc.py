"""A Kerberos realm of its own for tests: MIT's KDC on loopback, in one folder, without root's files. Knows no WinRM.

Sources: kdc.conf(5), krb5.conf(5), kdb5_util(8), kadmin(1). Everything is written below the folder that is given.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

PATH = os.defpath + ":/usr/sbin:/sbin:/usr/local/sbin"
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")


def missing() -> tuple[str, ...]:
    """MIT's programs that this machine lacks: Debian's krb5-kdc, krb5-admin-server and krb5-user have them."""
    return tuple(program for program in PROGRAMS if not shutil.which(program, path=PATH))


class Kdc:
    """A realm that runs until `close`.

    Args:
        folder: where its database, its configuration and its keytabs go.
        realm: its name.

    `config` is for the environment's KRB5_CONFIG, in whoever takes tickets from it.
    """

    def __init__(self, folder: Path, realm: str = "LAB.TEST") -> None:
        self.folder, self.realm, self.port = folder, realm, _free_port()
        self.config = folder / "krb5.conf"
        self.write(self.config)
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {realm} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n"
            f"  acl_file = {folder}/acl\n  max_renewable_life = 1d\n }}\n"
        )
        self._run("kdb5_util", "-r", realm, "create", "-s", "-P", secrets.token_urlsafe(18))
        self._daemon: subprocess.Popen[bytes] | None = None
        self.open()

    @property
    def environment(self) -> dict[str, str]:
        """For a program of this realm."""
        own = {"KRB5_CONFIG": str(self.config), "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"), "PATH": PATH}
        return {**os.environ, **own, "LC_ALL": "C"}

    def write(self, file: Path, skew: int = 300) -> None:
        """A krb5.conf for this realm; it asks no DNS. `skew`: how many seconds clocks may differ."""
        file.write_text(
            f"[libdefaults]\n default_realm = {self.realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            f" dns_canonicalize_hostname = false\n rdns = false\n clockskew = {skew}\n udp_preference_limit = 1\n"
            f" default_ccache_name = FILE:{self.folder}/default_cc\n"
            f"[realms]\n {self.realm} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n"
            f"[domain_realm]\n .{self.realm.lower()} = {self.realm}\n {self.realm.lower()} = {self.realm}\n"
        )

    def user(self, name: str, password: str, *options: str) -> str:
        """A new principal with that password; its full name."""
        self._run("kadmin.local", "-r", self.realm, "addprinc", *options, "-pw", password, name)
        return f"{name}@{self.realm}"

    def service(self, *names: str) -> Path:
        """A new keytab with the keys of these services, as `HTTP/win-1.lab.test`."""
        keytab = self.folder / f"{secrets.token_hex(4)}.keytab"
        for name in names:
            self._run("kadmin.local", "-r", self.realm, "addprinc", "-randkey", name)
            self._run("kadmin.local", "-r", self.realm, "ktadd", "-k", str(keytab), name)
        return keytab

    def ticket(self, principal: str, password: str, *options: str) -> Path:
        """A new ticket cache with that user's ticket."""
        cache = self.folder / f"{secrets.token_hex(4)}.ccache"
        self._run("kinit", *options, "-c", f"FILE:{cache}", principal, stdin=f"{password}\n")
        return cache

    def open(self) -> None:
        """Start the daemon, and wait until it listens."""
        words = [_program("krb5kdc"), "-n", "-r", self.realm, "-P", str(self.folder / "pid")]
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(words, env=self.environment, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while not _listens(self.port):
            if self._daemon.poll() is not None or time.monotonic() > until:
                self.close()
                raise RuntimeError(
                    f"krb5kdc does not listen: {(self.folder / 'log').read_text(errors='replace')[-500:]}"
                )
            time.sleep(0.05)

    def close(self) -> None:
        """End the daemon."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(10)
            self._daemon = None

    def _run(self, program: str, *words: str, stdin: str = "") -> None:
        ran = subprocess.run(
            [_program(program), *words], env=self.environment, input=stdin, capture_output=True, text=True, timeout=60
        )
        if ran.returncode:
            raise RuntimeError(f"{program} {words[0]}: {ran.stderr.strip()}")


def _program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        raise RuntimeError(f"there is no {name}: apt-get install krb5-kdc krb5-admin-server krb5-user")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
