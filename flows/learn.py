"""`hemostat check --learn HOST`: the key or certificate that a host shows now, against what is known; pinned in hosts.yaml after a yes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import paramiko
from rich.console import Console

from flows import pin as pinning
from flows.console import line as styled
from tasks.cross_checks import HOSTS
from tasks.model import ConfigError
from tasks.secrets import resolve
from tasks.settings import Host, Site
from tasks.transports import ssh, ssh_keys
from tasks.transports.winrm_certificate import fingerprint


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands at the other end: `known` says how it compares, `before` is what was known. `line` is the pin, for `place` in the host.

    `compare` tells a person how to see the same on the host itself.
    """

    host: str
    at: str
    key: str
    line: str
    known: Literal["pinned", "in known_hosts", "new", "changed"]
    before: str = ""
    place: tuple[str, ...] = ("host_key",)
    compare: str = "for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done"


def look(site: Site, name: str) -> Seen:
    """Ask a host for its key, or for its certificate over WinRM. No login is tried on it, only on the jump hosts before it.

    Raises:
        ConfigError: it is reached neither over SSH nor over WinRM with TLS.
        Unreachable: no SSH or TLS server answers.
    """
    host = site.meant(name)
    if host.transport == "winrm":
        return _certificate(host)
    if host.transport not in ("ssh", "device"):
        raise ConfigError(
            f"learn the host key of {host.name}",
            f"its transport is {host.transport}",
            "only SSH has one, and WinRM a certificate",
        )
    key = ssh.shown_key(host, resolve, site)
    known, before = _compare(host, key)
    return Seen(
        host.name, f"{host.hostname} port {host.port or 22}", ssh_keys.shown(key), ssh_keys.line(key), known, before
    )


def _certificate(host: Host) -> Seen:
    shown, words = fingerprint(host)
    pinned = host.winrm.certificate_sha256.replace(":", "").lower()
    return Seen(
        host.name,
        f"{host.hostname} port {host.port or 5986}",
        f"the certificate SHA-256 {shown} ({words})",
        shown,
        "new" if not pinned else "pinned" if pinned == shown else "changed",
        pinned,
        ("winrm", "certificate_sha256"),
        "in PowerShell: Get-ChildItem Cert:\\LocalMachine\\My | % { $_.Subject; "
        "[BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($_.RawData)) }",
    )


def _compare(host: Host, key: paramiko.PKey) -> tuple[Literal["pinned", "in known_hosts", "new", "changed"], str]:
    known = ssh_keys.known(host)
    if not known:
        return "new", ""
    if known.get(key.get_name()) == key:
        return ("pinned" if host.host_key else "in known_hosts"), ""
    return "changed", ssh_keys.shown(known.get(key.get_name()) or next(iter(known.values())))


def pin(folder: Path, seen: Seen) -> None:
    """Write the pin into inventory/hosts.yaml and change no other byte of it; see flows.pin."""
    pinning.pin(folder / HOSTS, (seen.host, *seen.place), seen.line)


def show(out: Console, seen: Seen) -> None:
    """For a person: the key, what is known of it, and how to compare it."""
    out.print(styled(f"{seen.host} at {seen.at} shows {seen.key}", "bold"))
    words = {
        "pinned": ("it is the pinned one", "green"),
        "in known_hosts": ("it is the one in known_hosts; the inventory pins none", "yellow"),
        "new": ("nothing on this machine knows it yet", "yellow"),
        "changed": (f"IT HAS CHANGED. Known was {seen.before}: it was rebuilt, or someone stands between", "bold red"),
    }
    out.print(styled(*words[seen.known]))
    if seen.known == "pinned":
        return
    out.print(styled(f"compare it on the host's own console: {seen.compare}"))
    for depth, key in enumerate(seen.place):
        out.print(
            styled("    " + "  " * depth + f"{key}:" + (f" {seen.line}" if key == seen.place[-1] else "")),
            soft_wrap=True,
        )


def agreed(out: Console, seen: Seen) -> bool:
    """Ask; only the word yes is a yes, and nobody at a terminal is a no."""
    if not (out.is_terminal and sys.stdin.isatty()):
        out.print(
            styled(f"nothing was written: nobody is here to say yes. Put the line into {HOSTS} after you compared it")
        )
        return False
    change = "Replace the known key by this one" if seen.known == "changed" else "Pin it"
    out.print(styled(f"{change} in {HOSTS}? Type yes if you compared it: "), end="")
    return sys.stdin.readline().strip().lower() == "yes"
