"""Host block and isolation over real SSH on the range's victim: what the C2 hears, the control host misses, a killed runner leaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from flows import engine
from flows.launch import Launch, urgent
from lab.netns.range import Range
from tasks import on_host, site, undo
from tasks.case import Case, Request, opened, reopened
from tasks.model import (
    Approval,
    Consent,
    Finding,
    Mode,
    Outcome,
    Receipt,
    Remote,
    Step,
    TargetError,
    Unreachable,
)
from tasks.remedies import Scope, account
from tasks.secrets import resolve
from tasks.settings import Site
from tasks.transports import reach
from tasks.ways import Ssh
from tests.containment.conftest import REPO
from tests.patience import silent, until
from tests.range.ground import MARKS, chosen, merge, running

pytestmark = MARKS
REVERT = 15
# The runner dies where it hurts most: the host is cut off, and no new connection has proved anything yet.
DYING = """
import sys, time
from pathlib import Path
from tasks.case import load_state
from tasks.transports.ssh_hands import SshHands
from tests.containment.test_over_ssh import respond
def renew(*_):
    print("cut off", flush=True)
    time.sleep(60)
SshHands.renew = renew
print(load_state(respond(Path(sys.argv[1]))[0]).ends)
"""


def respond(folder: Path) -> tuple[Path, Outcome]:
    """Confirm and block, as a run does first; the incident's folder and how block ended."""
    known = site.load(folder / "site")
    remote = Remote.parse((folder / "remote").read_text())
    request = Request(known.host("victim"), remote, known.playbook("drill"), "anna", Mode.DRILL)
    with opened(folder / "reports", known, request) as case:
        urgent(case, Launch())
        return case.folder, case.state.ends[Step.BLOCK].outcome


def isolating(made: Range, folder: Path, revert: int = REVERT) -> None:
    """A playbook that denies on the host and isolates it, and the remote for `respond`."""
    (folder / "remote").write_text(str(made.remote))
    changes = {"block": {"on_host": True}, "isolate": {"revert_after": revert}, "approvals": {"isolate": "auto"}}
    merge(folder / "site/playbooks/drill.yaml", changes)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Range, Path]]:
    """The range with a playbook that denies on the host and isolates it."""
    folder = tmp_path_factory.mktemp("ground")
    with running(folder, chosen("keepalive")) as made:
        isolating(made, folder)
        yield made, folder


def rules(made: Range) -> str:
    return made.run("victim", "nft", "list", "ruleset")


def quiet(made: Range) -> bool:
    """Does the C2 hear nothing any more? What was on its way before the cut may still be written down."""
    return silent(lambda: len(made.c2_messages()), 1.0)


def talks(made: Range) -> bool:
    """Does the C2 hear something new?"""
    before = len(made.c2_messages())
    return until(lambda: len(made.c2_messages()) > before, 20)


def take_back(case: Case, *steps: str) -> list[bool]:
    case.record("override", word="unverified", by="anna", reason="a test")
    return [u.back for u in undo.run(case, steps, Approval.AUTO)]


def test_isolated_over_ssh_and_let_go_again(ground: tuple[Range, Path]) -> None:
    """By a new login's proof; the C2 hears nothing, the control host misses nothing, and the undo leaves no rule of ours."""
    made, folder = ground
    before, lost = rules(made), made.control()[1]
    incident, outcome = respond(folder)
    with reopened(incident) as case:
        checks = {c.name: c for _, c in case.state.checks}
        assert outcome is Outcome.DONE, case.state.ends[Step.BLOCK]
        assert checks["rule in victim itself"].result == "pass"
        assert checks["isolation of victim"].result == "pass"
        assert quiet(made)
        assert [c.result for c in on_host.again(case)] == ["pass", "pass"]
        assert all(take_back(case, Consent.ISOLATE))
        assert "isolation" not in rules(made)
        assert quiet(made)
        assert all(take_back(case, Consent.BLOCK))
    assert rules(made) == before
    assert made.control()[1] == lost


def test_a_killed_runner_leaves_the_host_reachable(ground: tuple[Range, Path]) -> None:
    """kill -9 with the host cut off: the switch, which no connection holds, ends it; the next run goes on from the journal."""
    made, folder = ground
    assert talks(made), "the beacon did not come back"
    with subprocess.Popen(
        [sys.executable, "-c", DYING, str(folder)], cwd=REPO, stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "cut off\n"
        runner.kill()
    assert "policy drop" in rules(made)
    assert until(lambda: "hemostat_isolation" not in rules(made), REVERT + 3), "the dead-man's switch did nothing"
    assert "hemostat_host" in rules(made)
    incident = sorted((folder / "reports").iterdir())[-1]
    with reopened(incident) as case:
        case.record("step.redo", step=Step.BLOCK, by="anna", reason="")
        assert engine.run_step(case, Step.BLOCK, engine.Nobody()).outcome is Outcome.DONE
        assert [c.result for c in on_host.again(case)] == ["pass", "pass"]
        assert all(take_back(case, Consent.ISOLATE, Consent.BLOCK))
    assert "hemostat" not in rules(made)


def logs_in(known: Site, user: str) -> bool:
    """Does a new login of that user come about, with a key that its sshd accepts?"""
    guest = replace(known.host("victim"), username=user, ssh=Ssh())
    try:
        with closing(reach(guest, known, resolve)) as hands:
            return hands.run(["id", "-un"]).out.strip() == user.encode()
    except (Unreachable, TargetError):
        return False


def test_a_locked_user_cannot_come_in_again(ground: tuple[Range, Path]) -> None:
    """A real account that useradd made: its key opens the door before, not while it is locked, and again after the undo."""
    made, folder = ground
    known = site.load(folder / "site")
    made.run("victim", "useradd", "--create-home", "--shell", "/bin/sh", "--password", "$6$a$b", "mallory")
    assert logs_in(known, "mallory")
    before = made.inside("/etc/shadow").read_bytes()
    facts = {"user": "mallory", "host": "198.18.0.1", "line": "pts/0", "at": 0.0}
    finding = Finding("login.suspicious", "x", "x", "x", 95, "high", "T1078", facts)
    (action,) = account.plan([finding], Scope("incident", "victim", "/v", logins=("root",)))
    with closing(reach(known.host("victim"), known, resolve)) as hands:
        look = account.look(hands, action)
        account.act(hands, action, look)
        assert account.look(hands, action).present
        assert not logs_in(known, "mallory")
        account.undo(hands, action, Receipt(action.id, True, True, "", look.record))
    assert logs_in(known, "mallory")
    assert made.inside("/etc/shadow").read_bytes() == before
