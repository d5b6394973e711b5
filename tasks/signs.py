"""The signs that several judges look for: odd places and tricks of the shell. Text in, words out; looks at no host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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

_FETCH = re.compile(r"\b(?:curl|wget|fetch|lwp-download)\b")
_NAME = r"(?:(?:r?ba|da|z|mk|k|a|c|tc|fi)?sh|(?:python|perl|php|ruby)[\d.]*)\b"
_SHELL = re.compile(rf"(?<!\w){_NAME}")
_INTO_SHELL = re.compile(rf"\|\s*(?:sudo\s+)?(?:[^\s|]*/)?{_NAME}")
# The text is an attacker's, and a pattern with `.*` in it takes the square of its length or worse: so each trick is patterns that
# follow one another in a piece of the text, and each of them takes its length once. Before them: what ends such a piece.
TRICKS: tuple[tuple[str, tuple[re.Pattern[str], ...], Sign], ...] = (
    ("\n;", (_FETCH, _INTO_SHELL), Sign("pipes what it downloads into a shell", 80, "T1059.004")),
    (
        "\n;",
        (re.compile(rf"{_SHELL.pattern}|\beval\b"), re.compile(rf"(?:<\(|\$\(|`)\s*{_FETCH.pattern}")),
        Sign("runs what it downloads", 80, "T1059.004"),
    ),
    (
        "\n",
        (re.compile(r"\bbase(?:64|32)\s+(?:-(?=\w*[dD])\w+|--decode)\b"), re.compile(r"\|"), _SHELL),
        Sign("decodes a hidden text and gives it to a shell", 80, "T1027"),
    ),
    (
        "\n;",
        (re.compile(r"\bxxd\s+-r\b"), _INTO_SHELL),
        Sign("decodes a hidden text and gives it to a shell", 80, "T1027"),
    ),
    (
        "\n",
        (re.compile(r"(?:exec|eval)\s*\(.{0,80}b64decode|eval\s*\(\s*base64_decode|MIME::Base64"),),
        Sign("decodes a hidden text and executes it", 75, "T1027"),
    ),
    (
        "\n",
        (re.compile(r"/dev/(?:tcp|udp)/"),),
        Sign("opens a network connection from the shell itself", 85, "T1059.004"),
    ),
    (
        "\n;|",
        (re.compile(r"\b(?:nc|ncat|netcat)\b"), re.compile(r"\s(?:-(?=\w*[ec])\w+|--exec|--sh-exec)\s")),
        Sign("hands a shell to a network connection", 85, "T1059.004"),
    ),
    (
        "\n;",
        (re.compile(r"\bsocat\b", re.IGNORECASE), re.compile(r"\bexec:", re.IGNORECASE)),
        Sign("hands a program to a network connection", 80, "T1059.004"),
    ),
)


def base(path: str) -> str:
    """The file's name in a path of either system."""
    return path.replace("\\", "/").rpartition("/")[2] if path[1:3] == ":\\" else path.rpartition("/")[2]


def tricks(text: str) -> Iterator[Sign]:
    """What a command line or script line does that installed software does not."""
    found = (sign for ends, patterns, sign in TRICKS if any(in_order(p, patterns) for p in re.split(f"[{ends}]", text)))
    return iter(dict.fromkeys(found))


def in_order(piece: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Are they there, one behind the other? The first place of each is enough: it leaves the most room."""
    at = 0
    for pattern in patterns:
        found = pattern.search(piece, at)
        if not found:
            return False
        at = found.end()
    return True


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
