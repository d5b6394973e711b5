"""What is known of files on any Linux host: where everyone may write, whose homes are none, kinds by first bytes. Opens nothing."""

from __future__ import annotations

WRITABLE = ("/tmp", "/var/tmp", "/dev/shm", "/run/shm")  # noqa: S108
# System accounts live in these: walking them would be walking the whole disk.
SYSTEM_HOMES = frozenset({
    "", "/", "/bin", "/sbin", "/usr", "/usr/bin", "/usr/sbin", "/usr/games", "/dev", "/proc", "/sys", "/run",
})  # fmt: skip


def kind(head: bytes) -> str:
    """What a file is by its first bytes: elf, script, pe, archive, or empty for anything else."""
    if head.startswith(b"\x7fELF"):
        return "elf"
    if head.startswith(b"#!"):
        return "script"
    if head.startswith(b"MZ"):
        return "pe"
    return "archive" if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf")) else ""
