"""Judges what a Windows host recorded: its event logs, names, proxies and transfers. Finds nothing on other systems."""

from __future__ import annotations

from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.model import Finding
from tasks.windows import events, notes


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The findings of the logs and of the smaller artefacts."""
    return [*events.judge(snapshot, context), *notes.judge(snapshot, context)]
