"""A session with a firewall's command line: netmiko for the login and paging, then prompt-driven words. Knows no vendor's words."""

from __future__ import annotations

import contextlib
import re
import select
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import paramiko

from tasks.firewalls.shape import Command, Firewall
from tasks.model import ConfigError, TargetError, Unreachable, inert
from tasks.settings import Host, Site
from tasks.transports import ssh, ssh_keys
from tasks.transports.hands import Ran
from tasks.transports.locks import held

Resolve = Callable[[str], str]
FIRST_PROMPT = r"[>#$\]] ?$"
# Measured: nft's netlink dump ends with EINTR when another process changes the rules meanwhile. That is no "absent".
TRANSIENT = rb"Interrupted system call|Resource (?:temporarily unavailable|busy)"
RETRIES = 5
# Characters of a command that its echo must repeat.
ECHO = 16
# Characters of one answer: far more than any list or policy that we ask for. A device may be an attacker's, too.
LARGEST = 16 << 20
# Characters at the end of an answer in which its prompt stands.
TAIL = 4096


def lock_folder(site: Site) -> Path:
    """Where the lock files of a site's devices stand: one folder for all its incidents."""
    return Path(site.folder) / ".hemostat" / "locks"


class Session(Protocol):
    """One open session: say commands, get their answers."""

    def ask(self, commands: Sequence[Command]) -> tuple[str, ...]: ...


@contextlib.contextmanager
def opened(host: Host, firewall: Firewall, secret: Resolve, locks: Path) -> Iterator[Session]:
    """The only session that any hemostat process has with this device, for one `with` block.

    Args:
        locks: folder of the lock files; a lock is the kernel's (flock) and ends with its holder.

    Raises:
        Unreachable: no answer, wrong host key, refused login, or the device stayed busy with another run of ours.
    """
    with held(locks / f"{host.name}.lock", host):
        if firewall.channel == "cli":
            with _netmiko(host, firewall, secret) as connection:
                yield Cli(host, firewall, connection)
        elif host.transport == "local":
            yield Exec(host, firewall, _run_here)
        else:
            with ssh.connected(host, secret) as client:
                yield Exec(host, firewall, lambda text, stdin: ssh.run(client, text, stdin, host.timeout))


class Cli:
    """A dialogue with a prompt. After a failure it leaves the configuration mode again, whatever happens."""

    def __init__(self, host: Host, firewall: Firewall, connection: Any) -> None:
        self._host, self._firewall, self._connection = host, firewall, connection
        # A prompt shows a long hostname shortened in configuration mode, so only its beginning is certain.
        self._prompt = firewall.prompt.replace("{base}", re.escape(connection.base_prompt[:14]) + r"\S{0,99}?")

    def ask(self, commands: Sequence[Command]) -> tuple[str, ...]:
        """Say them in order.

        Raises:
            TargetError: the device refused one of them; names the command and the device's words.
            Unreachable: the connection broke or the prompt did not come back.
        """
        try:
            return tuple(self._say(command) for command in commands)
        except TargetError:
            self._back_out()
            raise

    def _say(self, command: Command) -> str:
        text = command.text.replace("{user}", self._host.username)
        try:
            self._connection.write_channel(text + self._connection.RETURN)
            answer = self._heard(text, command.expect or self._prompt, max(self._host.timeout, command.patience))
        except Exception as error:
            raise Unreachable(
                f"say {text!r} to {self._host.name}",
                _short(error),
                "its state is not known now: `hemostat resume` reads it again before anything else",
            ) from error
        return checked(self._host, self._firewall, command, _body(answer, text))

    def _heard(self, said: str, pattern: str, seconds: float) -> str:
        """What comes from the echo of what we said up to the pattern, read with netmiko's own reader as it comes.

        A login leaves prompts behind that arrive late: only one that follows our own echo ends our answer. A device may wrap a long
        echo, so its beginning is enough.

        netmiko's read_until_pattern sleeps 10 ms between looks, and a block is a dozen commands: waiting on the channel itself
        takes two thirds off a command (tests/bench).
        """
        channel, answer, seen, deadline = self._connection.remote_conn, "", 0, time.monotonic() + seconds
        echo, poll = said[:ECHO], select.poll()  # select(2) takes no file number above 1023, and serve has many files
        poll.register(channel, select.POLLIN)
        while (start := answer.find(echo)) < 0 or not re.search(pattern, answer[max(start, seen - TAIL) :]):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no prompt within {seconds:g} s")
            poll.poll(1000 * left)
            new = self._connection.read_channel()
            if not new and channel.exit_status_ready():
                raise EOFError("the device closed the connection")
            seen, answer = len(answer), answer + new
            if len(answer) > LARGEST:
                raise OSError(f"{len(answer)} characters and no end")
        return answer[start:]

    def _back_out(self) -> None:
        with contextlib.suppress(TargetError):
            for command in self._firewall.leave():
                self._say(command)


class Exec:
    """One program a command, data by stdin, judged by its exit status."""

    def __init__(self, host: Host, firewall: Firewall, run: Callable[[str, bytes], Ran]) -> None:
        self._host, self._firewall, self._run = host, firewall, run

    def ask(self, commands: Sequence[Command]) -> tuple[str, ...]:
        """Run them in order; TargetError for a failure that the command does not tolerate."""
        return tuple(self._say(command) for command in commands)

    def _say(self, command: Command) -> str:
        ran = self._run(command.text, command.stdin.encode())
        for _ in range(RETRIES):
            if ran.status == 0 or not re.search(TRANSIENT, ran.err):
                break
            ran = self._run(command.text, command.stdin.encode())
        answer = (ran.out if ran.status == 0 else ran.err or ran.out).decode("utf-8", "replace")
        if ran.status != 0 and not _tolerated(command, answer):
            raise _refusal(self._host, command, answer or f"exit status {ran.status}")
        return answer


def checked(host: Host, firewall: Firewall, command: Command, answer: str) -> str:
    """The answer, unless it holds one of the platform's failure texts that the command does not tolerate."""
    for pattern in firewall.failures:
        found = re.search(pattern, answer, re.MULTILINE)
        if found and not _tolerated(command, answer):
            raise _refusal(host, command, found.group(0).strip() if found.group(0).strip() != "^" else answer.strip())
    return answer


def _tolerated(command: Command, answer: str) -> bool:
    return bool(command.tolerate) and re.search(command.tolerate, answer) is not None


def _refusal(host: Host, command: Command, words: str) -> TargetError:
    return TargetError(
        f"say {command.text!r} to {host.name}",
        f"it answered {inert(words, 300)!r}",
        "is it provisioned? `hemostat check --live`",
    )


def _body(answer: str, said: str) -> str:
    """The answer without its echo and without the prompt; one blank line for many, as `^\\s*` tries each against all others."""
    lines = answer.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and said in lines[0]:
        lines = lines[1:]
    pairs = zip(["", *lines], lines[:-1], strict=False)
    return "\n".join(line for before, line in pairs if line.strip() or before.strip())


@contextlib.contextmanager
def _netmiko(host: Host, firewall: Firewall, secret: Resolve) -> Iterator[Any]:
    # Imported here: netmiko takes 0.2 s, and `hemostat history` has no use for it.
    from netmiko import ConnectHandler
    from netmiko.exceptions import NetmikoAuthenticationException, NetmikoTimeoutException, ReadTimeout

    tried = f"log in to {host.name} at {host.hostname} port {host.port or 22}"
    with _known_hosts(host) as trusted, contextlib.closing(ssh.dial(host)) as sock:
        try:
            connection: Any = ConnectHandler(
                device_type=firewall.driver,
                host=host.hostname,
                port=host.port or 22,
                username=host.username,
                password=secret(host.password) if host.password else None,
                secret=secret(host.secret) if host.secret else "",
                use_keys=bool(host.key),
                key_file=host.key or None,
                passphrase=secret(host.ssh.passphrase) if host.ssh.passphrase else None,
                allow_agent=host.ssh.agent,
                sock=sock,
                ssh_strict=True,
                **trusted,
                global_delay_factor=0.01,
                allow_auto_change=False,
                conn_timeout=host.timeout,
                auth_timeout=host.timeout,
                banner_timeout=host.timeout,
                read_timeout_override=host.timeout,
                auto_connect=False,
            )
            # A driver that names no pattern (vyos) would wait 2 s for silence before it sees the first prompt.
            connection._test_channel_read = partial(connection._test_channel_read, pattern=FIRST_PROMPT)
            if getattr(firewall, "changes_at_login", False) and not host.change_at_login:
                connection.disable_paging = partial(_unchanged, connection, host)
            connection._open()
            if host.secret:
                connection.enable()  # not every driver does so at login; where one did, this only looks
        except NetmikoAuthenticationException:
            raise Unreachable(tried, "the login was refused", f"check username and password of {host.name}") from None
        except NetmikoTimeoutException as error:
            raise _no_session(tried, host, str(error)) from None
        except ValueError as error:
            raise Unreachable(
                tried, f"logged in, but: {_short(error)}", f"check the enable secret of {host.name}"
            ) from None
        except (ReadTimeout, EOFError, OSError, paramiko.SSHException) as error:
            # netmiko waits for the prompt after a wrong enable secret as well, so this is where that one ends.
            secrets = f"check the enable secret of {host.name}, then " if host.secret else ""
            raise Unreachable(
                tried, f"no usable prompt: {_short(error)}", secrets + "log in by hand and compare"
            ) from None
        try:
            yield connection
        finally:
            # It says good-bye on the wire, which may be gone; that must not hide what went wrong before.
            with contextlib.suppress(EOFError, OSError, paramiko.SSHException, ReadTimeout):
                if getattr(connection, "_original_output_mode", "") == "more":
                    connection.cleanup()  # netmiko's FortiGate driver took paging out of the configuration at login
                connection.paramiko_cleanup()


def _unchanged(connection: Any, host: Host, *_: object, **__: object) -> str:
    """In place of a driver's disable_paging that writes configuration: nothing to do, or a word to the owner."""
    if connection._output_mode == "standard":
        return ""
    raise ConfigError(
        f"log in to {host.name}",
        "its console pages its output, and to read it the driver would have to change its configuration at every login",
        f"type once on it: config system console / set output standard / end; or allow it: change_at_login: true for {host.name}",
    )


def _no_session(tried: str, host: Host, text: str) -> Unreachable:
    if "not found in known_hosts" in text:
        return Unreachable(
            tried, "its host key is not known", f"compare and pin it: `hemostat check --learn {host.name}`"
        )
    if "does not match" in text:
        return Unreachable(
            tried,
            "its host key is not the pinned one",
            f"if it was rebuilt, pin the new key: `hemostat check --learn {host.name}`; if not, someone stands between",
        )
    return Unreachable(tried, _short(text), "look at its SSH service")


@contextlib.contextmanager
def _known_hosts(host: Host) -> Iterator[dict[str, Any]]:
    """What tells netmiko whose host key to accept: the inventory's pin alone, or else the user's known_hosts."""
    if not host.host_key:
        yield {"system_host_keys": True}
        return
    pin = ssh_keys.pinned_key(host)
    with tempfile.NamedTemporaryFile("w", prefix="hemostat-", suffix=".known_hosts") as file:
        file.write(f"{ssh_keys.known_hosts_name(host)} {pin.get_name()} {pin.get_base64()}\n")
        file.flush()
        yield {"alt_host_keys": True, "alt_key_file": file.name}


def _run_here(text: str, stdin: bytes) -> Ran:
    # The text is the platform's own constant; nothing from outside is ever in it.
    done = subprocess.run(shlex.split(text), input=stdin, capture_output=True, timeout=30, check=False)  # noqa: S603
    return Ran(done.returncode, done.stdout, done.stderr)


def _short(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return inert(lines[0] if lines else type(error).__name__, 200)
