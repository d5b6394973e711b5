"""Scripts and console programs on a Windows host over WinRM: bytes in, bytes out. Knows no incident and no check.

A script goes in by standard input and its arguments beside it as data; nothing is ever pasted into a command line or a script. Every
shell is deleted, whatever happens in it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from winrm.exceptions import WinRMOperationTimeoutError, WSManFaultError

from tasks.model import HemostatError, TargetError
from tasks.settings import Host
from tasks.transports import winrm_frame as frame
from tasks.transports.hands import Ran
from tasks.transports.winrm_errors import explained
from tasks.transports.winrm_http import Late
from tasks.transports.winrm_wire import Resolve, Wire

UTF8 = 65001
# Base64 of it, in an envelope, stays below 150 KB: the limit of Windows before 2012.
PIECE = 96 << 10
# What is kept in memory of one command's output.
OUTPUT_LIMIT = 512 << 20
# Seconds to delete a shell in, when the call's own time is over.
GRACE = 5.0
Each = Callable[[bytes], None]


class Client:
    """One host. May be used by several threads: each has a session of its own, for WinRM's login belongs to the connection.

    Args:
        host: where, as whom, by which login; see `tasks.ways.Winrm`.
        secret: resolves a credential reference, at the moment of use.
    """

    def __init__(self, host: Host, secret: Resolve) -> None:
        self.host, self._secret = host, secret
        self._mine = threading.local()
        self._wires: list[Wire] = []

    @property
    def wire(self) -> Wire:
        """This thread's session."""
        if not hasattr(self._mine, "wire"):
            self._mine.wire = Wire(self.host, self._secret)
            self._wires.append(self._mine.wire)
        wire: Wire = self._mine.wire
        return wire

    @property
    def clock_skew(self) -> float | None:
        """How many seconds the host's clock is ahead of ours, to a second; None before its first answer."""
        return self.wire.skew

    def close(self) -> None:
        """Let go of every connection; the next call opens a new one."""
        for wire in self._wires:
            wire.reset()

    def run_script(self, script: bytes, data: bytes, deadline: float = 120.0) -> bytes:
        """Run a PowerShell script and return what it returns, as UTF-8.

        Args:
            script: its text, with `param([string]$Json)`; what it outputs are strings.
            data: its arguments, JSON.
            deadline: seconds until it must have ended.

        Raises:
            winrm_frame.Blocked: PowerShell is in constrained language mode.
            TargetError: it failed, did not end, or its answer came damaged.
            Unreachable: the host does not answer or does not let us in.
        """
        printed = bytearray()
        ran = self._powershell(script, data, deadline, _kept(printed))
        return self._framed(ran, bytes(printed))

    def stream_script(self, script: bytes, data: bytes, deadline: float, each: Each) -> bytes:
        """As `run_script`, for a script that prints lines before its framed answer: `each` gets every whole line as it comes."""
        rest = bytearray()
        keep = _kept(rest)

        def sort(piece: bytes) -> None:
            keep(piece)
            while b"\n" in rest and not rest.removeprefix(frame.BOM).startswith((b"BEGIN ", b"LANGUAGE ")):
                line, _, after = bytes(rest).partition(b"\n")
                rest[:] = after
                each(line.removeprefix(frame.BOM).rstrip(b"\r"))

        ran = self._powershell(script, data, deadline, sort)
        return self._framed(ran, bytes(rest))

    def run_console(self, command: str, deadline: float = 60.0) -> Ran:
        """Run one fixed command line in cmd: for a host that has no PowerShell for us. Never put data into it.

        Only for commands that look: when the connection breaks as it starts, it may run twice. (A script waits for its standard
        input, which only one of two gets.)

        Raises:
            TargetError: it did not end in `deadline` seconds.
            Unreachable: the host does not answer or does not let us in.
        """
        out = bytearray()
        tried = f"run {command.split()[0]} on {self.host.name}"
        return self._run(tried, (command, ()), b"", deadline, _kept(out), out)

    def _powershell(self, script: bytes, data: bytes, deadline: float, each: Each) -> Ran:
        line = (frame.POWERSHELL, frame.bootstrap())
        return self._run(f"run a script on {self.host.name}", line, frame.packed(script, data), deadline, each)

    def _framed(self, ran: Ran, printed: bytes) -> bytes:
        what = f"run a script on {self.host.name}"
        if why := frame.blocked(ran.status, printed, ran.err):
            raise frame.Blocked(what, why, "only console tools can look; allow scripts by policy for the whole picture")
        if ran.status and not frame.ended(printed):
            seen = frame.told(ran.err) or f"it ended with status {ran.status} and no answer"
            raise TargetError(what, seen, "look at the host by hand")
        return frame.unframed(printed, what)

    def _run(
        self,
        tried: str,
        line: tuple[str, Sequence[str]],
        stdin: bytes,
        deadline: float,
        each: Each,
        out: bytearray | None = None,
    ) -> Ran:
        wire = self.wire
        wire.until = time.monotonic() + deadline
        err = bytearray()
        with explained(wire, tried), _shell(wire) as shell:
            command = wire.patiently(lambda: wire.run_command(shell, *line, console_mode_stdin=False))
            unread = _fed(wire, shell, command, stdin)
            try:
                status = _drained(wire, shell, command, each, err)
            except Late:
                raise unread or Late from None
            wire.cleanup_command(shell, command)
        return Ran(status, bytes(out or b""), bytes(err))


@contextlib.contextmanager
def _shell(wire: Wire) -> Iterator[str]:
    """A remote shell for one `with` block. It is deleted at the end; what hinders that does not hide what happened in it.

    A host that went away gets a few seconds for it: Windows ends an idle shell by itself, after two hours.
    """
    shell = wire.patiently(lambda: wire.open_shell(codepage=UTF8))
    well = False
    try:
        yield shell
        well = True
    finally:
        if not well or wire.left() < GRACE:
            wire.until = time.monotonic() + GRACE
        with contextlib.suppress(HemostatError), explained(wire, "delete the remote shell"):
            wire.close_shell(shell, close_session=False)


def _fed(wire: Wire, shell: str, command: str, stdin: bytes) -> WSManFaultError | None:
    """Send standard input. A program that ended without reading it says why in its output, so the fault is kept for later."""
    try:
        for at in range(0, len(stdin), PIECE):
            wire.send_command_input(shell, command, stdin[at : at + PIECE], end=at + PIECE >= len(stdin))
    except WSManFaultError as fault:
        wire.until = min(wire.until, time.monotonic() + GRACE)
        return fault
    return None


def _kept(into: bytearray) -> Each:
    """Append to `into`, up to OUTPUT_LIMIT."""

    def keep(piece: bytes) -> None:
        into.extend(piece)
        if len(into) > OUTPUT_LIMIT:
            raise TargetError("fetch the output", f"{len(into)} bytes and no end", "look at the host by hand")

    return keep


def _drained(wire: Wire, shell: str, command: str, each: Each, err: bytearray) -> int:
    """Fetch the output until the command ends; its exit status."""
    keep = _kept(err)
    while True:
        if wire.left() <= 0:
            raise Late
        try:
            out, more, status, done = wire.get_command_output_raw(shell, command)
        except WinRMOperationTimeoutError:
            continue
        each(out)
        keep(more)
        if done:
            return status
