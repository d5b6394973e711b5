"""Whose key is whose: the host key that is expected, the one that is shown, and the login's own. Knows key files; opens no connection."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import paramiko

from tasks.model import ConfigError, Unreachable
from tasks.settings import Host

Resolve = Callable[[str], str]
_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class UnknownHostKey(Exception):
    """Nothing on the runner says whose key this is."""

    def __init__(self, key: paramiko.PKey) -> None:
        self.key = key
        super().__init__("the host key is not known")


class Strict(paramiko.MissingHostKeyPolicy):
    """A host key that nothing knows is refused, and kept for the message."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        raise UnknownHostKey(key)


def known_hosts_name(host: Host) -> str:
    """How OpenSSH and paramiko name a host in known_hosts: [host]:port unless the port is 22."""
    port = host.port or 22
    return host.hostname if port == 22 else f"[{host.hostname}]:{port}"


def pinned_key(host: Host) -> paramiko.PKey:
    """The public key that the inventory pins.

    Raises:
        ConfigError: the pin is not a line as ssh-keyscan prints it, without the host.
    """
    kind, _, blob = host.host_key.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(blob.split()[0], validate=True))
    except (IndexError, binascii.Error, paramiko.SSHException, ValueError):
        raise ConfigError(
            f"the host_key of {host.name} is not a public key",
            do="put in `ssh-keyscan`'s line without the host: ssh-ed25519 AAAA…",
        ) from None


def line(key: paramiko.PKey) -> str:
    """A public key as the inventory's host_key writes it."""
    return f"{key.get_name()} {key.get_base64()}"


def shown(key: paramiko.PKey) -> str:
    """A public key as people compare it: its type and SHA256 fingerprint, as `ssh-keygen -lf` prints that (RFC 4648, no padding)."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode("ascii").rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def trust(client: paramiko.SSHClient, host: Host) -> None:
    """Let the client accept the pinned key alone, or without a pin what the user's known_hosts says; nothing else."""
    client.set_missing_host_key_policy(Strict())
    if host.host_key:
        pin = pinned_key(host)
        client.get_host_keys().add(known_hosts_name(host), pin.get_name(), pin)
    else:
        client.load_system_host_keys()


def known(host: Host) -> dict[str, paramiko.PKey]:
    """The keys by type that are known of a host: the pinned one, or without a pin what the user's known_hosts has."""
    if host.host_key:
        pin = pinned_key(host)
        return {pin.get_name(): pin}
    file = paramiko.HostKeys()
    with contextlib.suppress(OSError):
        file.load(str(Path("~/.ssh/known_hosts").expanduser()))
    return dict(file.lookup(known_hosts_name(host)) or {})


def changed(host: Host, got: paramiko.PKey, expected: paramiko.PKey) -> Unreachable:
    """The error of a host that shows another key than the known one."""
    source = "the pinned one" if host.host_key else "the one in known_hosts"
    return Unreachable(
        f"log in to {host.name} at {host.hostname}",
        f"its host key is not {source}: it shows {shown(got)}, known is {shown(expected)}",
        f"if it was rebuilt, pin the new key: `hemostat check --learn {host.name}`; if not, someone stands between",
    )


def unknown(host: Host, got: paramiko.PKey) -> Unreachable:
    """The error of a host whose key nothing on the runner knows."""
    return Unreachable(
        f"log in to {host.name} at {host.hostname}",
        f"its host key is not known: it shows {shown(got)}",
        f"compare it on the host's console, then pin it: `hemostat check --learn {host.name}`",
    )


def login_key(host: Host, secret: Resolve) -> paramiko.PKey | None:
    """The login's private key, of any type that OpenSSH makes, with its certificate where one lies beside it.

    Raises:
        ConfigError: there is no such file, it is no private key, or its passphrase is missing or wrong.
    """
    if not host.key:
        return None
    path = Path(host.key).expanduser()
    key = _read(host, path, secret(host.ssh.passphrase) if host.ssh.passphrase else None)
    certificate = path.with_name(f"{path.name}-cert.pub")
    if certificate.exists():
        key.load_certificate(str(certificate))
    return key


def _read(host: Host, path: Path, passphrase: str | None) -> paramiko.PKey:
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"read the private key of {host.name}", f"{path}: {why}", "correct `key`") from None
    for kind in _KINDS:
        try:
            return kind.from_private_key(StringIO(text), passphrase)
        except paramiko.PasswordRequiredException:
            raise ConfigError(
                f"open the private key of {host.name}", "it has a passphrase", "name it: ssh: {passphrase: env:NAME}"
            ) from None
        except (paramiko.SSHException, ValueError, IndexError):
            continue  # of another type, or the passphrase is wrong
    seen = "its passphrase is wrong, or it is no private key" if passphrase else "it is no private key that can be read"
    raise ConfigError(f"open the private key of {host.name}", f"{path}: {seen}", "check `key` and `ssh.passphrase`")
