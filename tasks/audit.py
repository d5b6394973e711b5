"""`hemostat verify`: is the record what was written? Chain, manifest, every hash; offline, read-only, from the folder alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tasks.collect import file_sha256
from tasks.fold import fold
from tasks.journal import NAME, BrokenChain, read, torn_bytes
from tasks.model import Check, Json, Result, inert
from tasks.state import State


def audit(folder: Path, head: str = "") -> list[Check]:
    """Every statement that can be checked; a broken chain is the last one, since nothing after it can be trusted.

    Args:
        folder: the incident's folder.
        head: the journal's head hash as written down elsewhere; without it a journal that lost whole lines at its end passes.
    """
    path = folder / NAME
    try:
        records = list(read(path))
    except BrokenChain as error:
        return [Check("journal", "every line as it was written", f"line {error.line}: {error.seen}", Result.FAIL)]
    except OSError as error:
        return [Check("journal", "it can be read", error.strerror or str(error), Result.FAIL)]
    torn = torn_bytes(path)
    if not records:
        return [
            Check("journal", "it opens an incident", f"no whole line, {torn} bytes of an unfinished one", Result.FAIL)
        ]
    checks = [
        Check("journal", "every line as it was written", f"{len(records)} lines, head {records[-1].hash}", Result.PASS)
    ]
    if torn:
        checks.append(
            Check("journal's end", "a whole last line", f"{torn} bytes of an unfinished line", Result.UNKNOWN)
        )
    if head:
        checks.append(_head([r.hash for r in records], head))
    return [*checks, *_files(folder, fold(records))]


def _head(hashes: list[str], head: str) -> Check:
    found = any(h.startswith(head) for h in hashes) and len(head) >= 8
    return Check(
        "journal's head",
        f"{inert(head)} is in the chain",
        "it is" if found else "it is not",
        Result.PASS if found else Result.FAIL,
    )


def _files(folder: Path, state: State) -> Iterator[Check]:
    # Also the readings of attempts that were cut off or done anew: all of them are evidence.
    for reading in (r.data for r in state.records if r.kind == "reading"):
        yield _file(folder, reading["path"], reading["sha256"])
    for item in state.evidence:
        yield _file(folder, item.path, item.sha256)
    if state.seal:
        yield _file(folder, state.seal["manifest"], state.seal["sha256"])
        yield _manifest(folder / state.seal["manifest"], state)
        yield from _strangers(folder, state)
    for name, sha256 in state.reports.items():
        yield _file(folder, name, sha256)


def _file(folder: Path, name: str, sha256: str) -> Check:
    expected = f"SHA-256 {sha256}"
    try:
        seen = file_sha256(folder / name)
    except OSError as error:
        return Check(name, expected, error.strerror or str(error), Result.FAIL)
    return Check(name, expected, f"SHA-256 {seen}", Result.PASS if seen == sha256 else Result.FAIL)


def _manifest(path: Path, state: State) -> Check:
    try:
        rows: Json = json.loads(path.read_bytes())["evidence"]
        listed = {row["path"]: row["sha256"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return Check("manifest", "it lists the evidence", "it cannot be read", Result.FAIL)
    same = listed == {e.path: e.sha256 for e in state.evidence}
    return Check(
        "manifest", "the same items as the journal", f"{len(listed)} items", Result.PASS if same else Result.FAIL
    )


def _strangers(folder: Path, state: State) -> Iterator[Check]:
    """What lies among the evidence and was never journalled."""
    known = {folder / e.path for e in state.evidence}
    for path in sorted((folder / "evidence").rglob("*")):
        if path in known or (path.is_dir() and not path.is_symlink()):
            continue
        cut_off = path.suffix == ".part"
        yield Check(
            inert(path.relative_to(folder)),
            "journalled evidence",
            "a copy that was cut off" if cut_off else "nobody journalled this file",
            Result.UNKNOWN if cut_off else Result.FAIL,
        )
