"""The remedy `account`: a user that shadow's own tools made, locked and unlocked for them to see; nobody whom the machine lives by."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks import verify
from tasks.cleanup import left_to_a_person, plan
from tasks.journal import NAME
from tasks.model import Refused, Result, TargetError
from tasks.report_judge import answered
from tests.core.victim import Victim

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("useradd"),
    reason="needs root and useradd: a real account in a root of its own",
)
PASSWORD = "$6$saltsalt$aVeryRealLookingHash"


@pytest.fixture
def accounts(victim: Victim) -> Victim:
    """A root with the accounts that Debian begins with, and users that useradd made in it."""
    etc = victim.root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n")
    (etc / "shadow").write_text("root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n")
    (etc / "group").write_text("root:x:0:\ndaemon:x:1:\n")
    (etc / "gshadow").write_text("")
    add(victim, "mallory", "--password", PASSWORD)
    add(victim, "toor", "--uid", "0", "--non-unique", "--password", PASSWORD, "--expiredate", "2030-01-01")
    return victim


def add(victim: Victim, name: str, *more: str) -> None:
    words = ["useradd", "--prefix", str(victim.root), "--no-create-home", *more, name]
    subprocess.run(words, check=True, capture_output=True)


def status(victim: Victim, name: str) -> tuple[str, str]:
    """What shadow's own tools say in that root: P usable, L locked; and when the account ends."""
    row = subprocess.run(["passwd", "--root", str(victim.root), "-S", name], capture_output=True, text=True)
    line = next(x for x in (victim.root / "etc/shadow").read_text().splitlines() if x.startswith(f"{name}:"))
    return row.stdout.split()[1] if row.stdout else line.split(":")[1][:1], line.split(":")[7]


def suspicious(victim: Victim, user: str) -> None:
    victim.find("login.suspicious", user=user, host="203.0.113.9", line="pts/0", at=0.0)


@needs_root
def test_a_user_is_locked_and_unlocked_to_the_byte(accounts: Victim) -> None:
    """Password and expiry, nothing of anybody else's; the undo gives back the very file."""
    shadow = accounts.root / "etc/shadow"
    before, mode = shadow.read_bytes(), shadow.stat().st_mode
    suspicious(accounts, "mallory")
    action = accounts.plan()
    receipt = accounts.do(action)
    assert receipt.changed
    assert status(accounts, "mallory") == ("L", "1")
    changed = [(a, b) for a, b in zip(before.splitlines(), shadow.read_bytes().splitlines(), strict=True) if a != b]
    assert [a.split(b":")[0] for a, _ in changed] == [b"mallory"]
    assert accounts.undo(action, receipt).ok
    assert (shadow.read_bytes(), shadow.stat().st_mode) == (before, mode)


@needs_root
def test_a_second_root_is_locked_and_its_expiry_comes_back(accounts: Victim) -> None:
    """A line of etc/passwd with uid 0 is not taken out: the account behind it is locked."""
    path = accounts.root / "etc/passwd"
    line = next(x for x in path.read_text().splitlines() if x.startswith("toor:"))
    accounts.find("autostart.root", path=str(path), line=4, text=line, kind="account", sha256="", owner="root")
    action = accounts.plan()
    assert left_to_a_person(accounts.case, [action]) == []
    before = status(accounts, "toor")
    receipt = accounts.do(action)
    assert status(accounts, "toor")[1] == "1"
    assert line in path.read_text()
    assert accounts.undo(action, receipt).ok
    assert status(accounts, "toor") == before


@needs_root
def test_the_hash_is_in_no_journal(accounts: Victim) -> None:
    """What an undo needs is that it was there, not what it is."""
    suspicious(accounts, "mallory")
    accounts.undo(action := accounts.plan(), accounts.do(action))
    assert PASSWORD not in (accounts.case.folder / NAME).read_text()


@needs_root
def test_a_locked_account_is_left_as_it_is(accounts: Victim) -> None:
    """Locked by somebody before: nothing is changed, so nothing is taken back."""
    subprocess.run(["usermod", "--prefix", str(accounts.root), "-L", "-e", "1970-01-02", "mallory"], check=True)
    suspicious(accounts, "mallory")
    receipt = accounts.do(accounts.plan())
    assert (receipt.ok, receipt.changed) == (True, False)


@pytest.mark.parametrize("user", ["root", "ours"])
def test_our_own_way_in_is_never_planned(victim: Victim, user: str) -> None:
    """root and the login that hemostat uses stay; a person may lock them."""
    victim.case.site.hosts["web"] = victim.case.host.__class__(
        "web", "192.0.2.1", "linux", "ssh", username="ours", root=str(victim.root)
    )
    suspicious(victim, user)
    assert plan(victim.case) == []


@needs_root
def test_a_system_account_that_runs_something_is_spared(accounts: Victim) -> None:
    """Locking it may end a service; the guard says which process."""
    child = subprocess.Popen(["sleep", "60"], user="daemon", cwd="/")
    try:
        suspicious(accounts, "daemon")
        with pytest.raises(Refused, match=str(child.pid)):
            accounts.do(accounts.plan())
    finally:
        child.kill()
        child.wait()


@needs_root
def test_a_user_of_a_directory_is_not_guessed_at(accounts: Victim) -> None:
    """Not in etc/shadow: a person locks it where it is kept."""
    suspicious(accounts, "ldap-user")
    with pytest.raises(TargetError, match="not in the host's etc/shadow"):
        accounts.do(accounts.plan())


def test_shadow_of_another_moment_is_not_overwritten(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """passwd(1) changes it between our look and our act: nobody's new password is lost."""
    victim.file("etc/passwd", b"mallory:x:1001:1001::/home/mallory:/bin/sh\n")
    path = victim.file("etc/shadow", b"mallory:$6$a$b:19000:0:99999:7:::\n", 0o640)
    suspicious(victim, "mallory")
    action = victim.plan()
    read = type(victim.hands).read

    def overtaken(hands: object, name: str, limit: int) -> bytes:
        data = read(victim.hands, name, limit)
        if Path(name) == path and read.calls == 1:  # type: ignore[attr-defined]
            path.write_bytes(b"mallory:$6$new$new:19001:0:99999:7:::\n")
        read.calls += Path(name) == path  # type: ignore[attr-defined]
        return data

    read.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(type(victim.hands), "read", overtaken)
    with pytest.raises(TargetError, match="changed it since"):
        victim.do(action)
    assert path.read_bytes().startswith(b"mallory:$6$new$new:19001")


def test_verification_takes_a_locked_user_for_answered(victim: Victim) -> None:
    """A login stays in the records for ever: locked is what clean means for it, and an undo makes it count again."""
    victim.file("etc/passwd", b"mallory:x:41001:41001::/home/mallory:/bin/sh\n")
    victim.file("etc/shadow", b"mallory:$6$a$b:19000:0:99999:7:::\n", 0o640)
    suspicious(victim, "mallory")
    (finding,) = victim.case.state.findings
    again = verify.judged(victim.case, [finding])
    assert (again.result, answered(finding, victim.case.state)) == (Result.FAIL, False)
    action = victim.plan()
    receipt = victim.do(action)
    again = verify.judged(victim.case, [finding])
    assert (again.result, answered(finding, victim.case.state)) == (Result.PASS, True)
    assert "1 of users that are locked now" in again.observed
    victim.undo(action, receipt)
    assert verify.judged(victim.case, [finding]).result is Result.FAIL
