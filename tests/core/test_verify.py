"""Verification judging its second look: the past is no finding that comes back, and nothing is left out of what a person must judge."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from tasks import verify
from tasks.model import Outcome, Result
from tests.core.victim import Victim


def test_a_line_of_the_log_is_the_past(victim: Victim) -> None:
    """What the log says of before cannot be cleaned up and does not come back; a person judges it. A further line is a finding."""
    victim.find("log.near", source="auth.log", at=1000.0, text="sshd[1]: Accepted password for root from 203.0.113.9")
    (old,) = victim.case.state.findings
    seen = verify.judged(victim.case, [old])
    assert (seen.result, "1 lines of the log" in seen.observed) == (Result.PASS, True)
    again = verify.judged(victim.case, [old, replace(old, facts={**old.facts, "at": 2000.0})])
    assert (again.result, "1 left (1 of them new)" in again.observed) == (Result.FAIL, True)


def test_who_cannot_be_locked_is_for_a_person(victim: Victim) -> None:
    """A root login from the alert's address is not clean, however often it is looked at: the message says how a person ends that."""
    victim.find("login.suspicious", user="root", host="203.0.113.9", line="pts/0", at=1000.0)
    check = verify.judged(victim.case, victim.case.state.findings)
    assert check.result is Result.FAIL
    assert "--skip verify" in verify._end(victim.case, [check]).next


def test_what_has_no_file_is_not_forgotten(victim: Victim) -> None:
    """A module that hides and a login have neither file nor process: they are named for a person, also after a process was killed."""
    victim.find("process.talks", pid=4_000_000, created=1.0, sha256="", exe="/tmp/x", name="x", path="/tmp/x")
    victim.do(victim.plan())
    victim.find("module.hidden", module="evil")
    victim.find("connection.remote", pid=None, states=["TIME_WAIT"])  # the watch for silence answers for it
    end = verify._end(victim.case, [])
    assert (end.outcome, "1 suspicious things are left" in end.summary) == (Outcome.DONE, True), end.summary


def test_our_own_vault_is_no_loss_of_sight(victim: Victim) -> None:
    """Where /home is a file system of its own the file is kept beside its place: our doing. Another folder like that is not."""
    victim.file("home/x", b"threat")
    path = str(victim.root / "home/x")
    victim.find("file.beacon", path=path, sha256=sha256(b"threat").hexdigest())
    receipt = victim.do(victim.plan())
    folder = str(receipt.record["kept"]).rpartition("/")[0].rpartition("/")[0]
    why = {"what": folder, "why": "a quarantine vault was not judged"}
    seen = {"phase": "again", "artefact": "files", "path": "x", "sha256": "0" * 64, "count": 0, "rows": 0}
    victim.case.record("reading", **seen, unseen=[why])
    assert verify._sight(victim.case).result is Result.PASS
    victim.case.record("reading", **seen, unseen=[{**why, "what": "/elsewhere"}])
    assert verify._sight(victim.case).result is Result.UNKNOWN
