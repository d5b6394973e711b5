"""What a playbook may say of isolation. Knows the standard library only; cuts nothing off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from tasks.limits import Range


@dataclass(frozen=True, slots=True)
class IsolateRule:
    """How a host is cut off from everything, when `approvals` say so: nothing passes but loopback and the own path.

    `revert_after` seconds after the cut the host ends it by itself, unless a new connection of ours got through. `dns` spares the
    host's own resolvers (a beacon may speak through them), `dhcp` its lease.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    revert_after: Annotated[int, Range(5, 3600)] = 120
    dns: bool = False
    dhcp: bool = True
