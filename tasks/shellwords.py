"""What a command line or a persistence entry starts, and which files it names. Text in, paths out; runs nothing."""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Iterator

from tasks.facts import Autostart

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"})
_INTERPRETER = re.compile(r"^(?:python|perl|ruby|php|node|lua|tclsh)[\d.]*$")
# Options after which a program text follows, not a file: a shell's -c (-lc, -ec), Python's and Perl's -c, -e, -m.
_SHELL_TEXT = re.compile(r"^-[a-z]*c$")
_OTHER_TEXT = re.compile(r"^-(?:[a-zA-Z]*[cemEr])$")

# Words that only introduce the command which follows them.
_WRAPPERS = frozenset({
    "nohup", "setsid", "exec", "sudo", "doas", "env", "nice", "ionice", "chronic", "command", "builtin", "eval", "then", "do",
    "else", "if", "elif", "while", "until", "time", "timeout", "flock", "stdbuf", "alias", "trap", ".", "source", "!",
    "start-stop-daemon", "systemd-run", "systemd-inhibit", "unshare", "su", "runuser", "export", "link", "to",
})  # fmt: skip
_USERS = frozenset({"su", "-u", "-g", "--user"})
_PLAIN_ARGUMENT = re.compile(r"^(?:[-+].*|\d+[smhd]?|[A-Za-z_]\w*\+?=.*)$")
_REDIRECTION = re.compile(r"^(?:\d|&)?[<>]+")
_LOADS = re.compile(r"(?:\b(?:LD_PRELOAD|LD_AUDIT|PROMPT_COMMAND|BASH_ENV|ENV)|\balias\s+[\w.-]+)=([^\s;&|]+)")
_PARTS = re.compile(r"\|\||&&|[;|&\n`(){}]|\$\(|\s-exec\s")

_UNIT = re.compile(r"^\s*(?:Try)?Exec\w*\s*=\s*[-@+!:|]*")
_CRON = re.compile(r"^\s*-?(?:@\w+|(?:\S+\s+){4}\S+)\s+")
_ANACRON = re.compile(r"^\s*(?:@\w+|\d+)\s+\d+\s+\S+\s+")
# Where a kind's entry has its commands: udev(7), modprobe.d(5), apt.conf(5), pam_exec(8), sshd_config(5), inittab(5).
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_WITHIN = {
    "udev": re.compile(rf"\b(?:RUN|PROGRAM|IMPORT\{{program\}})(?:\{{\w+\}})?\s*[+:]?==?\s*{_QUOTED}"),
    "modprobe": re.compile(r"^\s*(?:install|remove)\s+\S+\s+(.*)$"),
    "package_hook": re.compile(rf"{_QUOTED}|invoke\s*=\s*(.*)$"),
    "pam": re.compile(r"\bpam_exec\.so\b(?:\s+(?!/)\S+)*\s+(/.*)$"),
    "sshd": re.compile(r"^\s*(?:\w+Command|Subsystem\s+\S+)\s+(.*)$", re.IGNORECASE),
    "inittab": re.compile(r"^[^:]*:[^:]*:[^:]*:(.*)$"),
    "sudoers": re.compile(r"(?!)"),
    "account": re.compile(r"(?!)"),
    "ld_conf": re.compile(r"(?!)"),
}


def interprets(program: str) -> bool:
    """Is it a shell or another interpreter, by its name?"""
    name = program.rpartition("/")[2].lstrip("-")
    return name in SHELLS or bool(_INTERPRETER.match(name))


def script(cmdline: tuple[str, ...], cwd: str) -> str:
    """The script that a running interpreter was given, as a whole path; empty for another program or none."""
    if len(cmdline) < 2 or not interprets(cmdline[0]):
        return ""
    text = _text_option(cmdline[0])
    for word in cmdline[1:]:
        if text.match(word):
            return ""
        if not word.startswith("-"):
            return posixpath.normpath(posixpath.join(cwd or "/", word))
    return ""


def _text_option(program: str) -> re.Pattern[str]:
    return _SHELL_TEXT if program.rpartition("/")[2].lstrip("-") in SHELLS else _OTHER_TEXT


def command(entry: Autostart) -> str:
    """The command in a persistence entry: its schedule, user column or key taken away."""
    if entry.kind == "cron":
        if entry.path.endswith("/anacrontab"):
            return _ANACRON.sub("", entry.text)
        timeless = _CRON.sub("", entry.text)
        system = entry.path.endswith("/etc/crontab") or "/etc/cron.d/" in entry.path
        return " ".join(timeless.split()[1:]) if system and timeless != entry.text else timeless
    if entry.kind in _WITHIN:
        return "\n".join(part for found in _WITHIN[entry.kind].finditer(entry.text) for part in found.groups() if part)
    return _UNIT.sub("", entry.text).removeprefix("#!")


def started(text: str, home: str) -> list[str]:
    """The files that a command starts or loads, as whole paths; what it only reads, deletes or writes is left out.

    Follows `cd`, wrappers (nohup, sudo, flock …), interpreters and their script, and what LD_PRELOAD and its like load.
    `~`, `$HOME` and `%h` become `home`; other variables are not known and their paths left out. A program without a
    slash comes from PATH and is no path.
    """
    bare = _unquoted(text)
    folder, found = home or "/", _LOADS.findall(bare)
    for part in _PARTS.split(bare):
        words = part.split()
        if words[:1] == ["cd"] and len(words) > 1:
            folder = posixpath.join(folder, _at_home(words[1], home))
        else:
            found += _programs(deque(words))
    whole = [posixpath.normpath(posixpath.join(folder, _at_home(path, home))) for path in found]
    return [path for path in whole if "$" not in path]


def _unquoted(text: str) -> str:
    # What a parameter expansion trims or replaces (${x%/y}) is a pattern and no path.
    known = re.sub(r"\$\{\w+[^\w{}][^{}]*\}", "$X", text.replace("${HOME}", "$HOME"))
    return re.sub(r"[\"'\\\\]", "", known)


def _programs(words: deque[str]) -> Iterator[str]:
    """The program of one simple command, and the script when that program is an interpreter."""
    interpreter = ""
    while words:
        word = words.popleft()
        if _skipped(word, words):
            interpreter = "" if interpreter and _text_option(interpreter).match(word) else interpreter
        elif interprets(word):
            interpreter = word
            if "/" in word:
                yield word
        else:
            if "/" in word or interpreter:
                yield word
            return


def _skipped(word: str, rest: deque[str]) -> bool:
    """A word that is no program; what belongs to it is taken out of the rest, too."""
    if redirection := _REDIRECTION.match(word):
        if redirection[0] == word and rest:
            rest.popleft()
        return True
    if word in _USERS and rest and "/" not in rest[0] and not rest[0].startswith("-"):
        rest.popleft()
    if word == "flock":
        while rest and rest.popleft().startswith("-"):
            continue
    return word in _WRAPPERS or bool(_PLAIN_ARGUMENT.match(word))


def _at_home(word: str, home: str) -> str:
    for sign in ("~", "$HOME", "%h"):
        if word.startswith(f"{sign}/"):
            return home + word[len(sign) :]
    return word


def mentions(text: str, path: str, own: str, home: str) -> bool:
    """Does the text name this very file, in any of the ways in which the host could write it?

    Args:
        path: as it really is; `own`: as the host itself names it (they differ on a drill's victim).
        home: the home folder that the text is for.
    """
    ways = {path, own}
    if home and path.startswith(f"{home}/"):
        ways |= {sign + path[len(home) :] for sign in ("~", "$HOME", "%h")}
    # As printf(1) and echo(1) would write it, too: a generator writes a unit with line ends between its words.
    bare = (_unquoted(text), _unquoted(re.sub(r"\\[ntr]", " ", text)))
    words = (rf"(?<![\w./-]){re.escape(way)}(?![\w./-])" for way in ways if "/" in way)
    return any(re.search(word, written) for word in words for written in bare)
