"""Each playbook of the repository has an alert that it is meant for: a folder of its name with alert.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import doors

CODE = Path(__file__).parents[2]
PLAYBOOKS = sorted(path.stem for path in (CODE / "playbooks").glob("*.yaml"))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_its_alert_chooses_it(name: str) -> None:
    """Through the door that a sensor uses, with the example inventory."""
    case = Path(__file__).parent / name / "alert.json"
    assert case.is_file(), f"write {case.relative_to(CODE)}: an EVE alert that playbooks/{name}.yaml is meant for"
    _, requests = doors.by_alert(CODE, "suricata", case.read_bytes())
    assert [(r.playbook.name, r.host.name) for r in requests] == [(name, "web-1")]
