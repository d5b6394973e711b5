"""Incidents on hosts that misbehave: each has its outcome and its message, the block stands, and nothing is said to be clean."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.netns import layout
from lab.netns.range import Range
from lab.sshd import new_key
from tasks.model import Outcome, Step
from tasks.state import State
from tests.patience import BUSY, until
from tests.range.ground import MARKS, chosen, go_on, respond, running, silent, told

pytestmark = MARKS
ESCAPE = "\x1b]0;owned\x07\x1b[31m"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Range]:
    """A range with a beacon that cron brings back, behind nftables alone."""
    with running(tmp_path, chosen(persistence=("cron_d",), firewalls=("linux",), left=())) as made:
        yield made


def contained(state: State, lab: Range) -> None:
    """Whatever the host does: the block is proved, the C2 hears nothing, and the control host goes on."""
    assert state.ends[Step.BLOCK].outcome is Outcome.DONE, told(state, Step.BLOCK)
    assert silent(lab)
    assert lab.control()[1] == 0


def stopped_at(state: State, step: Step, outcome: Outcome, *words: str) -> None:
    """The run stopped there, with that outcome and these words; nothing after it was done."""
    assert state.ends[step].outcome is outcome, told(state, step)
    assert state.last is step
    assert [word for word in words if word.lower() not in told(state, step).lower()] == [], told(state, step)


def test_a_changed_host_key_is_refused(tmp_path: Path, lab: Range) -> None:
    """Someone else answers at the victim's address: not one login goes there, both fingerprints are told, the block stands."""
    lab.inside("/etc/ssh/host_key").write_text(new_key())
    restart(lab)
    state = respond(lab, tmp_path)
    contained(state, lab)
    stopped_at(state, Step.TRIAGE, Outcome.UNREACHABLE, "host key", "SHA256:")


def restart(lab: Range) -> None:
    lab.order(layout.VICTIM, "down")
    lab.order(layout.VICTIM, "boot")


def test_a_sudo_that_refuses_is_told(tmp_path: Path) -> None:
    """The login is no sudoer any more: triage says so with sudo's words, and does not pass off half a look as a whole one."""
    with running(
        tmp_path, chosen("keepalive", login="sudo", firewalls=("linux",), persistence=("cron_d",), left=())
    ) as lab:
        lab.inside("/etc/sudoers.d/hemostat").unlink()
        state = respond(lab, tmp_path)
        contained(state, lab)
        stopped_at(state, Step.TRIAGE, Outcome.FAILED, "become root", "a password is required")


def test_a_host_that_reboots_in_triage_is_unreachable_and_can_be_gone_on_with(tmp_path: Path, lab: Range) -> None:
    """Its power fails while it is looked at: the step says so; when it is up again `--redo triage` ends the incident."""
    with when(tmp_path, "step.started", "triage", lambda: lab.order(layout.VICTIM, "down")):
        state = respond(lab, tmp_path)
    contained(state, lab)
    stopped_at(state, Step.TRIAGE, Outcome.UNREACHABLE, "victim")
    lab.order(layout.VICTIM, "boot")
    assert until(lambda: "kworker-sync" in lab.run(layout.VICTIM, "ps", "-e", "-o", "comm"), 10), (
        "cron does not start it"
    )
    again = go_on(state, tmp_path, Step.TRIAGE)
    assert again.outcome is Outcome.DONE, again.ends
    assert not lab.inside("/home/ops/.cache/.kworker/kworker-sync").exists()


class when:  # noqa: N801 - read as a word
    """Do something as soon as a journal has that record."""

    def __init__(self, folder: Path, kind: str, step: str, act: Callable[[], object]) -> None:
        self.thread = threading.Thread(target=self._watch, args=(folder, f'"kind":"{kind}"', f'"step":"{step}"', act))

    def _watch(self, folder: Path, kind: str, step: str, act: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30 * BUSY
        while time.monotonic() < deadline:
            texts = [path.read_text() for path in folder.glob("reports/*/journal.jsonl")]
            if any(
                kind in line and step in line for text in texts for line in text.replace('": "', '":"').splitlines()
            ):
                act()
                return
            time.sleep(0.01)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.thread.join(30 * BUSY)


def test_one_byte_a_second_does_not_hold_an_incident_up(tmp_path: Path, lab: Range) -> None:
    """The host answers, and never ends its first line: the block is there all the same, and triage gives up within its time-outs."""
    lab.order(layout.VICTIM, "trickle")
    start = time.monotonic()
    state = respond(lab, tmp_path, timeout=2.0)
    assert time.monotonic() - start < 30 * BUSY
    assert state.ends[Step.BLOCK].outcome is Outcome.DONE, told(state, Step.BLOCK)
    stopped_at(state, Step.TRIAGE, Outcome.UNREACHABLE, "victim")


def test_a_huge_log_is_taken_up_to_the_limit(tmp_path: Path, lab: Range) -> None:
    """500 MB of log: the first megabytes are evidence, marked as cut, within the step's time; all else goes on."""
    lab.run(layout.VICTIM, "truncate", "-s", "500M", "/var/log/auth.log")
    state = respond(lab, tmp_path, collect={"max_item_mb": 2, "keep_free_mb": 1})
    assert state.outcome is Outcome.DONE, state.ends
    (log,) = [item for item in state.evidence if "auth.log" in item.source]
    assert log.size <= 2 << 20
    assert "cut" in str(log).lower() or "first" in str(log).lower() or "trunc" in str(log).lower(), log
    contained(state, lab)


def test_garbage_and_escapes_in_names_reach_no_terminal(
    tmp_path: Path, lab: Range, capsys: pytest.CaptureFixture[str]
) -> None:
    """Process and file names of control bytes and broken UTF-8: looked at like any other, shown inert, kept as they are."""
    name = f"{ESCAPE}\\xff\\xfe"
    lab.run(layout.VICTIM, "bash", "-c", f"exec -a $'{ESCAPE}\\xff' sleep 300 >/dev/null 2>&1 </dev/null & true")
    lab.run(
        layout.VICTIM,
        "bash",
        "-c",
        f"cp /bin/true /tmp/.$'{name}'; cp /home/ops/.cache/.kworker/kworker-sync /tmp/.$'{ESCAPE}'",
    )
    state = respond(lab, tmp_path)
    shown = capsys.readouterr()
    assert state.outcome is Outcome.DONE, state.ends
    assert "\x1b]0;" not in shown.out + shown.err
    assert "\x07" not in shown.out + shown.err
    (folder,) = (tmp_path / "reports").iterdir()
    assert "\x1b" not in (folder / "report.md").read_text() + (folder / "report.html").read_text()
    contained(state, lab)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder for reports with room for a journal and little else."""
    folder = tmp_path / "reports"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_at_the_runner_is_told_and_gone_on_from(tmp_path: Path, lab: Range, small: Path) -> None:
    """Containment needs no room; the step that does says so in plain words, and with room the incident ends as any other."""
    quick = {"keep_free_mb": 1, "max_item_mb": 1}
    state = respond(lab, tmp_path, collect=quick)
    contained(state, lab)
    stopped_at(state, Step.TRIAGE, Outcome.FAILED, "no room left", "make room", "hemostat resume")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    again = go_on(state, tmp_path, Step.TRIAGE)
    assert again.outcome is Outcome.DONE, again.ends


def test_no_evidence_is_taken_where_it_would_fill_the_disk(tmp_path: Path, lab: Range) -> None:
    """Less than the playbook keeps free: collect is refused and says what is needed; so nothing was cleaned up."""
    state = respond(lab, tmp_path, collect={"keep_free_mb": 1_000_000})
    contained(state, lab)
    stopped_at(state, Step.COLLECT, Outcome.REFUSED, "are free", "make room")
    assert lab.inside("/home/ops/.cache/.kworker/kworker-sync").exists()
