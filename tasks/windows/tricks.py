"""What Windows' own programs are made to do by intruders (living off the land). Text in, words out; knows no host.

The patterns follow the techniques of attack.mitre.org and the functions listed at lolbas-project.github.io for each binary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.signs import Sign, in_order

_WEB = r"(?:https?|ftp)://"
_PS = r"\b(?:powershell|pwsh)(?:\.exe)?\b"


Ways = tuple[tuple[re.Pattern[str], ...], ...]


def _is(pattern: str, words: str, score: int, attack: str) -> tuple[Ways, Sign]:
    """`.*` parts patterns that follow one another on a line, `||` two ways. One pattern with `.*` in it would take the square of the
    length of a text that is an attacker's, or worse.
    """
    ways = tuple(tuple(re.compile(p, re.IGNORECASE) for p in way.split(".*")) for way in pattern.split("||"))
    return ways, Sign(words, score, attack)


# fmt: off
TRICKS = (
    _is(rf"{_PS}.*\s[-/]e(?:n?c?|nc\w*)\s+[A-Za-z0-9+/=]{{40,}}", "gives PowerShell an encoded command", 75, "T1059.001"),
    _is(r"frombase64string\s*\(.*(?:\biex\b|invoke-expression|\.invoke\(|assembly\]?::load)",
        "decodes a hidden text and runs it", 80, "T1027"),
    _is(r"(?:\biex\b|invoke-expression).*(?:download(?:string|data|file)|invoke-web|invoke-rest|\biwr\b|\birm\b|net\.webclient)",
        "runs what it downloads", 85, "T1059.001"),
    _is(r"(?:download(?:string|data|file)|invoke-web|\biwr\b|\birm\b|net\.webclient).*(?:\biex\b|invoke-expression)",
        "runs what it downloads", 85, "T1059.001"),
    _is(rf"{_PS}.*(?:downloadfile|invoke-webrequest|start-bitstransfer|\biwr\b).*{_WEB}", "downloads with PowerShell", 60, "T1105"),
    _is(rf"\bcertutil(?:\.exe)?\b.*[-/](?:urlcache|verifyctl|url)\b.*{_WEB}", "downloads with certutil", 85, "T1105"),
    _is(r"\bcertutil(?:\.exe)?\b.*[-/]decode(?:hex)?\b", "decodes a file with certutil", 70, "T1140"),
    _is(rf"\bbitsadmin(?:\.exe)?\b.*/(?:transfer|addfile)\b.*{_WEB}", "downloads with bitsadmin", 75, "T1197"),
    _is(r"\bbitsadmin(?:\.exe)?\b.*/setnotifycmdline\b", "lets a BITS job start a program", 85, "T1197"),
    _is(rf"\bmshta(?:\.exe)?\b.*(?:{_WEB}|javascript:|vbscript:)", "runs a script from the network with mshta", 85, "T1218.005"),
    _is(rf"\bregsvr32(?:\.exe)?\b.*[-/]i:\s*\"?{_WEB}", "runs a script from the network with regsvr32", 90, "T1218.010"),
    _is(r"\brundll32(?:\.exe)?\b.*(?:javascript:|mshtml,runhtmlapplication)", "runs a script with rundll32", 90, "T1218.011"),
    _is(rf"\bmsiexec(?:\.exe)?\b.*{_WEB}", "installs from the network", 60, "T1218.007"),
    _is(r"\brundll32(?:\.exe)?\b.*comsvcs(?:\.dll)?\s*(?:,\s*)?(?:#24|minidump)", "writes another process's memory", 90, "T1003.001"),
    _is(r"\bwmic(?:\.exe)?\b.*(?:process\s+call\s+create|/format:\s*\"?(?:https?:|\\\\))", "starts a program with wmic", 75, "T1047"),
    _is(r"\bvssadmin(?:\.exe)?\b.*delete\s+shadows||\bwbadmin\b.*delete\b||\bbcdedit\b.*recoveryenabled\s+no",
        "destroys the ways back", 90, "T1490"),
    _is(r"\bwevtutil(?:\.exe)?\s+(?:cl|clear-log)\b", "clears an event log", 85, "T1070.001"),
    _is(r"\bnetsh\b.*portproxy\s+add", "forwards a port", 70, "T1090.001"),
    _is(r"set-mppreference.*-(?:disable\w+\s+\$?true|exclusion\w+)", "weakens the virus scanner", 85, "T1562.001"),
    _is(r"\b(?:cscript|wscript)(?:\.exe)?\b.*\\(?:appdata|temp|public|programdata)\\.*\.(?:vbs|vbe|js|jse|wsf)\b",
        "runs a script from a folder that users may write", 70, "T1059.005"),
    _is(r"\b(?:installutil|regasm|regsvcs|msbuild)(?:\.exe)?\b.*\\(?:appdata|temp|public|programdata)\\",
        "runs code through a developer's tool", 75, "T1218.004"),
    _is(rf"{_PS}.*-w(?:in\w*)?\s+hid\w*.*-(?:nop\w*|ep|exec\w*)\b||{_PS}.*-(?:nop\w*|ep|exec\w*)\b.*-w(?:in\w*)?\s+hid",
        "hides PowerShell's window",
        45, "T1564.003"),
    _is(rf"\bcurl(?:\.exe)?\b.*{_WEB}.*(?:-o|--output|>)||\bcurl(?:\.exe)?\b.*(?:-o|--output)\s.*{_WEB}",
        "downloads a file with curl", 45, "T1105"),
)
# fmt: on


def tricks(text: str) -> Iterator[Sign]:
    """Every trick that the command line or script shows, each once."""
    told = text.replace("^", "").replace("`", "")  # cmd's and PowerShell's escapes, which only hide the words
    seen: set[str] = set()
    lines = told.split("\n")
    for ways, sign in TRICKS:
        if sign.words not in seen and any(in_order(line, way) for line in lines for way in ways):
            seen.add(sign.words)
            yield sign
