"""What goes into PowerShell and what comes out of it, as text: bootstrap, frame, CLIXML. Pure; must not know any connection.

CLIXML is MS-PSRP 2.2.5's serialisation; `_xHHHH_` is one UTF-16 unit (MS-PSRP 2.2.5.3.2).
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import re
import zlib
from functools import cache
from html import unescape
from importlib.resources import files

from tasks.model import TargetError, inert

# The largest answer of a script that is unpacked.
LARGEST = 256 << 20
# PowerShell 5.1 may print it first when the console's code page is 65001.
BOM = b"\xef\xbb\xbf"
POWERSHELL = "powershell.exe"
FLAGS = ("-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand")
_HEAD = re.compile(rb"BEGIN (\d{1,10}) ([0-9A-Fa-f]{64})\r?\n")
# On a line of its own: base64 may spell END anywhere, but its lines are of four letters or multiples of them.
_END = re.compile(rb"^END\r?$", re.MULTILINE)
_ERROR = '<S S="Error">'
_UNIT = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LINES = 6


class Blocked(TargetError):
    """No script of ours can run: PowerShell is not in FullLanguage mode, or not there. The caller falls back to console tools."""


@cache
def shipped(name: str) -> bytes:
    """The text of a script that stands beside this module: `boot`, `stat` or `chunks`."""
    return files("tasks.transports").joinpath(f"winrm_{name}.ps1").read_bytes()


@cache
def bootstrap() -> tuple[str, ...]:
    """PowerShell's arguments that start the bootstrap; comments and indentation are left out."""
    lines = (line.strip() for line in shipped("boot").decode("ascii").splitlines())
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    return *FLAGS, base64.b64encode(text.encode("utf-16-le")).decode()


def packed(script: bytes, data: bytes) -> bytes:
    """Standard input for the bootstrap: the script and its arguments (JSON), a line each. Nothing is pasted into a script."""
    return b"".join(base64.b64encode(gzip.compress(part, 9, mtime=0)) + b"\n" for part in (script, data))


@cache
def _lines() -> frozenset[str]:
    """Every line of every shipped script, and those with which look.ps1 joins its parts."""
    texts = [path.read_text("ascii") for path in files("tasks.transports").iterdir() if path.name.endswith(".ps1")]
    glue = {"& { param($want)", "} $args[0]", ""}
    return frozenset(line.strip() for text in texts for line in text.splitlines()) | glue


def is_ours(script: str) -> bool:
    """Is a script that Windows logged one of ours? Each of its lines is one of our own; the last may be cut off."""
    *whole, last = [line.strip() for line in script.splitlines()] or [""]
    return all(line in _lines() for line in whole) and any(line.startswith(last) for line in _lines())


def framed(answer: bytes) -> bytes:
    """`answer` as the bootstrap prints it."""
    lines = base64.encodebytes(gzip.compress(answer, 6, mtime=0)).replace(b"\n", b"\r\n")
    return b"BEGIN %d %s\r\n%sEND\r\n" % (len(answer), hashlib.sha256(answer).hexdigest().upper().encode(), lines)


def unframed(printed: bytes, what: str) -> bytes:
    """The answer in a frame.

    Args:
        printed: all of standard output; a UTF-8 byte order mark before it is let pass.
        what: was tried, for the error.

    Raises:
        TargetError: there is no frame, it is cut, mixed with other output, or its length or hash is wrong.
    """
    printed = printed.removeprefix(BOM)
    head = _HEAD.search(printed)
    if not head:
        raise _broken(what, f"no framed answer came, but {_start(printed)}")
    if head.start():
        raise _broken(what, f"the answer is mixed with other output: {_start(printed[: head.start()])}")
    end = _END.search(printed, head.end())
    if not end:
        raise _broken(what, f"the answer is cut: its end is missing after {len(printed)} bytes")
    if rest := printed[end.end() :].strip():
        raise _broken(what, f"the answer is mixed with other output: {_start(rest)}")
    return _checked(printed[head.end() : end.start()], int(head[1]), head[2].decode().lower(), what)


def ended(printed: bytes) -> bool:
    """Did the bootstrap come to its end?"""
    return _END.search(printed) is not None


def _checked(body: bytes, length: int, digest: str, what: str) -> bytes:
    if length > LARGEST:
        raise _broken(what, f"the answer would have {length} bytes, and {LARGEST} are the limit")
    try:
        unpacker = zlib.decompressobj(wbits=31)
        answer = unpacker.decompress(base64.b64decode(b"".join(body.split()), validate=True), length + 1)
    except (binascii.Error, zlib.error):
        raise _broken(what, "the answer is damaged: it cannot be unpacked") from None
    if len(answer) != length:
        raise _broken(what, f"the answer is damaged: {len(answer)} bytes unpacked, {length} were announced")
    if hashlib.sha256(answer).hexdigest() != digest:
        raise _broken(what, "the answer is damaged: its hash is wrong")
    return answer


def _broken(what: str, seen: str) -> TargetError:
    return TargetError(what, seen, "try again; if it stays so, something between changes the output")


def _start(printed: bytes) -> str:
    return repr(inert(printed[:120].decode("utf-8", "replace"))) if printed else "nothing"


def blocked(status: int, printed: bytes, err: bytes) -> str:
    """Why no script can run there at all; empty when that is not what happened.

    PowerShell tells its own errors as CLIXML; plain text with a failure comes from cmd, which could not start it.
    """
    if printed.removeprefix(BOM).startswith(b"LANGUAGE V"):
        return "PowerShell there is of version 2, which has none of the commands that our scripts use"
    if printed.removeprefix(BOM).startswith(b"LANGUAGE ") or b"ConstrainedLanguage" in err:
        return "PowerShell is in constrained language mode there (AppLocker or WDAC)"
    if status and err.strip() and not printed.strip() and b"CLIXML" not in err:
        return f"powershell.exe does not start there: {told(err)}"
    return ""


def told(err: bytes) -> str:
    """The error text in PowerShell's standard error, on one line and harmless; empty when it holds none.

    All `<S S="Error">` of all documents, `_xHHHH_` decoded; progress and other streams are left out. What is no CLIXML is taken as text.
    """
    text = _decoded(err)
    if "#< CLIXML" in text or "<Objs " in text:
        pieces = (piece.partition("</S>") for piece in text.split(_ERROR)[1:])
        text = "".join(_unescaped(piece) for piece, ended, _ in pieces if ended)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return inert(" ".join(lines[:_LINES]), 500)


def _decoded(raw: bytes) -> str:
    """UTF-8, else the code page that Chinese Windows uses."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")


def _unescaped(piece: str) -> str:
    """XML's escapes first, then PowerShell's; two units may be one character beyond the basic plane."""
    units = _UNIT.sub(lambda unit: chr(int(unit[1], 16)), unescape(piece))
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
