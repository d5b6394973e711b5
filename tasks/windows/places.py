"""Where programs live on Windows and where they do not, with the weight of each place. Knows text; must not know a host."""

from __future__ import annotations

import re
from functools import lru_cache

from tasks.facts_windows import Signed
from tasks.model import inert
from tasks.signs import Sign
from tasks.windows.paths import base, plain

_USER = r"c:\\users\\[^\\]+\\"
# The first that fits counts. Weights: of an unsigned program there. A good signature takes most of it away.
_PLACES: tuple[tuple[re.Pattern[str], int, str], ...] = tuple(
    (re.compile(pattern), score, words)
    for pattern, score, words in (
        (r"[a-z]:\\\$recycle\.bin\\", 75, "in the recycle bin"),
        (r"[a-z]:\\system volume information\\", 75, "in the restore points' folder"),
        (r"c:\\perflogs\\", 70, "in a folder that is empty on every machine"),
        (r"c:\\windows\\(?:temp|tasks|debug|tracing|system32\\tasks|system32\\spool\\drivers\\color|registration\\crmlog)\\", 70,
         "in a folder of Windows that users may write"),
        (r"c:\\windows\\(?:fonts|help|media|cursors|web|ime|inf|addins)\\", 60, "in a folder of Windows that holds no programs"),
        (r"c:\\users\\(?:public|default)\\", 65, "in a folder that every user may write"),
        (_USER + r"appdata\\local\\temp\\", 60, "in a user's temporary folder"),
        (_USER + r"appdata\\roaming\\microsoft\\windows\\start menu\\programs\\startup\\", 60, "in a user's start-up folder"),
        (_USER + r"appdata\\", 55, "in a user's application data, where no administrator installs"),
        (_USER + r"(?:downloads|desktop|documents|music|pictures|videos)\\", 45, "among a user's own files"),
        (r"c:\\programdata\\(?:[^\\]+\\)?[^\\]+$", 60, "at the top of the shared application data, which every user may write"),
        (r"c:\\programdata\\", 40, "in the shared application data"),
        (r"[a-z]:\\[^\\]+$", 55, "at the root of a drive"),
        (r"\\\\", 50, "on another machine's share"),
        (r"(?!c:)[a-z]:\\", 35, "on another drive"),
    )
)  # fmt: skip
_SYSTEM = re.compile(
    r"c:\\windows\\(?:system32|syswow64|sysnative)\\|c:\\windows\\[^\\]+$|c:\\windows\\(?:winsxs|servicing|systemapps)\\"
)
# The defender's own platform folder, which updates itself.
_HONEST = re.compile(r"c:\\programdata\\microsoft\\windows defender\\platform\\")
GOOD = "Valid"
# From here on a place is odd even for a signed program.
_BAD = 61


@lru_cache(maxsize=1 << 14)
def place(path: str) -> Sign | None:
    """What is odd about a program's place, signed or not; None for a usual one."""
    text = plain(path)
    if _HONEST.match(text):
        return None
    for pattern, score, words in _PLACES:
        if pattern.match(text):
            return Sign(words, score, "T1036.005" if text.startswith("c:\\windows\\") else "T1105")
    return None


def system(path: str) -> bool:
    """Is it one of Windows' own folders, where every program is signed by Microsoft?"""
    return _SYSTEM.match(plain(path)) is not None


def trusted(file: Signed | None) -> bool:
    """Is its signature valid? The signer may be anyone who bought a certificate."""
    return file is not None and file.status == GOOD


def odd(path: str, file: Signed | None) -> Sign | None:
    """The place, with what the signature says of it: one that is valid leaves little, one that nobody could look at leaves most."""
    sign = place(path)
    if sign is None:
        return None
    if trusted(file) and sign.score < _BAD:  # who signs installs there: browsers, chat programs, installers
        return None
    if trusted(file):
        return Sign(
            f"{sign.words}, though signed by {inert(file.signer if file else '', 80)}", sign.score // 3, sign.attack
        )
    if file is None or not file.status:
        return Sign(f"{sign.words}; its signature could not be looked at", sign.score - 10, sign.attack)
    return sign


def signature(file: Signed) -> Sign | None:
    """What the signature by itself says against a file; "not looked at" says nothing, and is told as unseen."""
    if file.status == "HashMismatch":
        return Sign("was changed after it was signed", 85, "T1036.001")
    if file.status in ("NotTrusted", "UnknownError") and file.thumbprint:
        return Sign(f"is signed by {inert(file.signer, 80)}, whom this machine does not trust", 55, "T1553.002")
    if file.status != "NotSigned":
        return None
    if system(file.path):
        return Sign("lies among Windows' own programs, but nobody signed it", 65, "T1036.005")
    if "microsoft" in file.company.lower():
        return Sign("says that Microsoft made it, but nobody signed it", 60, "T1036.001")
    return None


def hides(file: Signed) -> Sign | None:
    """Hidden and system attributes on a program outside Windows' folders, and programs in an alternate stream."""
    marks = {word.lower() for word in file.attributes}
    if stream := next(
        (s for s in file.streams if s.lower().endswith((".exe", ".dll", ".ps1", ".vbs", ".js", ".bat"))), ""
    ):
        return Sign(f"carries a program in its alternate stream {inert(stream, 60)}", 75, "T1564.004")
    if "hidden" in marks and not system(file.path) and base(file.path) != "desktop.ini":
        both = "system" in marks
        words = "is hidden as a system file" if both else "is hidden by its attribute"
        return Sign(words, 60 if both else 45, "T1564.001")
    return None
