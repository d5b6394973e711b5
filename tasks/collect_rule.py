"""What a playbook may say of collecting evidence. Knows the standard library only; copies nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tasks.limits import FilePath, Mebibytes, SamplesPassword
from tasks.model import Approval


@dataclass(frozen=True, slots=True)
class CollectRule:
    """Limits in MiB: of one item, of all items, and the free space that must remain.

    `memory` says whether the memory of suspicious processes is copied, `max_memory_mb` how much of each. `samples_password` is that
    of the archive of executables: no secret, but the word that keeps scanners and double clicks away.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_item_mb: Mebibytes = 256
    max_total_mb: Mebibytes = 2048
    keep_free_mb: Mebibytes = 1024
    memory: Approval = Approval.NEVER
    max_memory_mb: Mebibytes = 512
    samples_password: SamplesPassword = "infected"  # noqa: S105
    logs: tuple[FilePath, ...] = ("/var/log/auth.log", "/var/log/syslog", "/var/log/cron.log")
