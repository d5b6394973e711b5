"""Step 4: seal the evidence. Copies volatile things first, hashes at the source and after the copy, then seals; changes nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tasks.case import Case, write_once
from tasks.journal import hexdigest, pretty, sync_folder
from tasks.model import (
    Evidence,
    Finding,
    HemostatError,
    Outcome,
    Refused,
    Step,
    StepEnd,
    TargetError,
    Unreachable,
    inert,
)
from tasks.transports.hands import Fetched

MIB = 1024 * 1024
# RFC 3227 section 2.1, order of volatility: what vanishes first is copied first.
VOLATILE = ("sockets", "cmdline", "environ", "maps", "status", "open_files")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to copy: its place in the folder, what it is, where from and how, and the copying itself."""

    path: str
    what: str
    source: str
    how: str
    copy: Callable[[BinaryIO, int], Fetched]


def run(case: Case) -> StepEnd:
    """Copy every item that triage pointed at, then write and seal the manifest.

    Raises:
        Refused: the disk has too little room; nothing was copied.
    """
    items = list(_items(case))
    _room(case)
    done = {e.path for e in case.state.evidence}
    missed: list[str] = []
    for number, item in enumerate(items):
        case.say(f"copying {item.what}", number / max(len(items), 1))
        if item.path not in done:
            _copy(case, item, missed)
    _adopt(case)
    _seal(case, missed)
    return _end(case, missed)


def suspects(findings: list[Finding], threshold: int) -> dict[int, float]:
    """pid to creation time of the processes that findings at or above the threshold speak of."""
    return {
        f.facts["pid"]: f.facts["created"]
        for f in findings
        if f.score >= threshold and f.facts.get("created") is not None
    }


def _items(case: Case) -> Iterator[Item]:
    loud = [f for f in case.state.findings if f.score >= case.playbook.triage.threshold]
    pids = suspects(loud, 0)
    for pid, created in pids.items():
        yield from _of_process(case, pid, created)
    for pid in pids:
        yield _file(case, f"/proc/{pid}/exe", f"evidence/process-{pid}/executable", f"executable of process {pid}")
    yield from _readings(case)
    for path in dict.fromkeys(f.facts[key] for f in loud for key in ("path", "script") if f.facts.get(key)):
        yield _file(case, path, f"evidence/files/{_flat(path)}", "file named by a finding")
    for log in case.playbook.collect.logs:
        path = f"{case.host.root.rstrip('/')}{log}"  # a drill's victim has its own /var/log, or none
        if case.hands().stat(path) is not None:
            yield _file(case, path, f"evidence/logs/{_flat(path)}", "log")


def _of_process(case: Case, pid: int, created: float) -> Iterator[Item]:
    """The texts of a process; read once, all together, so that they are of one moment."""
    if not any(abs(p.created - created) < 0.02 for p in case.hands().processes([pid])):
        return
    texts = case.hands().details(pid)
    order = [name for name in VOLATILE if name in texts] + [name for name in texts if name not in VOLATILE]
    for name in order:
        data = texts[name]
        yield Item(
            f"evidence/process-{pid}/{name}",
            f"{name} of process {pid}",
            f"/proc/{pid}",
            "read from procfs",
            _from_memory(data),
        )


def _from_memory(data: bytes) -> Callable[[BinaryIO, int], Fetched]:
    def copy(into: BinaryIO, limit: int) -> Fetched:
        into.write(data[:limit])
        return Fetched(len(data[:limit]), hexdigest(data[:limit]), len(data) > limit)

    return copy


def _file(case: Case, source: str, path: str, what: str) -> Item:
    return Item(
        path,
        what,
        source,
        "copied through the host's own kernel, hashed while read",
        lambda f, n: case.hands().fetch(source, f, n),
    )


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


def _flat(path: str) -> str:
    """A file name that keeps the whole path readable and can never leave the folder."""
    safe = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in path.strip("/").replace("/", "__")
    )
    return safe[-180:].lstrip(".") or "root"


def _room(case: Case) -> None:
    rule = case.playbook.collect
    free = shutil.disk_usage(case.folder).free // MIB
    needed = rule.keep_free_mb + rule.max_item_mb
    if free < needed:
        raise Refused(
            "free-space",
            f"{free} MiB are free in {case.folder}, {needed} MiB are needed",
            "make room, then redo collect",
        )


def _copy(case: Case, item: Item, missed: list[str]) -> None:
    rule = case.playbook.collect
    left = rule.max_total_mb * MIB - sum(e.size for e in case.state.evidence)
    target = case.folder / item.path
    try:
        fetched = _fetch(target, item, min(rule.max_item_mb * MIB, left))
    except Unreachable:
        raise
    except HemostatError as error:
        missed.append(f"{item.what}: {error.seen or error}")
        case.record("note", about="collect", text=f"not copied: {item.what} from {inert(item.source)}: {error}")
        return
    case.record("evidence", evidence=_custody(case, item, target, fetched))


def _fetch(target: Path, item: Item, limit: int) -> Fetched:
    """Into a .part file, whole or not at all; a crash leaves a .part that the next try overwrites."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)  # it may be read-only already, and then cannot be opened again
    with part.open("wb") as file:
        fetched = item.copy(file, limit)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(0o400)
    part.replace(target)
    sync_folder(target.parent)
    return fetched


def _custody(case: Case, item: Item, target: Path, fetched: Fetched) -> Evidence:
    copied = file_sha256(target)
    if copied != fetched.sha256:
        raise TargetError(
            f"copy {item.source}",
            "the copy's hash is not the source's",
            "do not trust the runner's disk",
        )
    return Evidence(
        path=item.path,
        what=item.what,
        source=item.source,
        how=item.how,
        by=case.incident.operator,
        host=case.host.name,
        at=datetime.now(UTC),
        size=fetched.size,
        sha256=copied,
        sha256_at_source=fetched.sha256,
        note="cut off at the size limit" if fetched.cut else "",
    )


def _adopt(case: Case) -> None:
    """Take in what a run copied that died before it could journal it, and whose source is gone now: it may be all there is."""
    known = {e.path for e in case.state.evidence}
    for path in sorted((case.folder / "evidence").rglob("*")):
        name = str(path.relative_to(case.folder))
        if name in known or path.is_symlink() or not path.is_file():
            continue
        if path.suffix == ".part" and not path.stat().st_size:
            path.unlink()  # the copy failed at its first byte, and was noted
            continue
        whole = "the copy is not whole" if path.suffix == ".part" else "its hash at the source is not known"
        case.record(
            "evidence",
            evidence=Evidence(
                path=name,
                what="copy without a record",
                source="not journalled",
                how="found in the folder: the runner died while it collected",
                by=case.incident.operator,
                host=case.host.name,
                at=datetime.now(UTC),
                size=path.stat().st_size,
                sha256=file_sha256(path),
                note=whole,
            ),
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file on the runner."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(case: Case, missed: list[str]) -> None:
    items = sorted(case.state.evidence, key=lambda e: e.path)
    manifest = pretty({"incident": case.incident.id, "evidence": items, "not_copied": missed})
    write_once(case.folder / "manifest.json", manifest)
    total = sum(e.size for e in items)
    case.record(
        "evidence.sealed",
        manifest="manifest.json",
        sha256=hexdigest(manifest),
        items=len(items),
        bytes=total,
        not_copied=missed,
    )


def _end(case: Case, missed: list[str]) -> StepEnd:
    items = case.state.evidence
    text = f"{len(items)} items sealed, {sum(e.size for e in items)} bytes" + (
        f"; {len(missed)} could not be copied" if missed else ""
    )
    return StepEnd(
        Step.COLLECT,
        Outcome.DONE if items else Outcome.NOTHING_TO_DO,
        text,
        "; ".join(inert(m, 120) for m in missed[:3]),
    )
