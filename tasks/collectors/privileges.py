"""Judges files that give rights away: setuid bits and capabilities where none belong. Facts in, findings out; looks at no host."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator

from tasks.collectors.context import Context
from tasks.collectors.packages import PACKAGED
from tasks.facts import Snapshot
from tasks.facts_linux import Privilege
from tasks.model import Finding, inert
from tasks.signs import Sign, base, place

# Whoever may start one of these with another's rights may do anything as them.
_OPENS = re.compile(
    r"^(?:bash|sh|dash|ash|zsh|ksh|busybox|python[\d.]*|perl[\d.]*|ruby[\d.]*|php[\d.]*|node|lua[\d.]*|find|vim?(?:\.\w+)?|nano|less|"
    r"more|awk|gawk|mawk|sed|env|cp|mv|dd|tar|cat|tee|nmap|gdb|strace|tcpdump|docker|rsync|git|make|socat|nc|ncat|openssl|systemctl)$"
)
_STRONG = re.compile(
    r"cap_(?:setuid|setgid|sys_admin|sys_ptrace|sys_module|sys_rawio|dac_override|dac_read_search|chown|fowner|setfcap|bpf)\b|(?:^|\s)(?:all)?=[eip]*p"
)
# What distributions give strong capabilities to instead of the setuid bit.
_USUAL = re.compile(
    r"^/(?:usr/)?(?:s?bin|lib\w*|libexec)/(?:\S*/)?(?:newuidmap|newgidmap|suexec|snap-confine|systemd-detect-virt|sg_\w+|mtr-packet)$"
)
_SYSTEM = (
    "/usr/bin/",
    "/usr/sbin/",
    "/bin/",
    "/sbin/",
    "/usr/lib",
    "/lib",
    "/usr/libexec/",
    "/usr/local/",
    "/opt/",
    "/snap/",
    "/var/lib/",
)
_FRESH, _FEW = 14 * 86400.0, 4
# Added when the file was changed near the beacon's start.
_RECENT = 25


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each file; a setuid bit that `files` told already is left out."""
    told = {file.path for file in snapshot.files if file.mode & stat.S_ISUID and file.owner == "root"}
    rows = [
        row
        for row in snapshot.privileges
        if context.inside(row.path) and not (row.kind == "setuid" and row.path in told)
    ]
    fresh = [row for row in rows if context.now - row.changed < _FRESH]
    # Many at once are an installation.
    alone = {row.path for row in fresh} if len(fresh) <= _FEW else set()
    unowned = {package.path for package in snapshot.packages if package.verdict == "unowned"}
    found = [(row, max(_all(row, alone, unowned, context), key=lambda s: s.score, default=None)) for row in rows]
    return [_finding(row, sign, snapshot, context) for row, sign in found if sign]


def _all(row: Privilege, alone: set[str], unowned: set[str], context: Context) -> Iterator[Sign]:
    yield from _signs(row, row.path in alone, context)
    if _strong(row) and row.path in unowned:
        # What is in /usr/local or /opt is the owner's own, and few owners make a root of everybody.
        yield Sign(
            f"{_gives(row)}, and no package brought it", 70 if row.path.startswith(PACKAGED) else 40, _attack(row)
        )


def _strong(row: Privilege) -> bool:
    return row.gives == "root" if row.kind == "setuid" else row.kind == "capability" and bool(_STRONG.search(row.gives))


def _attack(row: Privilege) -> str:
    return "T1548" if row.kind == "capability" else "T1548.001"


def _signs(row: Privilege, fresh: bool, context: Context) -> Iterator[Sign]:
    own, strong, gives, attack = context.own(row.path), _strong(row), _gives(row), _attack(row)
    if strong and _OPENS.match(base(own)):
        yield Sign(f"{gives}, and it runs whatever it is told", 85, attack)
    if odd := place(row.path, context):
        yield Sign(f"{gives}, {odd.words}", 85 if strong else 55, attack)
    elif strong and not own.startswith(_SYSTEM):
        yield Sign(f"{gives}, outside of where programs are installed", 60, attack)
    if strong and row.kind == "capability" and not _USUAL.match(own):
        yield Sign(gives, 40, attack)
    if strong and fresh:
        yield Sign(f"{gives}, and was changed in the last 14 days (an upgrade does that, too)", 20, attack)


def _gives(row: Privilege) -> str:
    if row.kind == "capability":
        return f"gives whoever starts it {inert(row.gives, 120)}"
    return f"gives whoever starts it the rights of {inert(row.gives, 40)}"


def _finding(row: Privilege, sign: Sign, snapshot: Snapshot, context: Context) -> Finding:
    near = context.near_start(snapshot, row.modified, row.changed)
    score = min(sign.score + _RECENT * near, 98)
    return Finding(
        f"privilege.{row.kind}",
        f"{inert(base(row.path), 80)} {sign.words}"[:600],
        inert(row.path, 400),
        f"Owner {inert(row.owner, 40)}, mode {row.mode & 0o7777:04o}."
        + (" It was changed within ten minutes of the beacon's start." if near else ""),
        score,
        "high" if score >= 85 else "medium" if score >= 50 else "low",
        sign.attack,
        {"path": row.path, "kind": row.kind, "gives": row.gives, "mode": row.mode, "changed": row.changed},
    )
