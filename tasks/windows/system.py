"""Windows' own processes: where each one's file stands, who starts it, as whom it runs. A table and its reading; knows no host.

From Windows Internals (7th edition, part 1, chapters 2, 3 and 10) and the process lists of clean Windows 10 and Server 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.facts import Process
from tasks.model import inert
from tasks.signs import Sign
from tasks.windows.paths import plain

_S32 = "c:\\windows\\system32\\"
_S64 = "c:\\windows\\syswow64\\"
_ACCOUNTS = ("system", "local service", "network service")


@dataclass(frozen=True, slots=True)
class Known:
    """One system process. `folders` where its file may stand; `parents` empty: its starter ends at once, or may be anyone."""

    folders: tuple[str, ...] = (_S32,)
    parents: tuple[str, ...] = ()
    system_only: bool = False
    wants: str = ""


def _s(*parents: str, both: bool = False, system: bool = False, wants: str = "") -> Known:
    return Known((_S32, _S64) if both else (_S32,), parents, system, wants)


KNOWN: dict[str, Known] = {
    "smss.exe": _s("system", "smss.exe", system=True),
    "csrss.exe": _s("smss.exe", system=True),
    "wininit.exe": _s("smss.exe", system=True),
    "winlogon.exe": _s("smss.exe", system=True),
    "services.exe": _s("wininit.exe", system=True),
    "lsass.exe": _s("wininit.exe", system=True),
    "lsaiso.exe": _s("wininit.exe", system=True),
    "lsm.exe": _s("wininit.exe", system=True),
    "svchost.exe": _s("services.exe", both=True, wants=" -k"),
    "spoolsv.exe": _s("services.exe", system=True),
    "taskhostw.exe": _s("svchost.exe"),
    "taskhost.exe": _s("svchost.exe", "services.exe"),
    "taskhostex.exe": _s("svchost.exe"),
    "taskeng.exe": _s("svchost.exe"),
    "runtimebroker.exe": _s("svchost.exe"),
    "sihost.exe": _s("svchost.exe"),
    "dllhost.exe": _s("svchost.exe", "services.exe", both=True),
    "wmiprvse.exe": Known((f"{_S32}wbem\\", f"{_S64}wbem\\"), ("svchost.exe",)),
    "dwm.exe": _s("winlogon.exe"),
    "fontdrvhost.exe": _s("wininit.exe", "winlogon.exe"),
    "logonui.exe": _s("winlogon.exe", system=True),
    "userinit.exe": _s("winlogon.exe"),
    "searchindexer.exe": _s("services.exe", system=True),
    "conhost.exe": _s(),
    "explorer.exe": Known(("c:\\windows\\", _S64)),
    "ctfmon.exe": _s(),
    "audiodg.exe": _s("svchost.exe"),
    "rundll32.exe": _s(both=True),
    "regsvr32.exe": _s(both=True),
    "cmd.exe": _s(both=True),
    "msiexec.exe": _s(both=True),
    "wscript.exe": _s(both=True),
    "cscript.exe": _s(both=True),
    "mshta.exe": _s(both=True),
    "powershell.exe": Known((f"{_S32}windowspowershell\\v1.0\\", f"{_S64}windowspowershell\\v1.0\\")),
    "certutil.exe": _s(both=True),
    "bitsadmin.exe": _s(both=True),
}
# One letter more, less or other than these: a name made to be overlooked.
_IMITATED = (
    "svchost.exe",
    "lsass.exe",
    "csrss.exe",
    "services.exe",
    "winlogon.exe",
    "explorer.exe",
    "wininit.exe",
    "spoolsv.exe",
)
_HONEST = frozenset({"lsm.exe", "service.exe", "explore.exe"})


def against(process: Process, parent: Process | None) -> Iterator[tuple[str, Sign]]:
    """What speaks against a process that bears a system name, or nearly one: rule and sign.

    Args:
        process: its path is empty where we may not see it (protected, or without rights): then nothing is said of the place.
        parent: the one that the pid names, if it is older than the process; None when it is gone.
    """
    name = process.name.lower()
    known = KNOWN.get(name)
    if known is None:
        if real := _imitates(name):
            yield "process.imitates", Sign(f"is called almost like {real}", 75, "T1036.005")
        return
    yield from _place(process, known)
    yield from _parent(name, parent, known)
    yield from _account(process, known)
    if known.wants and process.cmdline and known.wants not in f" {' '.join(process.cmdline)}".lower():
        yield (
            "process.system_command",
            Sign(f"is a {name} without{known.wants}, which every real one has", 75, "T1036.005"),
        )


def _place(process: Process, known: Known) -> Iterator[tuple[str, Sign]]:
    path = plain(process.exe)
    if path and path not in {folder + process.name.lower() for folder in known.folders}:
        words = f"bears the name of Windows' own {process.name.lower()}, whose file is {known.folders[0]}{process.name.lower()}"
        yield "process.masquerade", Sign(inert(words, 300), 90, "T1036.005")


def _parent(name: str, parent: Process | None, known: Known) -> Iterator[tuple[str, Sign]]:
    if parent is None or not known.parents or parent.name.lower() in known.parents:
        return
    words = f"was started by {inert(parent.name, 60)} ({parent.pid}): only {' or '.join(known.parents)} starts a {name}"
    yield "process.parent", Sign(words, 75, "T1036.009")


def _account(process: Process, known: Known) -> Iterator[tuple[str, Sign]]:
    who = process.user.rpartition("\\")[2].lower()
    if known.system_only and who and who not in _ACCOUNTS and not who.endswith("$"):
        words = f"runs as {inert(process.user, 60)}, where only the system runs a {process.name.lower()}"
        yield "process.account", Sign(words, 70, "T1036.005")


def _imitates(name: str) -> str:
    if name in _HONEST or not name.endswith(".exe"):
        return ""
    return next((real for real in _IMITATED if _near(name[:-4], real[:-4])), "")


def _near(one: str, other: str) -> bool:
    """One letter exchanged, added, left out, or two neighbours swapped; look-alike digits count as their letters."""
    looks = str.maketrans("015$", "olss")
    if one.translate(looks) == other:
        return True
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) == len(other):
        wrong = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        swapped = (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and one[wrong[0]] == other[wrong[1]]
            and one[wrong[1]] == other[wrong[0]]
        )
        return len(wrong) == 1 or swapped
    short, long = sorted((one, other), key=len)
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
