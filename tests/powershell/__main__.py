"""`python -m tests.powershell`: lints every shipped script, for `make check`. Knows where they stand; must not know a rule."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.powershell.lint import faults

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Print `file:line: fault` for each; 1 when there is any."""
    scripts = sorted((ROOT / "tasks").rglob("*.ps1"))
    told = [f"{path.relative_to(ROOT)}:{fault}" for path in scripts for fault in faults(path.read_bytes())]
    print("\n".join(told) or f"{len(scripts)} PowerShell scripts: no fault")  # noqa: T201
    return 1 if told else 0


sys.exit(main())
