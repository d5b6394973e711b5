"""Triage asks for the system around the processes once it knows whom it suspects; a host that cannot tell loses nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks import triage
from tasks.facts import System, Unseen
from tasks.facts_linux import Module
from tasks.model import Step, TargetError, Unreachable
from tasks.settings import TriageRule
from tests.core.desk import PLAYBOOK, sit_down
from tests.transports.conftest import sleeper, start

__all__ = ["sleeper", "start"]
RULE = TriageRule(collectors=("connections", "processes", "modules", "logs"), samples=1, window=0.0)


@pytest.fixture
def case(tmp_path):
    (tmp_path / "victim" / "tmp").mkdir(parents=True)
    case = sit_down(tmp_path / "incident", tmp_path / "victim", replace(PLAYBOOK, triage=RULE))
    yield case
    case.close()


def asked(case, monkeypatch, answer):
    """What the hands were asked, once triage ran."""
    questions = []

    def system(*question):
        questions.append(question)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(case.hands(), "system", system)
    case.record("step.started", step=Step.TRIAGE, attempt=1)
    triage.run(case)
    return questions


def readings(case):
    return {r["artefact"]: r for r in case.state.readings}


def test_the_suspects_start_and_programs_are_asked_for(case, monkeypatch, sleeper):
    """The parts that the playbook names, the start of who is loud, and its program before all others; the answer is judged and kept."""
    child = sleeper(Path(case.host.root) / "tmp" / "sshd")
    answer = System(modules=(Module("ghost", listed=False),), unseen=(Unseen("logs", "no journal"),))
    [(parts, since, starts, exes)] = asked(case, monkeypatch, answer)
    created = case.hands().processes([child.pid])[0].created
    assert tuple(parts) == ("modules", "logs")
    assert created in starts
    assert exes[0] == f"{case.host.root}/tmp/sshd"
    assert since < created
    assert {"modules", "logs"} <= readings(case).keys()
    assert "module.hidden" in {f.rule for f in case.state.findings}
    assert any(u["what"] == "logs" for r in case.state.readings for u in r["unseen"])


def test_a_host_that_cannot_tell_loses_nothing_else(case, monkeypatch):
    """The failure is told as unseen; the other readings stand."""
    asked(case, monkeypatch, TargetError("ask the host", "it hangs", "look by hand"))
    assert {"connections", "processes", "modules", "logs"} <= readings(case).keys()
    assert any("it hangs" in u["why"] for u in readings(case)["modules"]["unseen"])


def test_a_host_that_is_gone_ends_the_step(case, monkeypatch):
    """A broken connection is no blind spot."""
    with pytest.raises(Unreachable):
        asked(case, monkeypatch, Unreachable("ask the host", "it is gone", "is it up?"))
