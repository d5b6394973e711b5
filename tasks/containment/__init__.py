"""What is done on the victim itself to contain it, of a remedy's shape. Knows which module carries out which kind of action."""

from __future__ import annotations

from tasks.containment import host_block, isolation
from tasks.remedies.shape import Remedy

KINDS: dict[str, Remedy] = {kind: module for module in (host_block, isolation) for kind in module.kinds}
