"""What the synthetic incidents are about: the block, the findings, the evidence, the remedies. Data only."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

from tasks.model import Action, Finding, Remote

START = datetime(2026, 3, 14, 8, 30, 0, tzinfo=UTC)
REMOTE = Remote(ip_address("203.0.113.66"), 8443)
ID = "inc-20260314-083002-web-7"
PLAIN = {"process": "kworkerd", "path": "/home/deploy/.cache/.kworkerd", "signature": "ET MALWARE beacon (synthetic)"}


def rule() -> Action:
    """The act of the block."""
    said = (
        "configure terminal",
        "object-group network HEMOSTAT",
        "network-object host 203.0.113.66",
        "end",
        "clear conn address 203.0.113.66",
    )
    return Action(
        "block:fw-1",
        "block",
        "fw-1",
        str(REMOTE),
        "stop the beacon at the edge",
        said,
        {"list": "HEMOSTAT"},
        "remove exactly this entry from the list HEMOSTAT",
    )


def suspicious(name: str, path: str) -> list[Finding]:
    """What triage finds."""
    return [
        Finding(
            "c2-owner",
            f"process {name} talks to the remote",
            f"{path} (pid 4242)",
            f"{name} owns the socket in 3 of 3 samples",
            96,
            "high",
            "T1071.001",
            {"pid": 4242, "exe": path},
        ),
        Finding(
            "deleted-exe",
            f"{name} runs from a deleted file",
            "/proc/4242/exe",
            "the file was removed while it ran",
            88,
            "high",
            "T1070.004",
            {"pid": 4242},
        ),
        Finding(
            "cron",
            "a cron line starts it every minute",
            "/var/spool/cron/crontabs/deploy:3",
            f"* * * * * {path} --quiet",
            84,
            "medium",
            "T1053.003",
            {"path": "/var/spool/cron/crontabs/deploy", "line": 3},
        ),
        Finding(
            "hidden-file",
            "hidden executable in a writable folder",
            "/home/deploy/.local/share/.x",
            "executable, younger than 14 days, no package owns it",
            55,
            "low",
            "T1564.001",
            {"path": "/home/deploy/.local/share/.x"},
        ),
    ]


def items(name: str, path: str) -> list[tuple[str, str, str, str, int, str, bool | None]]:
    """Path, what, source, how, size, SHA-256, and whether the source had the same hash (None: not hashed)."""
    return [
        (
            "evidence/4242/exe",
            f"executable of {name}",
            path,
            "copied through /proc/4242/exe",
            1_204_224,
            "c0ffee" * 10 + "c0ff",
            True,
        ),
        ("evidence/4242/maps", "memory maps", "/proc/4242/maps", "read", 9_214, "0a" * 32, None),
        ("evidence/4242/environ", "environment", "/proc/4242/environ", "read", 811, "0b" * 32, None),
        (
            "evidence/crontab-deploy",
            "crontab of deploy",
            "/var/spool/cron/crontabs/deploy",
            "copied",
            143,
            "0c" * 32,
            True,
        ),
        ("evidence/auth.log", "log", "/var/log/auth.log", "copied, the last 256 MiB", 48_200_311, "0d" * 32, False),
    ]


def remedies(name: str, path: str) -> list[Action]:
    """What cleanup plans."""
    return [
        Action(
            "autostart:deploy:3",
            "autostart",
            "web-7",
            "/var/spool/cron/crontabs/deploy:3",
            "starts the beacon",
            (),
            {"path": "/var/spool/cron/crontabs/deploy", "line": 3},
            "put the line back",
            True,
        ),
        Action(
            "kill:4242",
            "kill",
            "web-7",
            f"pid 4242 ({name})",
            "is the beacon",
            (),
            {"pid": 4242, "sha256": "c0ffee" * 10 + "c0ff"},
            None,
            True,
        ),
        Action(
            "quarantine:1",
            "quarantine",
            "web-7",
            path,
            "is the beacon's program",
            (),
            {"path": path},
            "move it back with its owner, mode and times",
            True,
        ),
    ]
