"""A remedy's look after its undo: what Windows writes anew by itself is no difference, anything else is."""

from __future__ import annotations

from typing import cast

import pytest

from tasks.model import Action, Json, Receipt
from tasks.transports.hands import Hands
from tasks.windows.remedy import Shipped

TASK = '<Task version="1.2"><Settings>\r\n  <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>{}</Settings>{}</Task>'


class Told:
    """A host that answers with one record."""

    def __init__(self, record: dict[str, Json]) -> None:
        self.record = record

    def shipped(self, name: str, arguments: object) -> Json:
        return {"gone": False, "seen": "enabled, 0 of it run", "record": self.record}


@pytest.mark.parametrize(
    ("now", "back"),
    [
        ({"enabled": True, "xml": TASK.format("<Enabled>true</Enabled>", "")}, True),
        ({"enabled": False, "xml": TASK.format("<Enabled>false</Enabled>", "")}, False),
        ({"enabled": True, "xml": TASK.format("", "<Actions/>")}, False),
    ],
)
def test_a_task_that_was_enabled_again_stands_as_it_stood(now: dict[str, Json], back: bool) -> None:
    """schtasks leaves <Enabled> out of a definition; disabling and enabling puts it there."""
    was = {"enabled": True, "xml": TASK.format("", "")}
    action = Action("a", "windows.task", "web-1", "t", "r")
    receipt = Receipt("a", True, True, "done", record=was)
    assert Shipped("task").look_restored(cast(Hands, Told(now)), action, receipt).present is back
