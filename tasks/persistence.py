"""Where Linux starts things by itself, and how those files are read. Knows formats; must not know a file system or what is suspicious."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tasks.facts import Autostart

Reader = Literal["lines", "exec", "timer", "whole", "program", "rules", "installs", "hooks", "roots", "keys"]

MAX_TEXT = 16_384
MAX_LINE = 4_096


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of persistence and where it lives: a glob below the host's root, or below every home."""

    kind: str
    glob: str
    reader: Reader = "lines"
    home: bool = False


def _system(kind: str, reader: Reader, *globs: str) -> tuple[Place, ...]:
    return tuple(Place(kind, glob, reader) for glob in globs)


def _home(kind: str, reader: Reader, *globs: str) -> tuple[Place, ...]:
    return tuple(Place(kind, glob, reader, home=True) for glob in globs)


# systemd.unit(5), "Unit File Load Path". What a generator or systemd-run makes stands in folders of their own below /run.
_GENERATED = ("generator", "generator.early", "generator.late")
_MADE = tuple(f"run/systemd/{folder}" for folder in ("transient", *_GENERATED))
_UNIT_FOLDERS = (
    "etc/systemd/system", "etc/systemd/user", "run/systemd/system", "usr/local/lib/systemd/system",
    "usr/lib/systemd/system", "usr/lib/systemd/user", "lib/systemd/system", "etc/systemd/system.control", "run/systemd/system.control",
    "etc/systemd/system.attached", "run/systemd/system.attached", "run/systemd/user", "etc/xdg/systemd/user",
    "usr/local/lib/systemd/user", "usr/local/share/systemd/user", "usr/share/systemd/user",
    *_MADE, *(f"run/user/*/systemd/{folder}" for folder in ("user", "user.control", "transient", *_GENERATED)),
)  # fmt: skip
_GENERATORS = tuple(
    f"{folder}/systemd/{kind}-generators"
    for folder in ("etc", "run", "usr/local/lib", "usr/lib", "lib")
    for kind in ("system", "user")
)
_HOME_UNITS = (".config/systemd/user", ".config/systemd/user.control", ".local/share/systemd/user")
_SERVICES = (
    "*.service", "*.service.d/*.conf", "service.d/*.conf", "*.socket", "*.socket.d/*.conf", "*.path", "*.path.d/*.conf",
)  # fmt: skip
_TIMERS = ("*.timer", "*.timer.d/*.conf")

PLACES: tuple[Place, ...] = (
    *_system("ld_preload", "lines", "etc/ld.so.preload"),
    *_system("cron", "lines", "etc/crontab", "etc/anacrontab", "etc/cron.d/*"),
    *_system("cron", "lines", "var/spool/cron/crontabs/*", "var/spool/cron/*"),
    *_system("cron_script", "whole", *(f"etc/cron.{often}/*" for often in ("hourly", "daily", "weekly", "monthly"))),
    *_system("at", "whole", "var/spool/cron/atjobs/*", "var/spool/at/*"),
    *_system("systemd", "exec", *(f"{folder}/{name}" for folder in _UNIT_FOLDERS for name in _SERVICES)),
    *_home("systemd", "exec", *(f"{folder}/{name}" for folder in _HOME_UNITS for name in _SERVICES)),
    *_system("systemd_timer", "timer", *(f"{folder}/{name}" for folder in _UNIT_FOLDERS for name in _TIMERS)),
    *_home("systemd_timer", "timer", *(f"{folder}/{name}" for folder in _HOME_UNITS for name in _TIMERS)),
    *_system("profile", "lines", "etc/profile", "etc/profile.d/*.sh", "etc/bash.bashrc", "etc/bashrc"),
    *_system("profile", "lines", "etc/zsh/zshenv", "etc/zsh/zprofile", "etc/zsh/zshrc", "etc/zshenv", "etc/zshrc"),
    *_home("profile", "lines", ".profile", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases"),
    *_home("profile", "lines", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".config/fish/config.fish", ".ssh/rc"),
    *_home("authorized_keys", "lines", ".ssh/authorized_keys", ".ssh/authorized_keys2"),
    *_system("rc_local", "lines", "etc/rc.local", "etc/rc.d/rc.local"),
    *_system("init", "whole", "etc/init.d/*"),
    *_system("motd", "whole", "etc/update-motd.d/*"),
    *_system("xdg", "exec", "etc/xdg/autostart/*.desktop"),
    *_home("xdg", "exec", ".config/autostart/*.desktop"),
    *_system("cron", "lines", "etc/crontabs/*"),
    *_system("cron_script", "whole", "etc/periodic/*/*"),
    *_system("rc_local", "lines", "etc/local.d/*.start", "etc/rc.d/rc.*"),
    *_system("init", "whole", "etc/rc.d/init.d/*"),
    *_system("inittab", "lines", "etc/inittab"),
    *_system("upstart", "lines", "etc/init/*.conf"),
    *_system("generator", "program", *(f"{folder}/*" for folder in _GENERATORS)),
    *_system("udev", "rules", *(f"{folder}/udev/rules.d/*.rules" for folder in ("etc", "run", "usr/lib", "lib"))),
    *_system("modprobe", "installs", *(f"{folder}/modprobe.d/*.conf" for folder in ("etc", "run", "usr/lib", "lib"))),
    *_system("package_hook", "hooks", "etc/apt/apt.conf.d/*", "etc/apt/apt.conf", "etc/dpkg/dpkg.cfg.d/*"),
    *_system(
        "network_hook",
        "whole",
        *(f"etc/network/{when}.d/*" for when in ("if-up", "if-pre-up", "if-down", "if-post-down")),
    ),
    *_system("network_hook", "whole", "etc/NetworkManager/dispatcher.d/*", "etc/networkd-dispatcher/*/*"),
    *_system("network_hook", "whole", "etc/dhcp/dhclient-enter-hooks.d/*", "etc/dhcp/dhclient-exit-hooks.d/*"),
    *_system("profile", "lines", "etc/environment", "etc/security/pam_env.conf", "etc/ssh/sshrc"),
    *_home("profile", "lines", ".pam_environment", ".config/environment.d/*.conf"),
    *_system("ld_conf", "lines", "etc/ld.so.conf", "etc/ld.so.conf.d/*.conf"),
    *_system("pam", "lines", "etc/pam.d/*", "etc/pam.conf"),
    *_system("sudoers", "lines", "etc/sudoers", "etc/sudoers.d/*"),
    *_system("sshd", "keys", "etc/ssh/sshd_config", "etc/ssh/sshd_config.d/*.conf"),
    *_system("account", "roots", "etc/passwd"),
)

_EXEC = re.compile(r"^\s*(?:Exec\w*|TryExec)\s*=")
_TIMER = re.compile(r"^\s*(On\w+|Unit)\s*=")
# udev(7): what a rule runs; modprobe.d(5): commands in a module's place; apt.conf(5) and dpkg: commands around an installation.
_RULE = re.compile(r"\b(?:RUN|PROGRAM|IMPORT\{program\})\s*(?:\{\w+\}\s*)?[+:]?==?")
_INSTALL = re.compile(r"^\s*(?:install|remove)\s")
_HOOK = re.compile(
    r"\b(?:Pre-Invoke|Post-Invoke(?:-Success)?|Pre-Install-Pkgs|pre-invoke|post-invoke|pre-invoke-success)\b",
    re.IGNORECASE,
)
# sshd_config(5): where keys come from, and what a login runs.
_KEYS = re.compile(
    r"^\s*(?:AuthorizedKeys(?:File|Command)|AuthorizedPrincipalsCommand|ForceCommand|TrustedUserCAKeys|Subsystem)\s",
    re.IGNORECASE,
)
_ROOT = re.compile(r"^(?!root:)[^:]*:[^:]*:0+:")


def entries(place: Place, path: str, data: bytes, owner: str, modified: float, sha256: str) -> list[Autostart]:
    """The persistence entries in one file.

    Lines are the file's own (a continued line is not joined), so that a remedy can find them again; a unit or desktop
    file without an Exec line, a timer and a script are one entry with line 0.

    Args:
        data: the content, as many bytes as were read.
        modified: seconds since the epoch.
        sha256: of the whole file; empty when it is not known.
    """
    text = data.decode("utf-8", "surrogateescape")
    rows = list(_READERS[place.reader](text))
    return [Autostart(place.kind, path, line, row, owner, modified, sha256) for line, row in rows]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, row in enumerate(text.split("\n"), start=1):
        bare = row.strip()
        if bare and not bare.startswith("#"):
            yield number, bare[:MAX_LINE]


def _exec(text: str) -> Iterator[tuple[int, str]]:
    rows = [(number, row) for number, row in _lines(text) if _EXEC.match(row)]
    yield from rows or [(0, "")]


def _timer(text: str) -> Iterator[tuple[int, str]]:
    yield 0, " ".join(row for _, row in _lines(text) if _TIMER.match(row))


def _whole(text: str) -> Iterator[tuple[int, str]]:
    yield 0, text[:MAX_TEXT]


def _program(text: str) -> Iterator[tuple[int, str]]:
    """A generator may be a binary: then that it is there is all there is to say."""
    yield 0, "" if text.startswith("\x7fELF") else text[:MAX_TEXT]


def _picked(pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[int, str]]]:
    return lambda text: ((number, row) for number, row in _lines(text) if pattern.search(row))


_READERS: dict[str, Callable[[str], Iterator[tuple[int, str]]]] = {
    "lines": _lines,
    "exec": _exec,
    "timer": _timer,
    "whole": _whole,
    "program": _program,
    "rules": _picked(_RULE),
    "installs": _picked(_INSTALL),
    "hooks": _picked(_HOOK),
    "keys": _picked(_KEYS),
    "roots": _picked(_ROOT),
}
