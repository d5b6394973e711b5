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


# What differs between two lines that say the same: the time (three ways to write it), the process, the port of a client.
_VARIES = re.compile(r"^(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|[\d.T:+-]+Z?) |\[\d+\]|\bport \d+")


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each line near a beacon's start, the gravest lines first; what is said again and again, once.

    A host that hemostat looks at by sudo logs each of its own questions: they must not crowd out a single command of somebody else's.
    """
    if context.root != "/":
        return []
    near: dict[str, list[LogLine]] = {}
    for line in snapshot.logs:
        if context.near_start(snapshot, line.at):
            near.setdefault(_VARIES.sub("", line.text), []).append(line)
    found = [(same, max(_signs(same[0], context), key=lambda sign: sign.score, default=None)) for same in near.values()]
    told = sorted(((same, sign) for same, sign in found if sign), key=lambda pair: -pair[1].score)
    left = len(told) - MAX_FOUND
    return [_finding(same, sign, left * (n == MAX_FOUND)) for n, (same, sign) in enumerate(told[:MAX_FOUND], start=1)]


def _signs(line: LogLine, context: Context) -> Iterator[Sign]:
    if names([line.text], context.remote):
        yield Sign(f"a line names {context.remote.address}, the address of the alert", 80, "T1071")
    yield from (Sign(f"somebody's command {sign.words}", 70, sign.attack) for sign in tricks(line.text))
    yield from (sign for pattern, sign in _LINES if pattern.search(line.text))


def _finding(same: list[LogLine], sign: Sign, left: int) -> Finding:
    line, often = same[0], f", and {len(same) - 1} more like it" if len(same) > 1 else ""
    rest = f" {left} more lines of other words stand in triage's reading of the logs." if left > 0 else ""
    return Finding(
        "log.near",
        f"near the beacon's start {sign.words}",
        inert(f"{line.source}: {line.text}", 200),
        f"The line was written within ten minutes of the beacon's start{often}. It says: {inert(line.text, 400)}{rest}",
        sign.score,
        "medium" if sign.score >= 50 else "low",
        sign.attack,
        {"source": line.source, "at": line.at, "text": line.text, "times": len(same)},
    )
