"""A case: named by a person, written whole or not at all, and told when its time is over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks import case as cases
from tasks.case import Case, find, opened, reopened, write_once
from tasks.journal import NAME, Journal
from tasks.model import ConfigError, Mode, Refused, Step, TargetError
from tasks.settings import Host, Policy, Site
from tests.core.desk import PLAYBOOK, REMOTE, sit_down


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Three incidents, one of them with a journal that is still empty."""
    for name in ("20260101-000000-aaaa", "20260101-000000-aaab", "20260202-000000-bbbb"):
        sit_down(tmp_path / name).close()
    Journal(tmp_path / "20260303-000000-cccc").close()
    (tmp_path / "golden").mkdir()
    return tmp_path


def test_an_empty_name_names_none(tmp_path: Path) -> None:
    """`hemostat undo "$ID"` with a variable that is not set takes nothing back, though there be one incident alone."""
    sit_down(tmp_path / "20260101-000000-aaaa").close()
    with pytest.raises(ConfigError, match="names no single incident"):
        find(tmp_path, "")


NAMES = {
    "20260101-000000-aaaa": "20260101-000000-aaaa",
    "bbbb": "20260202-000000-bbbb",
    "aaab": "20260101-000000-aaab",
    "last": "20260303-000000-cccc",
}


@pytest.mark.parametrize(("said", "meant"), NAMES.items())
def test_an_incident_is_named_by_what_is_unambiguous(reports: Path, said: str, meant: str) -> None:
    """Its id, a part of it, or `last`."""
    assert find(reports, said).name == meant


@pytest.mark.parametrize("said", ["aaa", "golden", "nothing", "../x", "\x1b[2J"])
def test_other_names_are_told_with_what_there_is(reports: Path, said: str) -> None:
    """Ambiguous, no incident, a path, a trick on the terminal."""
    with pytest.raises(ConfigError) as error:
        find(reports, said)
    assert "20260101" in error.value.seen
    assert "\x1b" not in str(error.value)


def test_an_incident_that_died_before_its_opening_says_so(reports: Path) -> None:
    """Nothing was done; there is nothing to resume."""
    with pytest.raises(ConfigError, match="start the incident again"):
        cases.load_state(find(reports, "last"))
    with pytest.raises(ConfigError, match="start the incident again"), reopened(find(reports, "last")):
        pass


def test_opening_writes_the_incident_and_no_reference_to_a_secret(tmp_path: Path) -> None:
    """What the journal knows of the host is public: the inventory's credential references stay in the inventory."""
    host = Host("web", "192.0.2.7", "linux", "ssh", username="root", password="env:ROOT_PASSWORD", key="/keys/web")
    site = Site(str(tmp_path), {"web": host}, Policy(), {"test": PLAYBOOK})
    request = cases.Request(host, REMOTE, PLAYBOOK, "anna", Mode.LIVE, "because", overrides=("own-path",))
    with opened(tmp_path / "reports", site, request) as case:
        assert case.state.overrides == {"own-path"}
        with pytest.raises(Refused, match="another process"), reopened(case.folder):
            pass
    text = (case.folder / NAME).read_text()
    assert "ROOT_PASSWORD" not in text
    assert "/keys/web" not in text
    assert json.loads(text.splitlines()[0])["data"]["host"]["name"] == "web"
    Journal(case.folder).close()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A leftover of a crash is overwritten, an older file replaced, and nothing else stays behind."""
    path = tmp_path / "deep" / "report.md"
    path.parent.mkdir()
    (path.parent / "report.md.part").write_bytes(b"half of a longer report than the new one")
    write_once(path, b"first")
    write_once(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["report.md"]


def test_time_and_stop_take_effect_wherever_something_is_said(tmp_path: Path) -> None:
    """Both name what to do next; without them the watcher hears it."""
    case: Case = sit_down(tmp_path)
    heard: list[tuple[str, float | None]] = []
    case.watched_by(lambda text, part: heard.append((text, part)))
    case.begin(None)
    case.say("looking", 0.5)
    assert heard == [("looking", 0.5)]
    case.begin(1e-9)
    with pytest.raises(TargetError, match="time-out"):
        case.say("looking")
    case.begin(60.0)
    case.stop.set()
    with pytest.raises(Refused, match=f"hemostat resume {case.incident.id}"):
        case.say("looking")
    case.close()
    assert len(heard) == 1


def test_a_playbook_that_is_edited_meanwhile_does_not_change_the_incident(tmp_path: Path) -> None:
    """The journal's own copy counts."""
    sit_down(tmp_path).close()
    case = sit_down(tmp_path)
    case.site.playbooks.clear()
    assert case.playbook == PLAYBOOK
    assert case.playbook.approval(Step.CLEANUP) == "ask"
    case.close()
