"""Judges a Windows host's kernel drivers: unsigned, in odd places, running without a registration. Facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.facts import Snapshot
from tasks.facts_windows import Driver, Signed
from tasks.model import Finding, inert
from tasks.signs import Sign
from tasks.windows import places
from tasks.windows.paths import base, plain
from tasks.windows.processes import signed

_HOMES = (
    "c:\\windows\\system32\\",
    "c:\\windows\\syswow64\\",
    "c:\\program files",
    "c:\\programdata\\microsoft\\windows defender\\",
)


def judge(snapshot: Snapshot) -> list[Finding]:
    """One finding a driver, with all that speaks against it."""
    if snapshot.windows is None:
        return []
    files = signed(snapshot.windows)
    found = [(driver, list(_signs(driver, files.get(plain(driver.path))))) for driver in snapshot.windows.drivers]
    return [_finding(driver, signs, files.get(plain(driver.path))) for driver, signs in found if signs]


def _signs(driver: Driver, file: Signed | None) -> Iterator[tuple[str, Sign]]:
    # Crash-dump copies of storage drivers are loaded under a name of their own and registered nowhere (Windows Internals, part 2).
    if driver.running and not driver.registered and not base(driver.path).startswith(("dump_", "hiber_")):
        yield "unregistered", Sign("runs in the kernel, but no service registers it", 80, "T1014")
    # Microsoft's own Sysmon puts its driver straight into Windows' folder.
    if (
        driver.path
        and not plain(driver.path).startswith(_HOMES)
        and not (places.system(driver.path) and places.trusted(file))
    ):
        yield (
            "place",
            Sign(f"stands at {inert(driver.path, 200)}, where no installation puts a driver", 65, "T1543.003"),
        )
    if file is not None and file.status == "NotSigned":
        yield "signature", Sign("is not signed by anyone", 75 if driver.running else 55, "T1553.006")
    elif file is not None and (sign := places.signature(file)):
        yield "signature", sign


def _finding(driver: Driver, signs: list[tuple[str, Sign]], file: Signed | None) -> Finding:
    rule, gravest = max(signs, key=lambda reason: reason[1].score)
    return Finding(
        f"driver.{rule}",
        f"the driver {inert(driver.name, 80)} {gravest.words}",
        inert(driver.path or driver.name, 400),
        "; ".join(f"it {sign.words}" for _, sign in signs),
        gravest.score,
        "high" if gravest.score >= 75 else "medium",
        gravest.attack,
        {
            "name": driver.name,
            "path": plain(driver.path),
            "running": driver.running,
            "sha256": file.sha256 if file else "",
        },
    )
