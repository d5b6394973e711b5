"""Windows paths and command lines as text: one spelling a file, and which files a command starts. Knows no host."""

from __future__ import annotations

import ntpath
import re
from collections.abc import Iterator
from functools import lru_cache

# What the registry, drivers and services write before a path (Naming Files, Paths, and Namespaces; the NT object namespace).
_PREFIX = re.compile(r"^(?:\\\\\?\\|\\\?\?\\|\\\\\.\\)")
_VARIABLES = {
    "systemroot": r"c:\windows",
    "windir": r"c:\windows",
    "systemdrive": "c:",
    "programfiles": r"c:\program files",
    "programfiles(x86)": r"c:\program files (x86)",
    "programdata": r"c:\programdata",
    "allusersprofile": r"c:\programdata",
    "public": r"c:\users\public",
    "comspec": r"c:\windows\system32\cmd.exe",
}
_VARIABLE = re.compile(r"%([^%]+)%")
_ANY_VARIABLE = re.compile(r"%([^%]+)%|\$env:(\w+)", re.IGNORECASE)
_PROGRAM = re.compile(
    r"\.(?:exe|com|dll|sys|scr|cpl|ocx|bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|msi|pif|jar|py)\b", re.IGNORECASE
)
_ROOTED = re.compile(r"(?:[a-z]:\\|\\\\|%\w+(?:\(x86\))?%\\)[^\"'|<>?*\r\n,;]*", re.IGNORECASE)


@lru_cache(maxsize=1 << 14)
def plain(path: str) -> str:
    """One spelling: lower case, backslashes, no NT prefix, no quotes, the machine's variables in place, no `..`."""
    text = _PREFIX.sub("", path.strip().strip('"').replace("/", "\\"))
    text = _VARIABLE.sub(lambda m: _VARIABLES.get(m[1].lower(), m[0]), text).lower()
    if text.startswith("\\systemroot\\"):
        text = r"c:\windows" + text[len("\\systemroot") :]
    elif text.startswith("system32\\"):  # how a driver's ImagePath may say it
        text = "c:\\windows\\" + text
    return ntpath.normpath(text) if text else ""


def base(path: str) -> str:
    """The file's name, lower case."""
    return ntpath.basename(plain(path))


def program(command: str) -> str:
    """The program that a command line starts, as CreateProcess does: the quoted first word, else the shortest prefix that is one."""
    text = command.strip()
    if text.startswith('"'):
        return text[1:].partition('"')[0]
    word = text.partition(" ")[0]
    if "\\" not in word:
        return word
    for match in _PROGRAM.finditer(text):
        if match.end() == len(text) or text[match.end()] in " ,\t\"'":
            return text[: match.end()]
    return word


def started(command: str) -> list[str]:
    """Every file that the command line names as a full path and that can be executed, the program itself first."""
    first = program(command)
    found = [first] if "\\" in first else []
    rest = command.strip().strip('"')[len(first) :]
    return list(dict.fromkeys([*found, *(path for path in _named(rest) if plain(path) != plain(first))]))


def _named(text: str) -> Iterator[str]:
    for match in _ROOTED.finditer(text):
        if ends := list(_PROGRAM.finditer(match[0])):
            yield match[0][: ends[0].end()].strip()


_HOME = r"c:\\(?:users\\[^\\]+|windows\\system32\\config\\systemprofile)"
_OF_USERS = tuple(
    (re.compile(rf"{folder}(?=\\)"), variables)
    for folder, variables in (
        (_HOME, ("userprofile", "homedrive%%homepath")),
        (rf"{_HOME}\\appdata\\roaming", ("appdata",)),
        (rf"{_HOME}\\appdata\\local", ("localappdata",)),
        (rf"{_HOME}\\appdata\\local\\temp", ("temp", "tmp")),
        (r"c:\\windows\\temp", ("temp", "tmp")),
    )
)


def mentions(text: str, path: str) -> bool:
    """Does the text name this very file, whatever the case, and not a longer name that contains it?"""
    where = plain_text(text)
    return any(_stands(where, wanted) for wanted in _spellings(plain(path)))


def _spellings(path: str) -> Iterator[str]:
    """How a text may name that file: as it is, or by a variable of the user whose it is (the machine's are in place already)."""
    if path:
        yield path
    for home, variables in _OF_USERS:
        if match := home.match(path):
            yield from (
                sign + path[match.end() :] for variable in variables for sign in (f"%{variable}%", f"$env:{variable}")
            )


def _stands(where: str, wanted: str) -> bool:
    at = where.find(wanted)
    while at >= 0:
        after = where[at + len(wanted) : at + len(wanted) + 1]
        before = where[at - 1 : at] if at else ""
        if not (after.isalnum() or after in ("_", "-", ".")) and not before.isalnum():
            return True
        at = where.find(wanted, at + 1)
    return False


def plain_text(text: str) -> str:
    """A command line or script in the spelling of `plain`, words and quotes kept."""
    return _ANY_VARIABLE.sub(lambda m: _VARIABLES.get((m[1] or m[2]).lower(), m[0]), text.replace("/", "\\")).lower()


def unquoted(command: str) -> bool:
    """A path with a blank that is not quoted: Windows tries each shorter prefix first (CWE-428)."""
    first = program(command)
    return not command.strip().startswith('"') and " " in first and "\\" in first


def on_windows(path: object) -> bool:
    """Is that a full path of Windows?"""
    return isinstance(path, str) and path[1:3] == ":\\"
