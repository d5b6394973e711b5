"""Where no victim can be under a real systemd: a plain reason, and what can be played is played all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.netns import cgroups, scenario, systemd
from tests.cli.house import say


def test_why_not_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not root, no systemd, a part of it missing, no cgroup2, one that is closed: each with what to do."""
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 1000)
    assert "root" in systemd.missing()
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 0)
    monkeypatch.setattr(systemd, "PROGRAM", tmp_path / "none")
    assert "install Debian's systemd" in systemd.missing()
    monkeypatch.setattr(systemd, "PROGRAM", Path("/bin/sh"))
    monkeypatch.setattr(systemd.shutil, "which", lambda name: name)
    monkeypatch.setattr(systemd, "UNITS", tmp_path)
    assert "openssh-server, cron, dbus, libpam-systemd" in systemd.missing()
    monkeypatch.setattr(systemd, "NEEDED", {})
    monkeypatch.setattr(cgroups, "mounted", lambda: None)
    assert "mount -t cgroup2" in systemd.missing()
    monkeypatch.setattr(cgroups, "mounted", lambda: tmp_path / "none")
    assert "no control group can be made" in systemd.missing()


def test_what_cannot_be_played_is_told_and_the_rest_is_played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A scenario that was named is refused; with --all it is left out, by name and reason."""
    monkeypatch.setattr(systemd, "missing", lambda: "no cgroup2 here")
    monkeypatch.setattr(scenario, "names", lambda *_: ["systemd"])
    told = say("drill", "--all", "--range", "netns", "--yes", "--json", "--reports", tmp_path / "reports")
    assert (told.code, told.json) == (0, {"scenarios": [], "not_played": {"systemd": "no cgroup2 here"}})
    said = say("drill", "--all", "--range", "netns", "--yes", "--reports", tmp_path / "reports")
    assert "systemd was not played here: no cgroup2 here" in said.text
    named = say("drill", "--scenario", "systemd", "--yes", "--reports", tmp_path / "reports")
    assert named.code == 2
    assert list(tmp_path.iterdir()) == []
