"""Judges a Windows host's kernel drivers. Hands over to tasks.windows.drivers; finds nothing on other systems."""

from __future__ import annotations

from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.model import Finding
from tasks.windows import drivers


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:  # noqa: ARG001 - a driver is judged by itself
    """One finding a driver, with all that speaks against it."""
    return drivers.judge(snapshot)
