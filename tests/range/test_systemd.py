"""A victim whose first process is a real systemd: its units, managers, timers, journal and sessions, over real SSH."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psutil
import pytest

from flows import engine
from lab.netns import cgroups, layout, systemd
from lab.netns.range import Range
from tasks import on_host, site, undo
from tasks.case import Case, reopened
from tasks.containment import switch
from tasks.model import Approval, Consent, Finding, Outcome, Receipt, Step
from tasks.remedies import Scope, unit
from tasks.secrets import resolve
from tasks.transports import reach
from tasks.transports.ssh_hands import SshHands
from tests.cli.house import ended, say, spawn
from tests.containment.conftest import REPO, until
from tests.containment.test_over_ssh import DYING, rules
from tests.patience import BUSY
from tests.range.ground import MARKS, chosen, merge, running

WHY_NOT = systemd.missing()
pytestmark = [
    *MARKS,
    pytest.mark.skipif(bool(WHY_NOT), reason=f"no systemd as a victim's first process here: {WHY_NOT}"),
]
REVERT = 15
EVIL = "/usr/bin/sleep 86399"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Range, Path]]:
    """The range, with a playbook that isolates the host."""
    folder = tmp_path_factory.mktemp("systemd")
    with running(folder, chosen("systemd", persistence=("unit",))) as made:
        (folder / "remote").write_text(str(made.remote))
        isolate = {"isolate": {"revert_after": REVERT}, "approvals": {"isolate": "auto"}}
        merge(folder / "site/playbooks/drill.yaml", {**isolate, "block": {"on_host": True}})
        yield made, folder


@pytest.fixture
def hands(ground: tuple[Range, Path]) -> Iterator[SshHands]:
    """The victim within reach, as a step has it."""
    known = site.load(ground[1] / "site")
    with closing(reach(known.host(layout.VICTIM), known, resolve)) as reached:
        yield reached  # type: ignore[misc]


def sh(made: Range, words: str) -> str:
    """A shell's words on the victim; what they print, whatever their status is."""
    return str(made.order(layout.VICTIM, "run", argv=["sh", "-c", words])["out"])


def put(made: Range, path: str, text: str, owner: str = "root") -> None:
    made.run(layout.VICTIM, "install", "-D", "-o", owner, "-m", "644", "/dev/stdin", path, stdin=text)


def remedied(hands: SshHands, path: str, owner: str = "root") -> tuple[object, Receipt]:
    """The remedy for an autostart in that file, planned and done; what must be there for its undo."""
    facts = {"kind": "systemd", "path": path, "line": 0, "text": "", "owner": owner}
    facts["sha256"] = sha256(hands.read(path, 1 << 20)).hexdigest()
    finding = Finding("autostart.starts", "x", path, "x", 95, "high", "T1543.002", facts)
    (action,) = unit.plan([finding], Scope("incident", "victim", "/var/lib/hemostat/quarantine/x"))
    before = unit.look(hands, action)
    assert not before.present
    unit.act(hands, action, before)
    assert unit.look(hands, action).present, unit.look(hands, action)
    return action, Receipt(action.id, True, True, "", before.record)


def taken_back(hands: SshHands, action: object, receipt: Receipt) -> None:
    unit.undo(hands, action, receipt)  # type: ignore[arg-type]
    assert unit.look_restored(hands, action, receipt).present  # type: ignore[arg-type]


# --- the host ----------------------------------------------------------------------------------------------------------


def test_it_is_a_real_systemd_that_harms_nobody(ground: tuple[Range, Path]) -> None:
    """Process 1, no failed unit but the beacon's, logind and journald; the machine's own settings are out of its reach."""
    made, _ = ground
    assert sh(made, "cat /proc/1/comm").strip() == "systemd"
    assert until(lambda: sh(made, "systemctl is-system-running").strip() in ("running", "degraded"), 20)
    failed = sh(made, "systemctl --failed --plain --no-legend").split("\n")
    assert [line for line in failed if line and "kworker" not in line] == []
    assert sh(made, "echo 1 2>&1 >/proc/sys/fs/protected_fifos || echo closed").strip().endswith("closed")
    allowed = int(sh(made, "grep CapBnd /proc/1/status").split()[1], 16)
    assert [number for number in systemd.FORBIDDEN if allowed >> number & 1] == []


def test_a_host_that_restarts_itself_is_there_again(tmp_path: Path) -> None:
    """`reboot` on it is a real one: units stop, and what is enabled starts again."""
    with running(tmp_path, chosen("systemd", persistence=("unit",))) as made:
        boot = sh(made, "cat /proc/1/stat").split()[21]
        sh(made, "systemctl reboot")
        assert until(lambda: sh(made, "cat /proc/1/stat").split()[21:22] not in ([], [boot]), 20)
        assert until(lambda: sh(made, "systemctl is-active ssh.service").strip() == "active", 20)


LIVES = """
import sys, time
from pathlib import Path
from lab.netns.range import Range
from tests.range.ground import chosen
with Range(Path(sys.argv[1]), chosen("systemd", persistence=("unit",))) as lab:
    print(lab._child.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("whole", [False, True], ids=["the drill", "the range's own process"])
def test_nothing_is_left_after_sigkill(tmp_path: Path, whole: bool) -> None:
    """No process, whoever is killed; and no control group, at the latest when the next range has started."""
    place, argv = cgroups.mounted(), [sys.executable, "-c", LIVES, str(tmp_path / "range")]
    assert place is not None
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=REPO) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        (init,) = [p for p in psutil.Process(child).children(recursive=True) if words(p.pid) == f"{systemd.PROGRAM}\0"]
        group = place / cgroup(init.pid)
        inside = [init, *init.children(recursive=True)]
        assert (group.is_dir(), len(inside) > 5) == (True, True)
        os.kill(child if whole else parent.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(inside, 10 * BUSY)
        parent.kill()
    assert alive == []
    cgroups.sweep()
    assert not group.exists()


def words(pid: int) -> str:
    """Its command line; nothing when it has ended meanwhile."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def cgroup(pid: int) -> str:
    """The range's own control group that this process is in, seen from this machine."""
    rows = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(row.split("/")[1] for row in rows if row.startswith("0::"))


# --- units -------------------------------------------------------------------------------------------------------------


def test_what_a_unit_does_when_it_is_stopped_is_not_done(ground: tuple[Range, Path], hands: SshHands) -> None:
    """ExecStop and ExecStopPost are the attacker's, a stop without end holds nothing up, and Restart=always brings nothing back."""
    made, path = ground[0], "/etc/systemd/system/nasty.service"
    stop = "ExecStop=/bin/touch /tmp/stopped\nExecStopPost=/bin/touch /tmp/stopped\nTimeoutStopSec=infinity\n"
    put(
        made,
        path,
        f"[Service]\nExecStart={EVIL}\n{stop}Restart=always\nRestartSec=0\n[Install]\nWantedBy=multi-user.target\n",
    )
    sh(made, "systemctl enable --now nasty.service")
    assert sh(made, "systemctl is-active nasty.service").strip() == "active"
    action, receipt = remedied(hands, path)
    assert sh(made, "systemctl is-active nasty.service; systemctl is-enabled nasty.service").split() == [
        "failed",
        "masked",
    ]
    assert (EVIL in sh(made, "ps -eo args"), sh(made, "ls /tmp/stopped")) == (False, "")
    taken_back(hands, action, receipt)
    assert sh(made, "systemctl is-enabled nasty.service").strip() == "enabled"
    assert EVIL not in sh(made, "ps -eo args"), "an undo starts nothing"
    sh(made, "systemctl disable nasty.service")


def test_all_instances_of_a_template_end(ground: tuple[Range, Path], hands: SshHands) -> None:
    """And no instance can start while the template is masked; the undo enables again those that were."""
    made, path = ground[0], "/etc/systemd/system/worker@.service"
    put(made, path, f"[Service]\nExecStart={EVIL}\n[Install]\nWantedBy=multi-user.target\n")
    sh(made, "systemctl enable --now worker@1.service worker@2.service")
    action, receipt = remedied(hands, path)
    assert EVIL not in sh(made, "ps -eo args")
    assert "masked" in sh(made, "systemctl start worker@1.service 2>&1")
    taken_back(hands, action, receipt)
    assert sh(made, "systemctl is-enabled worker@2.service").strip() == "enabled"


def test_a_unit_that_systemd_run_made_ends(ground: tuple[Range, Path], hands: SshHands) -> None:
    """Its file below /run is found like any other's, with its owner; the process is told with its unit."""
    made = ground[0]
    sh(made, f"systemd-run --quiet --unit=made --property=Restart=always {EVIL}")
    path = "/run/systemd/transient/made.service"
    entries, _ = hands.autostarts()
    assert any(entry.path == path and "/usr/bin/sleep" in entry.text for entry in entries)
    (process,) = [p for p in hands.processes() if p.cmdline == tuple(EVIL.split())]
    assert process.unit == "made.service"
    remedied(hands, path)
    assert EVIL not in sh(made, "ps -eo args")


def test_a_logins_unit_ends_without_a_login(ground: tuple[Range, Path], hands: SshHands) -> None:
    """Its manager is spoken to as that login. Where none runs, none is started: that alone would start what is enabled there."""
    made, path = ground[0], "/home/ops/.config/systemd/user/own.service"
    put(made, path, f"[Service]\nExecStart={EVIL}\n[Install]\nWantedBy=default.target\n", "ops")
    sh(made, "chown -R ops: /home/ops/.config; loginctl enable-linger ops")
    as_ops = "runuser -u ops -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user"
    assert until(
        lambda: sh(made, f"{as_ops} enable --now own.service; {as_ops} is-active own.service") == "active\n", 20
    )
    (process,) = [p for p in hands.processes() if p.cmdline == tuple(EVIL.split())]
    assert process.unit == "own.service of the login 1000"
    action, receipt = remedied(hands, path, "ops")
    assert EVIL not in sh(made, "ps -eo args")
    taken_back(hands, action, receipt)
    assert sh(made, f"{as_ops} is-enabled own.service").strip() == "enabled"
    sh(made, "loginctl disable-linger ops; loginctl terminate-user ops")
    assert until(lambda: sh(made, "ls /run/user").split() == ["0"], 30), "logind did not let go of the login"
    action, receipt = remedied(hands, path, "ops")
    assert "default.target.wants" not in sh(made, "find /home/ops/.config -type l")
    taken_back(hands, action, receipt)
    assert "default.target.wants/own.service" in sh(made, "find /home/ops/.config -type l")
    assert sh(made, "ls /run/user").split() == ["0"], "no manager was started"
    sh(made, f"rm -r {Path(path).parent}")


def test_a_unit_of_every_login_ends_in_each_manager(ground: tuple[Range, Path], hands: SshHands) -> None:
    """/etc/systemd/user is no file of root's own manager: disabled and masked for all, ended wherever it runs."""
    made, path = ground[0], "/etc/systemd/user/all.service"
    put(made, path, f"[Service]\nExecStart={EVIL}\nRestart=always\n[Install]\nWantedBy=default.target\n")
    sh(made, "systemctl --global enable all.service; loginctl enable-linger ops")
    start = "runuser -u ops -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user start all.service"
    assert until(lambda: EVIL in sh(made, f"{start}; ps -eo args"), 20)
    action, receipt = remedied(hands, path)
    assert EVIL not in sh(made, "ps -eo args")
    assert sh(made, "systemctl --global is-enabled all.service").strip() == "masked"
    taken_back(hands, action, receipt)
    assert sh(made, "systemctl --global is-enabled all.service").strip() == "enabled"
    sh(
        made,
        f"systemctl --global disable all.service; rm {path}; loginctl disable-linger ops; loginctl terminate-user ops",
    )
    assert until(lambda: sh(made, "ls /run/user").split() == ["0"], 30), "logind did not let go of the login"


@pytest.mark.parametrize("name", ["*.service", "ssh*.service", "a b.service"])
def test_a_name_that_is_a_pattern_stops_nothing_else(ground: tuple[Range, Path], hands: SshHands, name: str) -> None:
    """systemctl would take `*.service` for every service; systemd itself takes no such file for a unit."""
    made, path = ground[0], f"/etc/systemd/system/{name}"
    running_before = sh(made, "systemctl --plain --no-legend list-units --state=running")
    put(made, path, f"[Service]\nExecStart={EVIL}\n")
    action, receipt = remedied(hands, path)
    services = {line.split()[0] for line in running_before.splitlines() if ".service" in line and "user" not in line}
    assert {
        s for s in services if sh(made, f"systemctl is-active {s}").strip() != "active" and "kworker" not in s
    } == set()
    taken_back(hands, action, receipt)
    made.run(layout.VICTIM, "rm", path)


def test_a_file_before_the_distributions_own_unit_goes_and_the_service_stays(
    ground: tuple[Range, Path], hands: SshHands
) -> None:
    """A changed copy of ssh.service in /etc: were it stopped and masked, nobody would get in any more."""
    made, path = ground[0], "/etc/systemd/system/ssh.service"
    text = (
        (systemd.UNITS / "ssh.service").read_text().replace("[Service]\n", f"[Service]\nExecStartPre=-{EVIL[:-6]} 0\n")
    )
    put(made, path, text)
    sh(made, "systemctl daemon-reload")
    action, receipt = remedied(hands, path)
    assert sh(made, "systemctl is-active ssh.service; systemctl show -P FragmentPath ssh.service").split() == [
        "active",
        "/lib/systemd/system/ssh.service",
    ]
    hands.renew(())
    taken_back(hands, action, receipt)
    made.run(layout.VICTIM, "rm", path)
    sh(made, "systemctl daemon-reload")


# --- the dead man's switch ---------------------------------------------------------------------------------------------


def incident(folder: Path) -> Path:
    """Confirm and block, with isolation; the incident's folder."""
    from tests.containment.test_over_ssh import respond

    made, outcome = respond(folder)
    assert outcome is Outcome.DONE
    return made


def take_back(case: Case, *steps: str) -> bool:
    case.record("override", word="unverified", by="anna", reason="a test")
    return all(u.back for u in undo.run(case, steps, Approval.AUTO))


def test_the_switch_is_systemds_and_goes_when_it_is_proved(
    ground: tuple[Range, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the host is cut off a transient timer of systemd stands; after the new login's proof it and its service are gone."""
    made, folder = ground
    seen: list[str] = []
    renew = SshHands.renew

    def watched(self: SshHands, *words: object) -> None:
        seen.append(sh(made, "systemctl is-active hemostat-switch.timer; ls /run/systemd/transient"))
        renew(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(SshHands, "renew", watched)
    with reopened(incident(folder)) as case:
        assert seen[-1].split()[0] == "active"
        assert "hemostat-switch.service" in seen[-1]
        assert "policy drop" in rules(made)
        assert (
            sh(
                made,
                "systemctl list-units --all --plain --no-legend 'hemostat*'; ls /run/systemd/transient | grep hemostat",
            )
            == ""
        )
        assert [c.result for c in on_host.again(case)] == ["pass", "pass"]
        assert take_back(case, Consent.ISOLATE, Consent.BLOCK)
    assert "hemostat" not in rules(made)


def test_the_switch_ends_the_isolation_of_a_dead_runner(ground: tuple[Range, Path]) -> None:
    """kill -9 with the host cut off, and every session of the runner's ended by logind: systemd's timer lets the host go."""
    made, folder = ground
    words = [sys.executable, "-c", DYING, str(folder)]
    with subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "cut off\n"
        runner.kill()
    sh(made, "loginctl kill-user --signal=KILL root; loginctl terminate-user root")
    assert "policy drop" in rules(made)
    assert switch.MARK in sh(made, "systemctl list-timers --no-pager")
    assert until(lambda: "hemostat_isolation" not in rules(made), REVERT + 10), "the dead-man's switch did nothing"
    assert until(lambda: sh(made, "systemctl list-units --all --plain --no-legend 'hemostat*'") == "", 5)
    with reopened(sorted((folder / "reports").iterdir())[-1]) as case:
        case.record("step.redo", step=Step.BLOCK, by="anna", reason="")
        assert engine.run_step(case, Step.BLOCK, engine.Nobody()).outcome is Outcome.DONE
        assert take_back(case, Consent.ISOLATE, Consent.BLOCK)
    assert "hemostat" not in rules(made)


# --- the journal -------------------------------------------------------------------------------------------------------


def test_the_journal_around_the_beacons_start_is_read(ground: tuple[Range, Path], hands: SshHands) -> None:
    """systemd's word of the unit's start, and who logged in; and a login that may not read it says so."""
    started = next(p for p in hands.processes() if "kworker-sync" in p.exe)
    assert started.unit == "kworker-sync.service"
    seen = hands.system(("logs",), 0.0, [started.created], [])
    texts = [line.text for line in seen.logs if line.source == "journal"]
    assert any("systemd[1]: Started kworker-sync.service" in text for text in texts)
    assert any("Accepted publickey for root" in text for text in texts)
    assert [u for u in seen.unseen if "journal" in u.what] == []


def test_a_journal_that_may_not_be_read_is_told(ground: tuple[Range, Path]) -> None:
    """A login of no group that may read it gets its own lines alone: no quiet host, but one that was not looked at."""
    known = site.load(ground[1] / "site")
    guest = replace(known.host(layout.VICTIM), username="hemostat")
    with closing(reach(guest, known, resolve)) as hands:
        seen = hands.system(("logs",), 0.0, [time.time()], [])
    assert "may read its own lines alone" in {u.what: u.why for u in seen.unseen}["the journal"]


# --- all of it ---------------------------------------------------------------------------------------------------------


def test_undo_brings_back_every_unit(tmp_path: Path) -> None:
    """After the seven steps and an undo, systemd starts from its own entries what the attacker left, and the beacon is back."""
    said = say("drill", "--scenario", "systemd", "--yes", "--no-prefect", "--json", "--reports", tmp_path)
    assert said.json["scenarios"][0]["faults"] == [], said.text
    (folder,) = tmp_path.iterdir()
    logs = (folder / "evidence/triage/first/logs.json").read_text()
    assert "Started kworker-sync.service" in logs
    back = ended(spawn("undo", "last", "--yes", "--json", "--reports", str(tmp_path), cwd=tmp_path))
    assert back.code == 0, back.text
    with Range.reopen(folder / "range") as again:
        states = sh(
            again,
            "systemctl is-enabled kworker-sync.service kworker-flush.timer kworker-flush.service kworker-mounts.service",
        )
        assert states.split() == ["enabled", "enabled", "static", "generated"]
        assert until(lambda: "kworker-sync" in sh(again, "ps -eo args"), 20)
        assert until(lambda: again.c2_messages()[-1].at > time.time() - 5, 20)
