"""What each autostart value of the registry says on a clean Windows, and what it starts. Knows values; must not know a host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.facts_windows import UNREADABLE, RegistryValue
from tasks.model import inert
from tasks.signs import Sign
from tasks.windows.paths import base, plain, started

ATTACK = {
    "run": "T1547.001",
    "winlogon": "T1547.004",
    "appinit": "T1546.010",
    "ifeo": "T1546.012",
    "silent_exit": "T1546.012",
    "lsa": "T1547.002",
    "boot_execute": "T1547.001",
    "appcert": "T1546.009",
    "print_monitor": "T1547.010",
    "active_setup": "T1547.014",
    "com_user": "T1546.015",
    "portproxy": "T1090.001",
}
# Each is a program that the logon screen starts before anyone has logged in.
_BEFORE_LOGON = frozenset(
    {"sethc.exe", "utilman.exe", "osk.exe", "magnify.exe", "narrator.exe", "displayswitch.exe", "atbroker.exe"}
)
_WINLOGON = {
    "shell": ("explorer.exe",),
    "userinit": (r"c:\windows\system32\userinit.exe", "userinit.exe", r"c:\windows\system32\userinit"),
    "taskman": (),
    "system": (),
    "vmapplet": (
        r"systempropertiesperformance.exe \pagefile",  # as `plain` spells the switch
        r"c:\windows\system32\systempropertiesperformance.exe \pagefile",
    ),
}
# Packages that Windows itself registers (learn.microsoft.com, Credentials Protection and Management).
_LSA = frozenset(
    {
        "msv1_0",
        "kerberos",
        "schannel",
        "wdigest",
        "tspkg",
        "pku2u",
        "cloudap",
        "livessp",
        "negoexts",
        "negossp",
        "scecli",
        "rassfm",
        "kdc",
        "sshdpinauthlsa",  # OpenSSH of Windows 11 24H2 and Server 2025
    }
)
_MONITORS = frozenset(
    {
        "localspl.dll",
        "tcpmon.dll",
        "usbmon.dll",
        "wsdmon.dll",
        "appmon.dll",
        "fxsmon.dll",
        "inetpp.dll",
        "win32spl.dll",
        "apmon.dll",
    }
)


def against(value: RegistryValue) -> Iterator[Sign]:
    """What the value by itself shows, whatever it starts."""
    if value.type == UNREADABLE:
        yield Sign("has a name with a null character, which hides it from Windows' own tools", 85, "T1564")
    if not value.data.strip():
        return
    if sign := _FLAT.get(value.kind):
        yield sign
    if judge := _JUDGES.get(value.kind):
        yield from judge(value)


def files(value: RegistryValue) -> list[str]:
    """The files that the value makes Windows start or load; a bare name is looked for in System32."""
    if value.kind in ("portproxy", "lsa", "boot_execute"):
        return []
    parts = re.split(r"[,;]", value.data) if value.kind in ("winlogon", "appinit") else [value.data]
    return [path for part in parts if part.strip() for path in started(part.strip()) or []]


def _winlogon(value: RegistryValue) -> Iterator[Sign]:
    usual = _WINLOGON.get(value.name.lower())
    if usual is None:
        return
    told = [plain(part) for part in value.data.split(",") if part.strip()]
    if odd := [part for part in told if part not in usual]:
        yield Sign(f"starts {inert(', '.join(odd), 200)} at every logon beside Windows' own", 85, "T1547.004")


def _ifeo(value: RegistryValue) -> Iterator[Sign]:
    program = base(value.key)
    if program in _BEFORE_LOGON:
        yield Sign(
            f"starts another program in place of {program}, which the logon screen starts: a way in without a password",
            90,
            "T1546.008",
        )
    else:
        yield Sign(f"starts another program in place of {inert(program, 60)}", 60, "T1546.012")


def _lsa(value: RegistryValue) -> Iterator[Sign]:
    told = [part.strip().strip('"').lower().removesuffix(".dll") for part in re.split(r"[\s,;]+", value.data)]
    if odd := [part for part in told if part and part not in _LSA]:
        yield Sign(f"loads {inert(', '.join(odd), 120)} into the process that knows every password", 75, "T1547.005")


def _boot(value: RegistryValue) -> Iterator[Sign]:
    if not re.fullmatch(r"\s*autocheck autochk (?:\*|/\S+( \S+)*)\s*", value.data, re.IGNORECASE):
        yield Sign("starts something before Windows itself", 75, "T1547.001")


def _monitor(value: RegistryValue) -> Iterator[Sign]:
    if base(value.data) not in _MONITORS:
        yield Sign(f"makes the print spooler load {inert(value.data, 120)}", 45, "T1547.010")


def _com(value: RegistryValue) -> Iterator[Sign]:
    if "\\" in value.data:
        yield Sign("puts a user's own library in a system object's place", 25, "T1546.015")


_FLAT = {
    "appinit": Sign("is loaded into every program with a window", 70, "T1546.010"),
    "silent_exit": Sign("starts a program when another ends", 75, "T1546.012"),
    "appcert": Sign("is loaded into every program that starts another", 75, "T1546.009"),
    "portproxy": Sign("forwards a port to another address", 55, "T1090.001"),
}
_JUDGES = {
    "winlogon": _winlogon,
    "ifeo": _ifeo,
    "lsa": _lsa,
    "boot_execute": _boot,
    "print_monitor": _monitor,
    "com_user": _com,
}
