"""What is said to systemd about one unit, and to which of its managers. Knows systemctl's words; must not know why a unit is bad.

systemctl(1), systemd.unit(5). A login's manager is spoken to as that login (runuser(1)): `--machine=USER@.host` is a login of its own,
would start a manager where none runs, and is not known before systemd 248. Where no manager runs, there is nothing to stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.transports.hands import Hands

SYSTEMCTL = "/usr/bin/systemctl"
# What systemd takes for a unit's name. A file of another name is no unit, and `*.service` would be every one to systemctl.
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(?:service|timer|path|socket)", re.ASCII)
_OF_A_LOGIN = re.compile(r"^/run/user/|/\.(?:config|local/share)/systemd/user(?:\.control)?/")
_OF_EVERYBODY = re.compile(r"/systemd/user/[^/]+$")
_RUNS = frozenset({"active", "activating", "reloading", "refreshing", "deactivating"})
_ON = frozenset({"enabled", "enabled-runtime", "linked", "linked-runtime", "alias"})
_SHIPPED = ("/usr/lib/systemd/system", "/lib/systemd/system")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit by its name. `owner` is the login whose manager has it; empty for the system's, and with `everyone` for each login's.

    `made` says that systemd made its file itself: "generator" or "transient"; it cannot be enabled.
    """

    name: str
    owner: str = ""
    everyone: bool = False
    made: str = ""

    @property
    def pattern(self) -> str:
        """It, or all the instances of a template."""
        return self.name.replace("@.", "@*.")

    @property
    def words(self) -> str:
        """systemctl's words before what is said, as a person would type them."""
        return (
            "systemctl --global"
            if self.everyone
            else f"systemctl --user (as {self.owner})"
            if self.owner
            else "systemctl"
        )


def of(path: str, owner: str) -> Unit | None:
    """The unit whose file that is, and whose login the file belongs to; None for a file that is no unit (a drop-in, a generator)."""
    name = PurePosixPath(path).name
    if "/systemd/" not in path or not _NAME.fullmatch(name):
        return None
    made = "transient" if "/systemd/transient/" in path else "generator" if "/systemd/generator" in path else ""
    if _OF_A_LOGIN.search(path):
        return Unit(name, owner or "root", made=made)
    return Unit(name, everyone=bool(_OF_EVERYBODY.search(path)), made=made)


def there(hands: Hands) -> bool:
    """Can systemd be asked? A drill's victim has none: its laboratory init reads the files, so moving them is enough."""
    return hands.root == "/" and hands.stat(SYSTEMCTL) is not None


def shadows(hands: Hands, path: str) -> bool:
    """Does it stand before a unit of that name that the distribution brought?"""
    shipped = [f"{folder}/{PurePosixPath(path).name}" for folder in _SHIPPED]
    return path.startswith(("/etc/systemd/system/", "/run/systemd/")) and any(hands.stat(one) for one in shipped)


def say(hands: Hands, unit: Unit, *words: str) -> bool:
    """Something about its file: enable, disable, mask, unmask. True when systemd did it."""
    return hands.run([*_of_files(hands, unit), *words, "--", unit.name]).status == 0


def is_enabled(hands: Hands, unit: Unit) -> str:
    """systemd's word for its file: enabled, static, masked, generated …; empty when it does not say."""
    said = hands.run([*_of_files(hands, unit), "is-enabled", "--", unit.name]).out
    return said.decode(errors="replace").strip()


def instances(hands: Hands, unit: Unit, path: str) -> list[str]:
    """The instances of a template that are enabled, by name: systemd keeps a link for each, and no list."""
    if "@." not in unit.name:
        return []
    folder = str(PurePosixPath(path).parent) if unit.owner else f"/etc/systemd/{'user' if unit.everyone else 'system'}"
    pattern = unit.name.replace("\\", "\\\\").replace("@.", "@?*.")
    found = hands.run(["find", folder, "-mindepth", "2", "-maxdepth", "2", "-type", "l", "-name", pattern])
    names = {line.rpartition("/")[2] for line in found.out.decode(errors="replace").splitlines()}
    return sorted(name for name in names if _NAME.fullmatch(name))


def on(word: str) -> bool:
    """Would `enable` bring it back to that word of `is_enabled`?"""
    return word in _ON


def runs(hands: Hands, unit: Unit) -> bool:
    """Does a manager run it, or is about to?"""
    return any(_words(hands, [*manager, "is-active", "--", unit.pattern]) & _RUNS for manager in _managers(hands, unit))


def end(hands: Hands, unit: Unit) -> None:
    """End its processes and it, without a word of its own: once its file is gone and read anew, its ExecStop counts no more."""
    for manager in _managers(hands, unit):
        hands.run([*manager, "kill", "--signal=KILL", "--", unit.pattern])
        hands.run([*manager, "stop", "--", unit.pattern])


def reload(hands: Hands, path: str, owner: str) -> None:
    """Have the files read anew: also drop-ins and generators, whoever's they are."""
    login = _OF_A_LOGIN.search(path)
    whose = Unit("", owner or "root") if login else Unit("", everyone="/systemd/user" in path)
    for manager in _managers(hands, whose):
        hands.run([*manager, "daemon-reload"])


def _of_files(hands: Hands, unit: Unit) -> list[str]:
    """How systemctl is asked about files: with no manager of that login running, it reads and writes them by itself."""
    if unit.everyone:
        return [SYSTEMCTL, "--global"]
    alone = ["runuser", "-u", unit.owner, "--", "env", "SYSTEMD_OFFLINE=1", SYSTEMCTL, "--user"]
    return next(_managers(hands, unit), alone)


def _words(hands: Hands, argv: list[str]) -> set[str]:
    return set(hands.run(argv).out.decode(errors="replace").split())


def _managers(hands: Hands, unit: Unit) -> Iterator[list[str]]:
    """How each running manager that may have it is spoken to."""
    if not unit.owner and not unit.everyone:
        yield [SYSTEMCTL]
        return
    for uid in sorted(_words(hands, ["ls", "/run/user"]), key=lambda name: (len(name), name)):
        login = (
            hands.run(["id", "-un", "--", uid]).out.decode(errors="replace").strip()
            if uid.isascii() and uid.isdigit()
            else ""
        )
        if login and (unit.everyone or login == unit.owner) and hands.stat(f"/run/user/{uid}/systemd/private"):
            yield ["runuser", "-u", login, "--", "env", f"XDG_RUNTIME_DIR=/run/user/{uid}", SYSTEMCTL, "--user"]
