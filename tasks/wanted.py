"""What there is to copy: the suspects' texts and executables, triage's readings, files that findings name, logs. Seals nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from tasks.case import Case
from tasks.facts import Start
from tasks.journal import hexdigest
from tasks.model import Finding, TargetError, Unreachable
from tasks.transports.hands import Fetched
from tasks.windows.paths import on_windows

# RFC 3227 section 2.1, order of volatility: what vanishes first is copied first.
VOLATILE = ("sockets", "cmdline", "environ", "maps", "status", "open_files")
HOW = "copied through the host's own kernel, hashed while read"
EXECUTABLE = "executable of process"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to copy: its place in the folder, what it is, where from and how, and the copying itself.

    `seen` are the SHA-256 values under which triage saw it; none when it saw no hash. `most`: its own limit in bytes, instead of the
    playbook's for one item.
    """

    path: str
    what: str
    source: str
    how: str
    copy: Callable[[BinaryIO, int], Fetched]
    seen: frozenset[str] = frozenset()
    most: int = 0


@dataclass(frozen=True, slots=True)
class Suspect:
    """A process that loud findings speak of, with the hashes of its executable that they saw."""

    pid: int
    created: float
    seen: frozenset[str]
    exe: str = ""
    started: str = ""

    @property
    def start(self) -> Start:
        """With `pid` its identity."""
        return Start(self.created, self.started)

    @property
    def source(self) -> str:
        """Where its program is copied from: on Linux what the kernel holds open, though its file be deleted."""
        return self.exe if on_windows(self.exe) else f"/proc/{self.pid}/exe"

    @property
    def folder(self) -> str:
        """Its place in the evidence: a pid that is used again has another one."""
        return f"evidence/process-{self.pid}-{self.created:.0f}"


def items(case: Case, missed: list[str]) -> Iterator[Item]:
    """All items in the order of volatility; what cannot even be begun is told in `missed`."""
    loud = loud_ones(case)
    suspected = suspects(loud)
    for suspect in suspected:
        yield from _texts(case, suspect, missed)
    for suspect in suspected:
        yield _executable(case, suspect)
    yield from _readings(case)
    for path in dict.fromkeys(f.facts[key] for f in loud for key in ("path", "script") if f.facts.get(key)):
        yield _file(case, path, f"evidence/files/{flat(path)}", "file named by a finding", _hashes(loud, "path", path))
    for log in case.playbook.collect.logs if case.host.platform != "windows" else ():
        path = f"{case.host.root.rstrip('/')}{log}"  # a drill's victim has its own /var/log, or none
        if case.hands().stat(path) is not None:
            yield _file(case, path, f"evidence/logs/{flat(path)}", "log", frozenset())


def loud_ones(case: Case) -> list[Finding]:
    """The findings that the playbook calls suspicious."""
    return [f for f in case.state.findings if f.score >= case.playbook.triage.threshold]


def suspects(findings: list[Finding]) -> list[Suspect]:
    """The processes that the findings speak of, each once."""
    known = {f.facts["pid"]: Start.of(f.facts) for f in findings if f.facts.get("created") is not None}
    exes = {f.facts["pid"]: str(f.facts["exe"]) for f in findings if f.facts.get("pid") and f.facts.get("exe")}
    return [
        Suspect(pid, start.created, _hashes(findings, "pid", pid), exes.get(pid, ""), start.started)
        for pid, start in known.items()
    ]


def _hashes(findings: list[Finding], key: str, value: object) -> frozenset[str]:
    return frozenset(f.facts["sha256"] for f in findings if f.facts.get(key) == value and f.facts.get("sha256"))


def lives(case: Case, suspect: Suspect) -> bool:
    """Is it still that very process? A pid alone is used again."""
    return any(p.start.same(suspect.start) for p in case.hands().processes([suspect.pid]))


def _texts(case: Case, suspect: Suspect, missed: list[str]) -> Iterator[Item]:
    """The texts of a process; read once, all together, so that they are of one moment."""
    why, texts = "it is gone", dict[str, bytes]()
    try:
        texts = case.hands().details(suspect.pid) if lives(case, suspect) else {}
    except Unreachable:
        raise
    except TargetError as error:
        why = error.seen
    if not texts or not lives(case, suspect):
        if not any(e.path.startswith(f"{suspect.folder}/") for e in case.state.evidence):
            missed.append(f"texts of process {suspect.pid}: {why}")
        return
    order = [name for name in VOLATILE if name in texts] + [name for name in texts if name not in VOLATILE]
    for name in order:
        path, what = f"{suspect.folder}/{name}", f"{name} of process {suspect.pid}"
        source, how = (
            (f"process {suspect.pid}", "look.ps1") if on_windows(suspect.exe) else (f"/proc/{suspect.pid}", "procfs")
        )
        yield Item(path, what, source, f"read from {how}", _from_memory(texts[name]))


def _executable(case: Case, suspect: Suspect) -> Item:
    source = suspect.source

    def copy(into: BinaryIO, limit: int) -> Fetched:
        """Sure that it is that process's, before and after: else nothing is kept under its name."""
        _still(case, suspect)
        fetched = case.hands().fetch(source, into, limit)
        try:
            _still(case, suspect)
            if suspect.seen and not fetched.cut and fetched.sha256 not in suspect.seen:
                raise TargetError(f"copy {source}", "it is not the program that triage saw", "redo triage")
        except TargetError:
            into.seek(0)
            into.truncate()
            raise
        return fetched

    what = f"{EXECUTABLE} {suspect.pid}"
    return Item(f"{suspect.folder}/executable", what, source, HOW, copy, suspect.seen)


def _still(case: Case, suspect: Suspect) -> None:
    if not lives(case, suspect):
        raise TargetError(f"copy {suspect.source}", "the process is gone", "see the file itself, if it had one")


def _from_memory(data: bytes) -> Callable[[BinaryIO, int], Fetched]:
    def copy(into: BinaryIO, limit: int) -> Fetched:
        into.write(data[:limit])
        return Fetched(len(data[:limit]), hexdigest(data[:limit]), len(data) > limit)

    return copy


def _file(case: Case, source: str, path: str, what: str, seen: frozenset[str]) -> Item:
    return Item(path, what, source, HOW, lambda f, n: case.hands().fetch(source, f, n), seen)


def _readings(case: Case) -> Iterator[Item]:
    for reading in case.state.readings:
        source = case.folder / reading["path"]
        yield Item(
            f"evidence/{reading['path']}",
            f"reading of {reading['artefact']}",
            reading["path"],
            "triage's own reading",
            _from_memory(source.read_bytes()),
        )


def flat(path: str) -> str:
    """A file name that keeps the path readable, can never leave the folder, and is no other path's."""
    safe = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in path.strip("/").replace("/", "__")
    )
    mark = sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe[-170:].lstrip('.') or 'root'}-{mark}"
