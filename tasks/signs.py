"""The signs that several judges look for: odd places and tricks of the shell. Text in, words out; looks at no host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.collectors.context import Context


@dataclass(frozen=True, slots=True)
class Sign:
    """One reason for suspicion: its words, its weight (0 to 100) and the ATT&CK technique."""

    words: str
    score: int
    attack: str


# Places that everyone may write and nothing is installed to, with the weight of a program that runs from there.
_OPEN = (
    ("/dev/shm/", 70, "in a folder in memory that everyone may write and that a reboot empties"),  # noqa: S108
    ("/run/shm/", 70, "in a folder in memory that everyone may write and that a reboot empties"),
    ("/dev/", 65, "among the device files, where no program belongs"),
    ("/tmp/", 60, "in a folder for temporary files that everyone may write"),  # noqa: S108
    ("/var/tmp/", 60, "in a folder for temporary files that everyone may write"),  # noqa: S108
    ("/run/user/", 55, "in a user's folder for run-time files"),
    ("/run/lock/", 60, "in a folder for lock files that everyone may write"),
    ("/var/www/", 45, "in a web server's folder, where uploads land"),
    ("/var/spool/", 45, "in a spool folder"),
)
# Streams, not files.
_STREAM = re.compile(r"^/dev/(?:null$|zero$|fd/|std(?:in|out|err)$|tty|pts/|console$)")
_HIDDEN = re.compile(r"/\.[^/.][^/]*")

_FETCH = r"\b(?:curl|wget|fetch|lwp-download)\b"
_SHELL = r"(?:\S*/)?(?:ba|da|z|k|a)?sh\b|(?:\S*/)?(?:python|perl|php|ruby)[\d.]*\b"
TRICKS: tuple[tuple[re.Pattern[str], Sign], ...] = (
    (
        re.compile(rf"{_FETCH}[^\n;]*\|\s*(?:sudo\s+)?(?:{_SHELL})"),
        Sign("pipes what it downloads into a shell", 80, "T1059.004"),
    ),
    (
        re.compile(rf"(?:{_SHELL})[^\n;]*(?:<\(|\$\(|`)\s*{_FETCH}|\beval\b[^\n;]*(?:\$\(|`)\s*{_FETCH}"),
        Sign("runs what it downloads", 80, "T1059.004"),
    ),
    (
        re.compile(
            rf"\bbase(?:64|32)\s+(?:-\w*[dD]\w*|--decode)\b[^\n;]*\|[^\n]*(?:{_SHELL})|\bxxd\s+-r\b[^\n;]*\|\s*(?:{_SHELL})"
        ),
        Sign("decodes a hidden text and gives it to a shell", 80, "T1027"),
    ),
    (
        re.compile(r"(?:exec|eval)\s*\(.{0,80}b64decode|eval\s*\(\s*base64_decode|MIME::Base64"),
        Sign("decodes a hidden text and executes it", 75, "T1027"),
    ),
    (re.compile(r"/dev/(?:tcp|udp)/"), Sign("opens a network connection from the shell itself", 85, "T1059.004")),
    (
        re.compile(r"\b(?:nc|ncat|netcat)\b[^\n;|]*\s(?:-\w*[ec]\w*|--exec|--sh-exec)\s"),
        Sign("hands a shell to a network connection", 85, "T1059.004"),
    ),
    (
        re.compile(r"\bsocat\b[^\n;]*\bexec:", re.IGNORECASE),
        Sign("hands a program to a network connection", 80, "T1059.004"),
    ),
)


def base(path: str) -> str:
    """The file's name in a path of either system."""
    return path.replace("\\", "/").rpartition("/")[2] if path[1:3] == ":\\" else path.rpartition("/")[2]


def tricks(text: str) -> Iterator[Sign]:
    """What a command line or script line does that installed software does not."""
    return (sign for pattern, sign in TRICKS if pattern.search(text))


def place(path: str, context: Context) -> Sign | None:
    """What is odd about the place of a program; None for a usual one."""
    own = context.own(path)
    if _STREAM.match(own):
        return None
    hidden = _HIDDEN.search(own)
    for folder, score, words in _OPEN:
        if own.startswith(folder):
            return Sign(words, score + 10, "T1564.001") if hidden else Sign(words, score, "T1105")
    if not hidden:
        return None
    if own.rpartition("/")[2].startswith("."):
        return Sign("under a hidden name", 45, "T1564.001")
    # Honest tools live in hidden folders of a home (.cargo, .pyenv, .vscode-server): weak alone.
    return Sign("in a hidden folder", 30 if context.home_of(path) else 45, "T1564.001")
