"""Step 4: seal the evidence. Copies volatile things first, hashes at the source and after the copy, then seals; changes nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tasks import memory_copy, samples
from tasks.case import Case, write_once
from tasks.journal import hexdigest, pretty, sync_folder
from tasks.model import (
    Evidence,
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
from tasks.wanted import EXECUTABLE, Item, items
from tasks.windows.paths import on_windows

MIB = 1024 * 1024


def run(case: Case) -> StepEnd:
    """Copy every item that triage pointed at, then write and seal the manifest.

    Raises:
        Refused: the disk has too little room; nothing was copied.
        Waiting: nobody has said whether processes' memory may be copied; what else was copied stands.
    """
    missed: list[str] = []
    wanted = list(items(case, missed))
    _room(case)
    for number, item in enumerate(wanted):
        case.say(f"copying {item.what}", number / max(len(wanted), 1))
        _copy_new(case, item, missed)
    for item in memory_copy.items(case, missed):
        case.say(f"copying {item.what}", None)
        _copy_new(case, item, missed)
    if archive := samples.item(case, missed):
        _copy_new(case, archive, missed)
    # What a cleanup destroys for good is told first.
    missed.sort(key=lambda text: not text.startswith(EXECUTABLE))
    _adopt(case)
    _seal(case, missed)
    return _end(case, missed)


def _copy_new(case: Case, item: Item, missed: list[str]) -> None:
    if twin := _twin(case, item):
        case.record("note", about="collect", text=f"{item.what} is the very file of {twin}: it was fetched once")
    elif place := _place(case, item):
        _copy(case, replace(item, path=place), missed)


def _twin(case: Case, item: Item) -> str:
    """Where the same file of a Windows host, under the hash that triage saw, was put for another process; empty when it was not."""
    if not on_windows(item.source):
        return ""
    same = (e for e in case.state.evidence if e.source.casefold() == item.source.casefold() and e.sha256 in item.seen)
    return next((e.path for e in same if e.path != item.path), "")


def _place(case: Case, item: Item) -> str:
    """Where to copy it; empty when it is there. Beside an older copy of something else that had its place, which stays."""
    there = [e for e in case.state.evidence if e.path == item.path or e.path.startswith(f"{item.path}~")]
    if any(not item.seen or e.sha256 in item.seen for e in there):
        return ""
    return f"{item.path}~{case.state.attempts.get(Step.COLLECT, 1)}" if there else item.path


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
        fetched = _fetch(target, item, min(item.most or rule.max_item_mb * MIB, left))
    except Unreachable:
        raise
    except HemostatError as error:
        missed.append(f"{_named(item)}: {error.seen or error}")
        case.record("note", about="collect", text=f"not copied: {item.what} from {inert(item.source)}: {error}")
        return
    case.record("evidence", evidence=_custody(case, item, target, fetched))


def _named(item: Item) -> str:
    """Which one it is: a process is told by its number, any other thing by where it lies."""
    return item.what if " of process " in item.what else f"{item.what} {inert(item.source, 200)}"


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
        by=case.operator,
        host=case.host.name,
        at=datetime.now(UTC),
        size=fetched.size,
        sha256=copied,
        sha256_at_source=fetched.sha256,
        note=_note(item, fetched),
    )


def _note(item: Item, fetched: Fetched) -> str:
    if fetched.cut or fetched.gaps:
        return "; ".join([*(["cut off at the size limit"] if fetched.cut else []), *fetched.gaps])
    return "it changed after triage saw it" if item.seen and fetched.sha256 not in item.seen else ""


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
                by=case.operator,
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
    sealed = sorted(case.state.evidence, key=lambda e: e.path)
    manifest = pretty({"incident": case.incident.id, "evidence": sealed, "not_copied": missed})
    write_once(case.folder / "manifest.json", manifest)
    total = sum(e.size for e in sealed)
    case.record(
        "evidence.sealed",
        manifest="manifest.json",
        sha256=hexdigest(manifest),
        items=len(sealed),
        bytes=total,
        not_copied=missed,
    )


def _end(case: Case, missed: list[str]) -> StepEnd:
    sealed = case.state.evidence
    text = f"{len(sealed)} items sealed, {sum(e.size for e in sealed)} bytes" + (
        f"; {len(missed)} could not be copied" if missed else ""
    )
    told = "; ".join(inert(m, 120) for m in missed[:3])
    if missed and missed[0].startswith(EXECUTABLE):
        told += "; a cleanup may lose it for good"
    return StepEnd(Step.COLLECT, Outcome.DONE if sealed else Outcome.NOTHING_TO_DO, text, told)
