"""A host that runs hemostat's own scripts and no others: PowerShell's outside, without a PowerShell. Knows the bootstrap; no artefact.

A script is known by the SHA-256 of its text and by its first line; whoever plays it answers in its place. Everything else ends as it
would there: CLIXML on standard error and status 1. The console's programs are known by their whole command line.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.wsman.machine import Pipes, Program, Shell
from tasks.transports import winrm_frame as frame

# What a script's player gets: the shell, its arguments, its streams. What it returns is the script's output.
Player = Callable[[Shell, Any, Pipes], str | bytes]
# What a console program's player gets; it prints in the shell's code page and returns the exit code.
Console = Callable[[Shell, Pipes], int]
UNKNOWN = 1
LANGUAGE = 20


class Failed(Exception):
    """A player's way to end as a script does that throws: this text on the error stream, status 1."""


@dataclass(frozen=True)
class Scripts:
    """A Machine of scripts and console programs.

    Args:
        scripts: player by the script's text, exactly as it is shipped.
        console: player by command line.
    """

    scripts: Mapping[bytes, Player]
    console: Mapping[str, Console]

    def start(self, shell: Shell, command: str, arguments: Sequence[str]) -> Program:
        line = " ".join((command, *arguments)).strip()
        if shell.language == "Denied" and line.lower().startswith("powershell"):
            return _denied
        if line == " ".join((frame.POWERSHELL, *frame.bootstrap())):
            return lambda pipes: self._boot(shell, pipes)
        if command.lower() in ("powershell", frame.POWERSHELL):
            return lambda pipes: _clixml(pipes, "This laboratory runs hemostat's bootstrap only.")
        player = self.console.get(line)
        return (lambda pipes: player(shell, pipes)) if player else (lambda pipes: _no_program(shell, command, pipes))

    def _boot(self, shell: Shell, pipes: Pipes) -> int:
        stdin = pipes.stdin()
        if shell.language != "FullLanguage":
            pipes.out(f"LANGUAGE {shell.language}\r\n".encode())
            return LANGUAGE
        try:
            script, data = (gzip.decompress(base64.b64decode(line, validate=True)) for line in stdin.split())
            player = self._player(script)
            answer = player(shell, json.loads(data), pipes)
        except (ValueError, binascii.Error, OSError, EOFError, zlib.error) as error:
            return _clixml(pipes, f"{type(error).__name__}: {error}")
        except Failed as error:
            return _clixml(pipes, str(error))
        pipes.out(frame.framed(answer.encode() if isinstance(answer, str) else answer))
        return 0

    def _player(self, script: bytes) -> Player:
        digest = hashlib.sha256(script).hexdigest()
        for text, player in self.scripts.items():
            if hashlib.sha256(text).hexdigest() == digest and text.startswith(b"# hemostat "):
                return player
        raise Failed(f"A script that this laboratory does not know: SHA-256 {digest}, {script[:60]!r}")


def _clixml(pipes: Pipes, text: str) -> int:
    """An error as PowerShell 5.1 tells it on a redirected error stream, progress records before it."""
    units = memoryview(text.encode("utf-16-le")).cast("H")
    escaped = "".join(chr(u) if 0x20 <= u <= 0x7E and chr(u) not in "<>&_" else f"_x{u:04X}_" for u in units)
    pipes.err(
        b'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
        b'<Obj S="progress" RefId="0"><MS><I64 N="SourceId">1</I64></MS></Obj></Objs>'
        b'<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
        b'<S S="Error">' + escaped.encode() + b"_x000D__x000A_</S></Objs>"
    )
    return UNKNOWN


def _denied(pipes: Pipes) -> int:
    """AppLocker's answer: the program does not start, so it reads nothing."""
    pipes.err(b"This program is blocked by group policy. For more information, contact your system administrator.\r\n")
    return 1


def _no_program(shell: Shell, command: str, pipes: Pipes) -> int:
    """cmd's answer to a name that it does not know, in the console's language."""
    if shell.codepage == 936:
        pipes.err(f"'{command}' 不是内部或外部命令，也不是可运行的程序\r\n或批处理文件。\r\n".encode("cp936"))
    else:
        pipes.err(
            f"'{command}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n".encode()
        )
    return 1
