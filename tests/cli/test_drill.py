"""`drill` as a process: what it says, and that it leaves nothing running and nothing outside its folder, however it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from flows import drill
from tests.cli.house import ended, say, spawn
from tests.patience import until

pytestmark = pytest.mark.lab

QUICK = ("drill", "--yes", "--no-prefect", "--no-windows", "--interval", "0.2", "--reports", "reports")


def mentions(folder: Path) -> list[str]:
    """Processes that name the folder: in their words, their program or the folder they work in."""
    found = []
    for process in psutil.process_iter(["cmdline", "exe", "cwd", "status"]):
        info = process.info
        words = [*(info["cmdline"] or ()), info["exe"] or "", info["cwd"] or ""]
        if info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def wait_for(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until it is so."""
    assert until(true, seconds), f"not seen: {what}"


def journalled(folder: Path, kind: str, step: str) -> bool:
    """Does the only journal below the folder have such a record?"""
    lines = [
        line for journal in folder.glob("reports/*/journal.jsonl") for line in journal.read_text().splitlines(True)
    ]
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return any(record["kind"] == kind and record["data"].get("step") == step for record in records)


def outside(folder: Path) -> list[str]:
    """What was made in the folder beside the one of the drill."""
    return [str(path) for path in folder.rglob("*") if path.relative_to(folder).parts[0] != "reports"]


# Within a step a stop is that step's failure; between two steps it ends the command.
STOPPED = (1, 130)
# When the signal comes: the record that must be in the journal, or none for "while the range comes up".
MOMENTS = {
    "SIGTERM in triage": (signal.SIGTERM, ("step.started", "triage"), STOPPED),
    "SIGKILL in triage": (signal.SIGKILL, ("step.started", "triage"), (-signal.SIGKILL,)),
    "Ctrl-C while the range comes up": (signal.SIGINT, None, (130,)),
}


@pytest.mark.parametrize(("number", "moment", "codes"), MOMENTS.values(), ids=MOMENTS)
def test_a_stopped_drill_leaves_nothing(
    tmp_path: Path, number: signal.Signals, moment: tuple[str, str] | None, codes: tuple[int, ...]
) -> None:
    """No process that names the folder is left, and no file beside it; what was journalled stands and verifies."""
    process = spawn(*QUICK, cwd=tmp_path, TMPDIR=str(tmp_path))
    if moment:
        wait_for(lambda: journalled(tmp_path, *moment), str(moment))
    else:
        wait_for(lambda: any(tmp_path.glob("reports/*/range/range.json")), "the range")
    process.send_signal(number)
    said = ended(process)
    assert said.code in codes, said.text
    assert "Traceback" not in said.text
    wait_for(lambda: not mentions(tmp_path), f"the end of {mentions(tmp_path)}", 10)
    assert outside(tmp_path) == []
    if moment:
        assert ended(spawn("verify", "last", "--reports", "reports", cwd=tmp_path)).code == 0
    else:
        assert not any(tmp_path.glob("reports/*"))


def test_a_stopped_drill_can_be_resumed(tmp_path: Path) -> None:
    """Ctrl-C names the command that goes on; the finished steps stand and are not run again."""
    process = spawn(*QUICK, cwd=tmp_path)
    wait_for(lambda: journalled(tmp_path, "step.ended", "triage"), "triage")
    process.send_signal(signal.SIGINT)
    said = ended(process)
    assert said.code in STOPPED
    assert "hemostat resume" in said.text
    words = ("resume", "last", "--skip", "verify", "--yes", "--no-prefect", "--reports", "reports")
    resumed = ended(spawn(*words, cwd=tmp_path))
    assert resumed.code == 0, resumed.text
    assert [w for w in ("collect", "5 actions done", "report") if w not in resumed.text] == [], resumed.text
    assert [w for w in ("confirm …", "block …", "triage …") if w in resumed.text] == [], "a finished step was run again"
    wait_for(lambda: not mentions(tmp_path), f"the end of {mentions(tmp_path)}", 10)


def test_a_finished_drill_leaves_nothing_running(drilled: Path) -> None:
    """Nothing that names its folder runs, and nothing is beside the folder but what these tests keep there."""
    wait_for(lambda: not mentions(drilled), f"the end of {mentions(drilled)}", 10)
    assert outside(drilled.parents[1]) == [str(drilled.parents[1] / "said.json")]


def test_explain_says_what_it_touches_and_does_nothing(tmp_path: Path) -> None:
    """The listener, the beacon, the laboratory firewall, the folder, the cleanup's question; no file is made."""
    said = say("drill", "--explain", "--reports", tmp_path / "reports")
    assert said.code == 0
    words = (
        "listener",
        "beacon",
        "laboratory",
        "Cisco ASA",
        "Prefect",
        "reports/ID",
        "asks before the cleanup",
        "Ctrl-C",
    )
    assert [w for w in words if w not in said.text] == []
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_way_to_beacon_is_told(tmp_path: Path) -> None:
    """The two words that there are; no file is made."""
    said = say("drill", "--beacon", "smoke", "--reports", tmp_path / "reports")
    assert (said.code, "keepalive or short" in said.text) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_drill_tells_a_program_its_score_in_one_document(drilled: Path) -> None:
    """--json: steps, score and report in one document on standard output; the card is on the other stream."""
    facts = json.loads((drilled.parents[1] / "said.json").read_text())
    assert (facts["outcome"], facts["steps"][-1]["step"]) == ("done", "report")
    score = facts["score"]
    assert 0 < score["confirm"] < score["contain"] < score["evidence"] < score["clean"]
    assert (score["beacons_after"], score["missed"]) == (0, [])
    assert Path(facts["report"]).is_file()


def test_a_laboratorys_credentials_do_not_outlast_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither are they left in the environment, nor is what stood there before them lost."""
    monkeypatch.setenv("HEMOSTAT_TEST_BEFORE", "was here")
    monkeypatch.delenv("HEMOSTAT_TEST_NEW", raising=False)
    lab = SimpleNamespace(environment={"HEMOSTAT_TEST_BEFORE": "lab's", "HEMOSTAT_TEST_NEW": "lab's"})
    with drill.environment(lab):  # type: ignore[arg-type]
        assert os.environ["HEMOSTAT_TEST_BEFORE"] == os.environ["HEMOSTAT_TEST_NEW"] == "lab's"
    assert os.environ["HEMOSTAT_TEST_BEFORE"] == "was here"
    assert "HEMOSTAT_TEST_NEW" not in os.environ
