"""What is said to the shell at the other end: the scripts, and requests that hold any byte. Knows text; opens nothing."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from tasks.facts import Start
from tasks.model import Bug

READY = "hemostat is ready"
# One line without a newline, `!` or single quote: the login shell that passes it on may be any (csh and fish too). Everything before
# the line `begin` is thrown away: a sudo that asks for no password leaves one there. The last line names the function to call.
BOOTSTRAP = (
    f'echo {READY}; line=; until [ "$line" = begin ]; do IFS= read -r line || exit 3; done; '
    'end=$(printf "\\n."); end=${end%.}; script=; '
    "while IFS= read -r line; do case $line in obey|obey_once) break;; esac; "
    'script="$script$line$end"; done; eval "$script"; "$line"'
)
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-,:=@+ ")
_WORD = re.compile(r"[a-z][a-z0-9_]*")


@cache
def script(*names: str) -> bytes:
    """The text of these scripts one after the other, without comments and indentation: each byte is one system call there."""
    folder = files("tasks.transports") / "scripts"
    lines = (line.strip() for name in names for line in (folder / name).read_text().splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#")).encode()


def encoded(argument: str | bytes) -> bytes:
    """An argument on one line for `printf %b`: what is not plain is written in octal.

    Raises:
        Bug: a zero byte, which no shell can hold and no path may have.
    """
    data = os.fsencode(argument)
    if b"\0" in data:
        raise Bug("encode an argument", "it holds a zero byte")
    return octal(data)


def moment(start: Start) -> str:
    """A process's start as change.sh takes it: what no clock moves, else hundredths of a second since the epoch."""
    return start.started or str(round(start.created * 100))


def decoded(name: bytes) -> str:
    """A name of the host's as text, every byte of it kept (PEP 383)."""
    return os.fsdecode(name)


def octal(data: bytes) -> bytes:
    """Any bytes, zero bytes too, as `printf %b` writes them again."""
    return b"".join(bytes((byte,)) if byte in _PLAIN else b"\\0%03o" % byte for byte in data)


def request(nonce: str, verb: str, arguments: Sequence[str | bytes], seconds: float) -> bytes:
    """A request of scripts/session.sh, which ends the verb there after `seconds`; a verb with a channel for itself knows its own end."""
    if not _WORD.fullmatch(verb):
        raise Bug("ask the host", f"{verb!r} is no verb")
    lines = (f"{nonce} {verb} {len(arguments)} {math.ceil(seconds)}".encode(), *map(encoded, arguments))
    return b"".join(line + b"\n" for line in lines)
