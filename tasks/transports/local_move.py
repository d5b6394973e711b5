"""Moving one file of this host, fenced, sure of what is moved and of where it goes. Must not know why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.model import TargetError, inert
from tasks.transports.local_change import digest_of, fence, folder_of, refusals, resolved
from tasks.transports.local_files import opened


def move(
    root: str, source: str, target: str, mode: int, expect_sha256: str = "", into: tuple[int, int] | None = None
) -> None:
    """Rename within one file system and set the mode.

    The folders are opened once, without following links; the file is hashed and renamed through them, and what was renamed
    is looked at again: a file that was put in between goes back.

    Args:
        expect_sha256: only the file with this hash is moved; empty for whatever is there.
        into: device and inode that the target's folder must have. None: it is a folder that only this user writes in, made with
            0700 if it is missing.

    Raises:
        Refused: one of the two lies outside the root.
        TargetError: it is another file or folder, the target is there already, or is on another file system.
    """
    fence(resolved(target), root)
    tried = f"move {inert(source)} to {inert(target)}"
    with (
        folder_of(source, root) as (source_folder, source_name),
        folder_of(target, root, make=into is None) as (target_folder, target_name),
        refusals(tried),
    ):
        if into is not None and _identity(os.fstat(target_folder)) != into:
            raise TargetError(tried, "the folder is another one than before", "look at it by hand; nothing was moved")
        if into is None and not _only_ours(os.fstat(target_folder)):
            raise TargetError(tried, "others may write in that folder: what goes there is not locked", "look at it")
        if _known(target_folder, target_name):
            raise TargetError(f"move {inert(source)}", f"{inert(target)} is there already", "nothing was overwritten")
        with _handle(source_folder, source_name) as handle:
            if expect_sha256:
                _expect(source_folder, source_name, handle, expect_sha256, tried)
            _rename(source_folder, source_name, target_folder, target_name, handle, tried)
            if stat.S_ISREG(os.fstat(handle).st_mode):  # a link's mode means nothing
                Path(f"/proc/self/fd/{handle}").chmod(mode)
            os.fsync(target_folder)
            os.fsync(source_folder)


def _identity(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_dev, seen.st_ino


def _known(folder: int, name: str) -> tuple[int, int] | None:
    """Device and inode of what has that name; None for nothing."""
    with suppress(FileNotFoundError):
        return _identity(os.stat(name, dir_fd=folder, follow_symlinks=False))
    return None


def _only_ours(folder: os.stat_result) -> bool:
    return folder.st_uid == os.geteuid() and not folder.st_mode & 0o022


@contextmanager
def _handle(folder: int, name: str) -> Iterator[int]:
    """A handle on the file itself, a link not followed, that needs no permission to read it."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def _expect(folder: int, name: str, handle: int, sha256: str, tried: str) -> None:
    with opened(name, folder) as descriptor:
        same = _identity(os.fstat(descriptor)) == _identity(os.fstat(handle)) and digest_of(descriptor) == sha256
    if not same:
        raise TargetError(tried, "it is no longer the file that triage saw", "redo triage; nothing was moved")


def _rename(source: int, name: str, target: int, new: str, handle: int, tried: str) -> None:
    wanted = _identity(os.fstat(handle))
    if _known(source, name) != wanted:
        raise TargetError(tried, "another file was put in its place", "redo triage; nothing was moved")
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
    if _known(target, new) == wanted:
        return
    os.rename(new, name, src_dir_fd=target, dst_dir_fd=source)
    raise TargetError(tried, "another file was put in its place", "redo triage; it was put back")
