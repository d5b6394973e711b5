"""How a host is reached, beyond address and login: the options of SSH and of WinRM. Knows the standard library only; opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tasks.limits import CertificatePin, HostNames, KeyFile, Reference

STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Ssh:
    """The options of transport ssh. The host key is the host's `host_key`, else the user's known_hosts; an unknown one is refused.

    `jump` are inventory names, the hop that the runner reaches by itself first. `sudo` says how the login becomes root: not at all, by
    sudo without a password, or with one (`sudo_password`, or the login's own when that is left out), which goes by stdin. `passphrase`
    opens the private key. `agent` lets the user's SSH agent log in. `sudo_password` and `passphrase` are references.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    jump: HostNames = ()
    sudo: Literal["none", "nopasswd", "password"] = "none"
    sudo_password: Reference = ""
    passphrase: Reference = ""
    agent: bool = False


@dataclass(frozen=True, slots=True)
class Winrm:
    """The options of transport winrm. Port 5986 with `tls`, else 5985, where messages are sealed by the login (MS-WSMV 2.2.9.1).

    `basic` and `certificate` need `tls`. The server's certificate is verified against `ca` (a PEM file; empty: the system's) unless
    `certificate_sha256` pins it. `client_certificate` and `client_key` are PEM files for `certificate`. `procdump` is the path, on the
    host, of a procdump that you put there; without one no process's memory is copied, whatever the playbook says.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    auth: Literal["ntlm", "kerberos", "certificate", "basic", "credssp"] = "ntlm"
    tls: bool = True
    certificate_sha256: CertificatePin = ""
    ca: KeyFile = ""
    client_certificate: KeyFile = ""
    client_key: KeyFile = ""
    procdump: str = ""
