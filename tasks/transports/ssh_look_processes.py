"""The processes of a Linux host as scripts/look.sh tells them. Knows its records; must not know which process is bad."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.facts import Process, Unseen
from tasks.model import TargetError, inert
from tasks.transports import linux_proc
from tasks.transports.linux_proc import ProcStat
from tasks.transports.ssh_look_records import Ask, Record, contents, first, of_kind, records, unseen, users

SECONDS = 120.0
HIDDEN_SECONDS = 5
_DELETED = " (deleted)"
_PART = re.compile(r"/(\d+)/(\w+)$", re.ASCII)
_BY_PID = re.compile(r"^\S*/(\d+)/status:(Tgid|Uid):[ \t]*(\d+)", re.ASCII)
_PROGRAM = re.compile(r"^(\d+:\d+) (\d+) (\d+) \S*/(\d+)/exe$", re.ASCII)
_SAME = re.compile(r"^(\d+:\d+)=\S*/(\d+)/exe$", re.ASCII)
_SUM = re.compile(r"^([0-9a-f]{64})  \S*/(\d+)/exe$", re.ASCII)
_KINDS = {"f": "file", "d": "folder", "s": "socket", "p": "pipe"}


@dataclass(frozen=True, slots=True)
class _Clock:
    """When the host booted, in seconds since the epoch, its clock ticks in a second, and the boot's own name."""

    boot: float
    ticks: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class _Table:
    """What the records say, by pid."""

    stats: dict[int, ProcStat]
    files: dict[tuple[int, str], bytes]
    users: dict[int, int]
    links: dict[tuple[int, str], str]
    named: frozenset[int]
    unlinked: frozenset[int]
    sums: dict[int, str]
    hidden: dict[int, str]


def processes(ask: Ask, pids: Sequence[int] | None = None) -> tuple[list[Process], list[Unseen]]:
    """All processes, also those that hide, or those of `pids` that live, and what was left out; programs hashed on the host."""
    found = records(ask, "processes", [str(HIDDEN_SECONDS), *map(str, pids or ())], SECONDS) if pids != [] else []
    table = _table(found)
    clocks = _Clock(*clock(found), boot_id(found))
    names = users(found)
    names |= _other_users(ask, set(table.users.values()) - names.keys())
    seen = {pid for pid, stat in table.stats.items() if pids is None or not stat.over}
    # Our own helper below a mount over /proc is no process of the host's.
    seen -= {int(word) for word in (r.word for r in of_kind(found, "uncovered")) if word.isascii() and word.isdigit()}
    shown = [_process(pid, table, names, clocks) for pid in sorted(seen)]
    wanted = table.hidden.keys() - table.stats.keys() if pids is None else set()
    return [*shown, *(_unreadable(pid, table.hidden[pid]) for pid in sorted(wanted))], unseen(found)


def clock(found: Sequence[Record]) -> tuple[float, int]:
    """When the host booted, in seconds since the epoch, and its clock ticks in a second."""
    lines = first(found, "clock").split("\n")
    boot = next((line.split(" ")[1] for line in lines if re.fullmatch(r"btime \d{1,15}", line, re.ASCII)), "0")
    ticks = next((line for line in lines if re.fullmatch(r"[1-9]\d{0,5}", line, re.ASCII)), "100")
    return float(boot), int(ticks)


def boot_id(found: Sequence[Record]) -> str:
    """The kernel's own name for the boot; empty where it told none."""
    return next((r.text.strip() for r in of_kind(found, "boot")), "")


def _other_users(ask: Ask, numbers: set[int]) -> dict[int, str]:
    """A directory (LDAP, SSSD) may know users that the file does not."""
    return users(records(ask, "users", [str(n) for n in sorted(numbers)[:200]], 20.0)) if numbers else {}


def _table(found: Sequence[Record]) -> _Table:
    status = [m for r in of_kind(found, "lines") for line in r.lines() if (m := _BY_PID.match(line))]
    files = {key: data for name, data in contents(found).items() if (key := _key(name))}
    read = {
        pid: linux_proc.stat(data.decode("utf-8", "surrogateescape"))
        for (pid, what), data in files.items()
        if what == "stat"
    }
    programs = [m for r in of_kind(found, "programs") for line in r.lines() if (m := _PROGRAM.match(line))]
    return _Table(
        stats={pid: stat for pid, stat in read.items() if stat and stat.pid == pid},
        files=files,
        users={int(m[1]): int(m[3]) for m in status if m[2] == "Uid"},
        links=_links(found),
        named=frozenset(key[0] for r in of_kind(found, "named") for line in r.lines() if (key := _key(line))),
        unlinked=frozenset(int(m[4]) for m in programs if m[2] == "0"),
        sums=_sums(found, programs),
        hidden=hidden(found),
    )


def _key(name: str) -> tuple[int, str] | None:
    match = _PART.search(name)
    return (int(match[1]), match[2]) if match else None


def _links(found: Sequence[Record]) -> dict[tuple[int, str], str]:
    links: dict[tuple[int, str], str] = {}
    for record in of_kind(found, "links"):
        parts = record.text.split("\0")
        links |= {
            key: target for name, target in zip(parts[::2], parts[1::2], strict=False) if (key := _key(name)) and target
        }
    for record in of_kind(found, "link"):
        if (key := _key(record.word)) and record.text:
            links[key] = record.text.removesuffix("\n")
    return links


def _sums(found: Sequence[Record], programs: Sequence[re.Match[str]]) -> dict[int, str]:
    """Each program was hashed once, through one of the processes that run it, if that one still ran it afterwards."""
    identity = {int(m[4]): m[1] for m in programs}
    same = {(int(m[2]), m[1]) for r in of_kind(found, "same") for line in r.lines() if (m := _SAME.match(line))}
    told = [m for r in of_kind(found, "sums") for line in r.lines() if (m := _SUM.match(line))]
    by_identity = {identity[int(m[2])]: m[1] for m in told if (int(m[2]), identity.get(int(m[2]))) in same}
    return {pid: by_identity[which] for pid, which in identity.items() if which in by_identity}


def hidden(found: Sequence[Record]) -> dict[int, str]:
    """The processes that a listing or a look-up of /proc does not show, with how they hide."""
    secret = {pid: how for r in of_kind(found, "covers") for pid, how in linux_proc.covered(r.text).items()}
    listed = set(first(found, "listed").split())
    groups = (m for r in of_kind(found, "groups") for line in r.lines() if (m := _BY_PID.match(line)))
    for match in groups:
        if match[2] == "Tgid" and match[1] == match[3] and match[1] not in listed:
            secret.setdefault(int(match[1]), "it runs, but a listing of /proc leaves it out")
    for word in first(found, "mute").split():
        if word.isascii() and word.isdigit() and word not in listed:
            secret.setdefault(int(word), "it answers to a signal, but /proc has no entry for it")
    return secret


def _process(pid: int, table: _Table, names: dict[int, str], clocks: _Clock) -> Process:
    stat, uid = table.stats[pid], table.users.get(pid)
    words = linux_proc.argv(table.files.get((pid, "cmdline"), b""))
    alive = not stat.kernel and stat.state not in "ZX"
    exe, deleted, memfd = _exe(pid, table)
    digest = table.sums.get(pid, "")
    groups = table.files.get((pid, "cgroup"), b"").decode("utf-8", "surrogateescape")
    lacks = {"user": uid is None, "cwd": (pid, "cwd") not in table.links, "exe": not exe, "sha256": not digest}
    return Process(
        pid,
        stat.ppid,
        clocks.boot + stat.started / clocks.ticks,
        linux_proc.full_name(stat.name, words),
        exe=exe,
        deleted=deleted,
        memfd=memfd,
        sha256=digest,
        cmdline=words,
        user="" if uid is None else names.get(uid, str(uid)),
        cwd=table.links.get((pid, "cwd"), "").removesuffix(_DELETED),
        hidden=table.hidden.get(pid, ""),
        denied=tuple(name for name, lacking in lacks.items() if lacking and alive),
        container=linux_proc.container(groups),
        unit=linux_proc.unit(groups),
        started=linux_proc.started(clocks.boot_id, stat.started),
    )


def _exe(pid: int, table: _Table) -> tuple[str, bool, bool]:
    """The program's path without what the kernel adds to it, whether it was deleted, whether it never had a file."""
    target = table.links.get((pid, "exe"), "")
    bare = target.removesuffix(_DELETED)
    if target.startswith("/memfd:"):
        return bare.removeprefix("/"), False, True
    deleted = target != bare and (pid in table.unlinked or pid not in table.named)
    return (bare if deleted else target), deleted, False


def _unreadable(pid: int, how: str) -> Process:
    unknown = ("name", "exe", "sha256", "cmdline", "user", "cwd", "created")
    return Process(pid, 0, 0.0, "", hidden=how, denied=unknown)


def details(ask: Ask, pid: int) -> dict[str, bytes]:
    """Volatile texts of one process by name; `unseen` has one line for each that could not be read.

    Raises:
        TargetError: there is no such process.
    """
    found = records(ask, "details", [str(pid)], 120.0)
    if of_kind(found, "gone"):
        raise TargetError(f"look at process {pid}", "there is no such process", "it ended; see the earlier readings")
    refused = [r.word for r in of_kind(found, "refused")]
    texts = {r.word: r.body for r in of_kind(found, "text") if r.word not in refused}
    if "open_files" in texts:
        texts["open_files"] = open_files(texts["open_files"])
    why = [f"{name}: it could not be read" for name in refused] + [f"{u.what}: {u.why}" for u in unseen(found)]
    return texts | ({"unseen": "\n".join(why).encode()} if why else {})


def open_files(data: bytes) -> bytes:
    """One line a descriptor, as local_proc.open_files has it, from find's; another listing stays as it is."""
    if b"\0" not in data:
        return data
    rows = [row.decode("utf-8", "surrogateescape").split("\t", 2) for row in data.split(b"\0")]
    whole = [row for row in rows if len(row) == 3 and row[0].isascii() and row[0].isdigit()]
    lines = [
        f"{n}\t{_KINDS.get(kind, 'device')}\t{target!r}"
        for n, kind, target in sorted(whole, key=lambda row: int(row[0]))
    ]
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def search(ask: Ask) -> list[Unseen]:
    """What the host keeps from this way of looking as a whole."""
    found = records(ask, "blind", [str(HIDDEN_SECONDS)], 60.0)
    return [*unseen(found), *(Unseen(inert(what, 400), inert(why, 400)) for what, why in _lacks(found).items() if why)]


def _lacks(found: Sequence[Record]) -> dict[str, str]:
    root = first(found, "who") == "0"
    covers = linux_proc.covered(first(found, "covers")) if not of_kind(found, "uncovered") else {}
    listed = of_kind(found, "listed")
    hooked = [word for kind in ("preload", "libraries") if (word := first(found, kind))]
    missing = first(found, "tools")
    return {
        "sockets of other processes": _closed(found, root),
        "processes of other users": "/proc is mounted with hidepid" if linux_proc.hides_others(first(found, "mounts")) else "",
        "what a mount over /proc covers": f"process {min(covered)}: uncovering needs root" if (covered := covers) else "",
        "hidden processes": "" if listed and listed[0].word == "yes" else "the search for them ran out of time",
        "processes outside this container": "" if first(found, "namespace") == linux_proc.FIRST_PID_NAMESPACE
        else "the login is in a PID namespace",
        "what a preloaded library hides": f"the host's own tools run with it: {', '.join(hooked)}" if hooked else "",
        "what needs tools that this host lacks": f"it has no {', '.join(missing.split())}" if missing else "",
        "other users' files and processes": "" if root else f"the login (uid {first(found, 'who')}) is not root",
    }  # fmt: skip


def _closed(found: Sequence[Record], root: bool) -> str:
    record = next(iter(of_kind(found, "descriptors")), None)
    if record is None or record.words[:1] in ((), ("0",)):
        return ""
    why = "the kernel protects them even from root" if root else "the login is not root"
    return f"the descriptors of {' of '.join(record.words[:2])} processes are closed to us ({why})"
