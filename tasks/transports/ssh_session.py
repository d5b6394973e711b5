"""One shell at the other end that stays and answers: start it, as root where sudo allows, and ask. Knows framing; no verb's meaning."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import paramiko

from tasks.model import Refused, TargetError, Unreachable, inert
from tasks.settings import Host
from tasks.transports import ssh_text
from tasks.transports.ssh_wire import Wire

Resolve = Callable[[str], str]
OUTPUT_LIMIT = 64 << 20
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
GREETING_LIMIT = 64 << 10
# How sudo says no, in the C locale (sudo 1.8 and 1.9, plugins/sudoers), and what that means.
_TRY_AGAIN = "try again"  # it would take the next line for a password
_SUDO = (
    (_TRY_AGAIN, "the sudo password is wrong", "check sudo_password"),
    ("incorrect password", "the sudo password is wrong", "check sudo_password"),
    ("password is required", "sudo asks for a password and the inventory gives none", "ssh: {sudo: password}"),
    ("not in the sudoers", "this login is not in the sudoers file", "add it, or use another login"),
    (
        "is not allowed to execute",
        "the sudoers file does not allow this login to run sh",
        "allow it, or use another login",
    ),
    ("must have a tty", "sudo wants a terminal (requiretty)", "put `Defaults:LOGIN !requiretty` in its sudoers file"),
    ("not found", "there is no sudo on the host", "install it, or log in as root"),
)

# What the kernel says in the C locale (strerror(3)); the shell and each tool put words of their own before it.
_ERRORS = (
    "No such file or directory",
    "Not a directory",
    "Is a directory",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "No space left on device",
    "Too many levels of symbolic links",
    "Input/output error",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb printed, its exit status, and why it said no."""

    status: int
    body: bytes
    reason: str


def command(host: Host) -> str:
    """The fixed command line of a session. It holds no data; the environment of the login is left behind: a PATH of somebody's there
    leads neither to another `sh` nor to a `sudo` that keeps the password.
    """
    # The one thing that sshd alone knows goes along as an argument: sudo lets no variable pass.
    shell = f"sh -c '{ssh_text.BOOTSTRAP}' hemostat \"$SSH_CONNECTION\""
    if host.ssh.sudo == "none":
        return f"exec /usr/bin/env -i PATH={_PATH} LC_ALL=C {shell}"
    # -k: a password that sudo remembers does not count, and this one is not remembered.
    how = '-k -S -p ""' if host.ssh.sudo == "password" else "-n"
    return f"exec /usr/bin/env PATH={_PATH} LC_ALL=C sudo {how} -- {shell}"


def started(transport: paramiko.Transport, host: Host, secret: Resolve, scripts: Sequence[str], function: str) -> Wire:
    """A shell at the other end that has read the scripts and runs that function of them.

    Raises:
        TargetError: sudo refused, or no POSIX shell answers.
        Unreachable: the connection broke.
    """
    deadline = time.monotonic() + 2 * host.timeout
    wire = Wire(transport, command(host), host.name, deadline)
    try:
        if host.ssh.sudo == "password":
            wire.send(secret(host.ssh.sudo_password or host.password).encode() + b"\n", deadline)
        _greeted(wire, host, deadline)
        wire.send(b"begin\n" + ssh_text.script(*scripts) + function.encode() + b"\n", deadline)
    except BaseException:
        wire.close()
        raise
    return wire


def _greeted(wire: Wire, host: Host, deadline: float) -> None:
    """Wait for the bootstrap's own first line; what a login prints before it is passed over."""
    seen = bytearray()
    while f"{ssh_text.READY}\n".encode() not in seen:
        if not wire.ready(deadline):
            if host.ssh.sudo == "password" and _TRY_AGAIN in wire.said():
                raise sudo_refused(host, wire.said())
            continue
        part = wire.read(deadline)
        seen += part
        if not part or len(seen) > GREETING_LIMIT:
            raise _no_shell(wire, host, bytes(seen), deadline)


def _no_shell(wire: Wire, host: Host, seen: bytes, deadline: float) -> TargetError:
    status = wire.status(deadline)
    said = wire.said() or inert(seen.decode("utf-8", "replace").strip(), 300)
    if host.ssh.sudo != "none":
        return sudo_refused(host, said)
    return TargetError(
        f"start a shell on {host.name}",
        f"the login works, but no POSIX shell answers (status {status}): {said or 'it said nothing'}",
        "hemostat needs `sh` there, and a login that may run commands",
    )


def sudo_refused(host: Host, said: str) -> TargetError:
    """What sudo's words mean."""
    lines = [line for line in said.split("; ") if line]
    for line in lines:
        for word, seen, do in _SUDO:
            if word in line:
                return TargetError(f"become root on {host.name} by sudo", f"{seen} ({line})", do)
    last = lines[-1] if lines else "nothing"
    return TargetError(f"become root on {host.name} by sudo", f"sudo said: {last}", "try it by hand")


class Session:
    """A conversation with one shell; requests are answered one after the other.

    Args:
        wire: a shell that runs scripts/session.sh's `obey`.
        where: the host's name, for messages.
    """

    def __init__(self, wire: Wire, where: str) -> None:
        self._wire, self._where, self._rest = wire, where, b""

    @property
    def closed(self) -> bool:
        """True when nothing can be asked any more."""
        return self._wire.channel.closed

    def close(self) -> None:
        """Let go of the shell: it ends with its input."""
        self._wire.close()

    def ask(self, verb: str, arguments: Sequence[str], seconds: float, tried: str = "") -> bytes:
        """Have a verb done and give what it printed.

        Args:
            verb: the name of a function verb_NAME of the scripts.
            arguments: texts; lone surrogates stand for bytes that are no UTF-8 (os.fsencode).
            seconds: by when it must be done, from now.
            tried: what a message says was tried.

        Raises:
            TargetError: the verb said no, or was not done in time; after that the session is of no use any more.
            Refused: by the guards "fence" or "self".
            Unreachable: the connection broke.
        """
        answer = self.answer(verb, arguments, seconds)
        if answer.status == 0:
            return answer.body
        raise said_no(answer, tried or f"{verb} on {self._where}")

    def answer(self, verb: str, arguments: Sequence[str], seconds: float) -> Answer:
        """As `ask`, but a refusal is an answer too."""
        deadline, nonce = time.monotonic() + seconds, secrets.token_hex(16)
        try:
            self._wire.send(ssh_text.request(nonce, verb, arguments, seconds), deadline)
            self._until(f"{nonce} BEGIN\n".encode(), deadline)
            body = self._until(f"\n{nonce} END ".encode(), deadline)
            status, _, reason = self._until(f"\n{nonce} DONE\n".encode(), deadline).partition(b"\n")
            with understood(f"{verb} on {self._where}"):
                return Answer(int(status), body, reason.decode("utf-8", "replace").strip())
        except BaseException:
            self.close()  # half an answer stands on the wire: nothing after it would be understood
            raise

    def _until(self, mark: bytes, deadline: float) -> bytes:
        buffer, searched = bytearray(self._rest), 0
        while (at := buffer.find(mark, searched)) < 0:
            searched = max(0, len(buffer) - len(mark))
            part = self._wire.read(deadline)
            buffer += part
            if not part:
                raise Unreachable(
                    f"talk to {self._where}", f"its shell ended: {self._wire.said() or 'it said nothing'}", "try again"
                )
            if len(buffer) > OUTPUT_LIMIT:
                raise TargetError(f"listen to {self._where}", f"{len(buffer)} bytes and no end", "look at it by hand")
        self._rest = bytes(buffer[at + len(mark) :])
        return bytes(buffer[:at])


@contextlib.contextmanager
def understood(tried: str) -> Iterator[None]:
    """Read the fields of an answer within. Whoever owns a host owns its tools, and may have them say anything.

    Raises:
        TargetError: a number is none, or a field is missing.
    """
    try:
        yield
    except (ValueError, IndexError):
        do = "are its tools its own? look at its disk from another system"
        raise TargetError(tried, "the host's answer makes no sense", do) from None


def said_no(answer: Answer, tried: str) -> TargetError | Refused:
    """The error that a verb's refusal is; its words may be the host's own."""
    reason = _plain("; ".join(filter(None, map(str.strip, answer.reason.split("\n")))))
    if answer.status == 63:
        return Refused("fence", reason, "this host's entry in the inventory fences hemostat to that folder")
    if answer.status == 64:
        return Refused("self", reason, "look at it by hand")
    if answer.status == 65:
        return TargetError(tried, reason, "triage again and plan anew")
    return TargetError(tried, reason or f"it ended with status {answer.status}", _advice(reason))


def _plain(reason: str) -> str:
    """The kernel's words alone, where a tool says `stat: cannot statx 'PATH': No such file or directory`."""
    return next((words for words in _ERRORS if reason.endswith(f": {words}")), inert(reason, 500))


def _advice(reason: str) -> str:
    if reason.endswith(("Permission denied", "Operation not permitted")):
        return "become root there (ssh: {sudo: …}); if it is root, the file may be immutable: see `lsattr`"
    return ""
