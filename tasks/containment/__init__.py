"""What is done on the victim itself to contain it, of a remedy's shape. Knows which module carries out which kind of action."""

from __future__ import annotations

from tasks.containment import host_block, isolation, windows_block, windows_isolation
from tasks.remedies.shape import Remedy

KINDS: dict[str, Remedy] = {
    kind: module for module in (host_block, isolation, windows_block, windows_isolation) for kind in module.kinds
}
# The kinds of which verification asks whether they still stand.
BLOCKS, ISOLATIONS = (*host_block.kinds, *windows_block.kinds), (isolation.KEEP, windows_isolation.KEEP)
