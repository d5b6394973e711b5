"""The collected executables once more, in an archive that no scanner opens. Knows the evidence folder; must not know a host.

The field's custom: a ZIP with AES encryption and the password `infected`, as sandboxes and vendors take samples. A scanner on the runner
may take the plain copies away; this one stays.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from tasks.case import Case
from tasks.model import Evidence, TargetError
from tasks.transports.hands import Fetched
from tasks.wanted import EXECUTABLE, Item

# What an operating system executes: ELF, Windows PE, a script with its interpreter.
MAGIC = (b"\x7fELF", b"MZ", b"#!")


def item(case: Case, missed: list[str]) -> Item | None:
    """The archive, as one more piece of evidence; None when nothing executable was collected. What is gone by now is told."""
    wanted = [e for e in case.state.evidence if e.what.startswith(EXECUTABLE) or e.path.startswith("evidence/files/")]
    there = [e for e in wanted if (case.folder / e.path).is_file()]
    missed += [
        f"{e.path}: it is gone from the evidence folder; did a scanner take it?" for e in wanted if e not in there
    ]
    samples = [e for e in there if _executable(case.folder / e.path)]
    if not samples:
        return None
    # Another set of samples is another archive: a sealed one is never written again.
    mark = hashlib.sha256("".join(sorted(e.sha256 for e in samples)).encode()).hexdigest()[:8]
    told = f"{len(samples)} executable(s), AES zip, password {case.playbook.collect.samples_password}"
    most = case.playbook.collect.max_total_mb * 1024 * 1024
    how = "packed by hemostat from the copies beside it"
    return Item(
        f"evidence/samples-{mark}.zip", told, "the evidence", how, lambda f, n: _pack(case, samples, f, n), most=most
    )


def _executable(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(MAGIC)


def _pack(case: Case, samples: list[Evidence], into: BinaryIO, limit: int) -> Fetched:
    import pyzipper  # here: it loads a cipher library, for which no block should wait

    size = sum(e.size for e in samples)
    if size > limit:
        raise TargetError(
            "pack the samples", f"{size} bytes are more than the limit of {limit} leaves room for", "raise max_total_mb"
        )
    with pyzipper.AESZipFile(into, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(case.playbook.collect.samples_password.encode())
        for sample in samples:
            archive.write(case.folder / sample.path, sample.path)
    into.flush()
    with Path(into.name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Fetched(Path(into.name).stat().st_size, digest)
