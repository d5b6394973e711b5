"""Every collector's judgement, as data: a case is facts, what is expected of them, and why."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tasks import collectors
from tasks.facts import Snapshot
from tasks.model import ConfigError, Remote, inert
from tests.collectors import scene

ALL = [(name, case) for name in collectors.artefacts() for case in scene.load(name)]


@pytest.mark.parametrize("name", collectors.artefacts())
def test_every_collector_has_cases(name):
    """A collector without a folder of cases is not finished: add tests/collectors/cases/NAME/*.yaml."""
    assert scene.load(name), f"tests/collectors/cases/{name}/ has no case"
    assert (scene.CASES / name).is_dir()


def test_no_folder_of_cases_without_its_collector():
    """A folder of cases whose collector is gone is left over."""
    assert {path.name for path in scene.CASES.iterdir()} == set(collectors.artefacts())


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{name}: {case['case']}" for name, case in ALL])
def test_case(name, case):
    """The findings are exactly the expected ones, by rule, score, certainty and technique."""
    found = collectors.judge((name,), scene.snapshot(case), scene.context(case))
    told = sorted(f"{f.rule} {f.score} {f.sure} {f.attack}" for f in found)
    assert told == sorted(case.get("expect") or []), "\n".join(
        f"{f.rule} at {f.where}: {f.what}. {f.why}" for f in found
    )
    for word in case.get("says", []):
        assert any(word in f"{f.what} {f.where} {f.why}" for f in found), f"no finding says {word!r}: {found}"


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{name}: {case['case']}" for name, case in ALL])
def test_findings_can_be_shown_and_kept(name, case):
    """What a finding shows is harmless on a terminal, and its facts can be written as JSON."""
    for finding in collectors.judge((name,), scene.snapshot(case), scene.context(case)):
        shown = (finding.what, finding.where, finding.why)
        assert shown == tuple(inert(text) for text in shown)
        json.dumps(dataclasses.asdict(finding))
        assert 0 <= finding.score <= 100
        assert finding.sure in ("low", "medium", "high")
        assert finding.attack.startswith("T")


def test_an_unknown_collector_is_the_files_fault():
    """A playbook that names no file of tasks/collectors/ gets the names that there are."""
    with pytest.raises(ConfigError, match="connections"):
        collectors.load("registry")
    with pytest.raises(ConfigError):
        collectors.load("context")


def test_an_empty_snapshot_has_no_findings():
    """Nothing seen, nothing found."""
    empty = Snapshot("h", 0.0, 0.0)
    assert collectors.judge(collectors.artefacts(), empty, collectors.Context(Remote.parse("203.0.113.9"))) == []


def test_a_condemned_process_takes_its_persistence_along():
    """A beacon that was never caught with a socket, but bears a kernel thread's name: what starts it is found with it."""
    case = {
        "processes": [{"pid": 10, "name": "kworker/u8:3", "exe": "/opt/x/k", "cmdline": ["[kworker/u8:3]"]}],
        "autostarts": [{"kind": "cron", "path": "/etc/cron.d/x", "text": "* * * * * root /opt/x/k"}],
    }
    found = collectors.judge(("processes", "autostarts"), scene.snapshot(case), scene.context(case))
    assert [(f.rule, f.score) for f in found if f.score >= 50] == [
        ("autostart.beacon", 95),
        ("process.kernel_name", 85),
    ]
    assert not any("talks to" in f.what for f in found), "nobody was caught talking, and nobody shall be told so"
