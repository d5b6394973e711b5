"""What a platform hears and reads beyond the round trip: rules that leave a gap, mistyped lines, answers in the documents' shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lab.cli import Session as Shell
from lab.devices import load as load_device
from lab.typed import Silent
from tasks import firewalls
from tasks.firewalls import Command, Entry
from tasks.model import Remote, TargetError
from tasks.settings import Host
from tasks.transports.device import checked
from tests.firewalls import cases
from tests.firewalls.conftest import INCIDENT, rig
from tests.firewalls.test_platforms import ready

WORDS: Mapping[str, Mapping[str, Any]] = {
    path.parent.name: YAML(typ="safe").load(path) for path in sorted(cases.FOLDER.glob("*/words.yaml"))
}
LOOSE = [(p, name) for p, words in WORDS.items() for name in words["loose"]]
MISTYPED = [(p, lines) for p, words in WORDS.items() for lines in words["mistyped"]]
READINGS = [(p, r["name"]) for p, words in WORDS.items() for r in words["readings"]]
HOST = Host(name="device", hostname="127.20.0.3", platform="any", transport="device")


def _named(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{platform}: {' / '.join(name.split(chr(10)))}" for platform, name in pairs]


@pytest.mark.lab
@pytest.mark.parametrize(("platform", "name"), LOOSE, ids=_named(LOOSE))
def test_a_rule_that_leaves_a_gap_is_not_called_in_force(platform: str, name: str, tmp_path: Path) -> None:
    """Provisioned, but another rule comes first, or the rule is off or narrowed: hemostat must not say that it blocks."""
    case = cases.load(platform)
    lines = WORDS[platform]["loose"][name].splitlines()
    with rig(case, tmp_path, [*ready(case), *lines]) as device, device.session() as session:
        seen = device.look(session, case.remotes[0])
    assert not seen.enforced, seen
    assert seen.missing


@pytest.mark.parametrize(("platform", "lines"), MISTYPED, ids=_named(MISTYPED))
def test_a_mistyped_line_is_refused_in_the_devices_words_and_heard(platform: str, lines: str) -> None:
    """The laboratory takes no word that the device would not, changes nothing, and the product hears the refusal."""
    box: Any = load_device(platform)("ops", "x")
    shell = Shell(box, Silent(), "ops")
    *before, last = lines.splitlines()
    for line in before:
        shell.answer(line)
    config = box.config()
    said = shell.answer(last)
    assert re.search(WORDS[platform]["mistyped"][lines], said), said
    assert box.config() == config
    with pytest.raises(TargetError):
        checked(HOST, firewalls.load(platform), Command(last), said)


@pytest.mark.parametrize(("platform", "name"), READINGS, ids=_named(READINGS))
def test_answers_in_the_documents_shape_are_read(platform: str, name: str) -> None:
    """Twins of what the vendors' documents print, which the laboratory did not write."""
    reading = next(r for r in WORDS[platform]["readings"] if r["name"] == name)
    firewall, entry = firewalls.load(platform), Entry(Remote.parse(reading["remote"]), INCIDENT)
    if reading.get("unreadable"):
        with pytest.raises(TargetError):
            firewall.read(entry, tuple(reading["answers"]))
        return
    seen = firewall.read(entry, tuple(reading["answers"]))
    says = {key: tuple(value) if isinstance(value, list) else value for key, value in reading["says"].items()}
    assert {key: getattr(seen, key) for key in says} == says, seen


@pytest.mark.parametrize("platform", WORDS)
@given(data=st.data())
def test_nonsense_is_never_read_as_in_force(platform: str, data: st.DataObject) -> None:
    """Whatever a broken device answers, it is an error or no entry in force, and nothing else is raised."""
    firewall, entry = firewalls.load(platform), Entry(Remote.parse("203.0.113.9"), INCIDENT)
    count = len(firewall.look(entry))
    answers = data.draw(st.tuples(*[st.text(max_size=200)] * count))
    try:
        seen = firewall.read(entry, answers)
    except TargetError:
        return
    assert not (seen.present and seen.enforced)
