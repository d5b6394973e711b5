"""Judges log lines near the beacon's start: new users, new rights, commands as root, modules. Facts in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.beacon import names
from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.facts_linux import LogLine
from tasks.model import Finding, inert
from tasks.signs import Sign, tricks

MAX_FOUND = 40
# Words of the programs that write these lines (shadow's tools, OpenSSH, sudo, the kernel), the gravest first.
_LINES: tuple[tuple[re.Pattern[str], Sign], ...] = (
    (re.compile(r"\b(?:useradd|adduser)\b.*\bnew user: "), Sign("a user was added", 60, "T1136.001")),
    (
        re.compile(r"\b(?:usermod|gpasswd)\b.*\b(?:sudo|wheel|root|docker|adm(?:in)?)\b"),
        Sign("a user was given an administrators' group", 60, "T1098"),
    ),
    (
        re.compile(r"kernel: .*(?:module verification failed|loading out-of-tree module)"),
        Sign("a foreign kernel module was loaded", 60, "T1547.006"),
    ),
    (re.compile(r"\bsshd\b.*: Accepted password for root\b"), Sign("root logged in with a password", 45, "T1078.003")),
    (re.compile(r"\b(?:passwd|chpasswd)\b.*password changed for "), Sign("a password was changed", 40, "T1098")),
    (re.compile(r"\bsshd\b.*: Accepted \S+ for "), Sign("somebody logged in over SSH", 30, "T1021.004")),
    (re.compile(r"\bsudo\b.*\bCOMMAND="), Sign("somebody ran a command by sudo", 25, "T1548.003")),
)


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each line near a beacon's start, the gravest lines first."""
    if context.root != "/":
        return []
    near = [line for line in snapshot.logs if context.near_start(snapshot, line.at)]
    found = [(line, max(_signs(line, context), key=lambda sign: sign.score, default=None)) for line in near]
    findings = [_finding(line, sign) for line, sign in found if sign]
    return sorted(findings, key=lambda finding: -finding.score)[:MAX_FOUND]


def _signs(line: LogLine, context: Context) -> Iterator[Sign]:
    if names([line.text], context.remote):
        yield Sign(f"a line names {context.remote.address}, the address of the alert", 80, "T1071")
    yield from (Sign(f"somebody's command {sign.words}", 70, sign.attack) for sign in tricks(line.text))
    yield from (sign for pattern, sign in _LINES if pattern.search(line.text))


def _finding(line: LogLine, sign: Sign) -> Finding:
    return Finding(
        "log.near",
        f"near the beacon's start {sign.words}",
        inert(f"{line.source}: {line.text}", 200),
        f"The line was written within ten minutes of the beacon's start. It says: {inert(line.text, 400)}",
        sign.score,
        "medium" if sign.score >= 50 else "low",
        sign.attack,
        {"source": line.source, "at": line.at, "text": line.text},
    )
