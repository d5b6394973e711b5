"""The owner's files: good ones become a Site, every fault is told with file and line."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.model import ConfigError
from tasks.serving import Serve
from tasks.site import BadFiles, current, load, problems
from tasks.yaml_lines import BadYaml, read

REPOSITORY = Path(__file__).parents[2]
TODAY = date(2027, 1, 1)
GOOD = {
    "inventory/hosts.yaml": "web: {hostname: 192.0.2.1, platform: linux, transport: ssh, firewalls: [fw]}\n"
    "fw: {hostname: 192.0.2.2, platform: cisco_asa, transport: device}\n",
    "inventory/groups.yaml": "",
    "inventory/defaults.yaml": "",
    "inventory/policy.yaml": "internal: [192.0.2.0/24]\n",
    "playbooks/beacon.yaml": "description: the default\n",
}
CASES: dict[str, Any] = read((Path(__file__).parent / "cases.yaml").read_bytes()).value


def write(folder: Path, **changed: str) -> Path:
    """A good site in that folder, with some files changed (keys with / as in GOOD)."""
    for file, text in (GOOD | changed).items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    return folder


def test_the_examples_have_no_problem() -> None:
    """What a new owner clones must pass its own check; fix inventory/ or playbooks/."""
    assert problems(REPOSITORY, TODAY) == []


def test_the_example_of_serve_is_right_once_its_marks_are_taken_away(tmp_path: Path) -> None:
    """All of it is commented out; a person who takes a # away must not have to guess the rest."""
    example = (REPOSITORY / "inventory" / "serve.yaml").read_text()
    whole = re.sub(r"^#(?=\S|  )", "", example, flags=re.MULTILINE)
    watch = {"playbooks/watch.yaml": "description: the other\n"}
    assert problems(write(tmp_path, **{"inventory/serve.yaml": whole}, **watch), TODAY) == []
    serve = load(tmp_path, TODAY).serve
    assert serve.listen == "0.0.0.0" and set(serve.senders) and set(serve.people) and set(serve.notify)
    assert load(REPOSITORY, TODAY).serve == Serve()


def test_files_are_read_again_only_when_one_has_changed(tmp_path: Path) -> None:
    """A service asks at every incident; an edit counts at once, also one that leaves the length as it was."""
    first = current(write(tmp_path))
    assert current(tmp_path) is first
    path = tmp_path / "playbooks" / "beacon.yaml"
    path.write_text(path.read_text().replace("the default", "THE DEFAULT"))
    assert current(tmp_path).playbook("beacon").description == "THE DEFAULT"
    path.write_text("descriptiom: x\n")
    with pytest.raises(BadFiles):
        current(tmp_path)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fault_is_told_with_file_and_line(case: dict[str, Any], tmp_path: Path) -> None:
    """One fault in one file: the right file, line and words, and never a secret."""
    found = problems(write(tmp_path, **{case["file"]: case["text"]}), TODAY)
    told = [str(p) for p in found]
    fits = [
        p for p in found if (p.file, p.line) == (case["file"], case["line"]) and all(w in p.text for w in case["says"])
    ]
    assert fits, f"wanted {case['says']} in line {case['line']}, told {told}"
    assert fits[0].severity == case.get("severity", "error")
    assert case.get("never", "\0") not in "\n".join(told), "a secret was repeated"


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """A person corrects five files in one go, not one fault a run."""
    bad = {
        "inventory/hosts.yaml": "web: {hostnam: x, port: no}\n",
        "inventory/groups.yaml": "g: {prot: 1}\n",
        "inventory/defaults.yaml": "timeout: x\n",
        "inventory/policy.yaml": "own: [x]\n",
        "playbooks/beacon.yaml": "block: {scope: x}\n",
    }
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, **bad), TODAY)
    assert isinstance(caught.value, BadFiles)
    assert {p.file for p in caught.value.problems} == set(bad)
    assert all(str(p) in str(caught.value) for p in caught.value.problems)
    texts = [p.text for p in caught.value.problems if p.file == "playbooks/beacon.yaml"]
    assert len(texts) == 2, f"the missing description and the wrong scope are two faults: {texts}"


@pytest.mark.parametrize("file", ["inventory/hosts.yaml", "inventory/policy.yaml", "playbooks/beacon.yaml"])
def test_a_missing_file_is_an_error(file: str, tmp_path: Path) -> None:
    """No policy is no licence to block everything: the file must be there."""
    (write(tmp_path) / file).unlink()
    assert [(p.file, p.severity) for p in problems(tmp_path, TODAY)] == [(file, "error")]


def test_another_playbook_may_stand_alone(tmp_path: Path) -> None:
    """A drill brings its own playbook only: the missing default is a warning."""
    (write(tmp_path) / "playbooks/beacon.yaml").rename(tmp_path / "playbooks/drill.yaml")
    assert [(p.file, p.severity) for p in problems(tmp_path, TODAY)] == [("playbooks/beacon.yaml", "warning")]
    assert set(load(tmp_path, TODAY).playbooks) == {"drill"}


def test_groups_and_defaults_may_be_absent(tmp_path: Path) -> None:
    """A small site needs no groups."""
    write(tmp_path)
    (tmp_path / "inventory/groups.yaml").unlink()
    (tmp_path / "inventory/defaults.yaml").unlink()
    assert load(tmp_path, TODAY).hosts["web"].criticality == "medium"


def test_host_wins_over_groups_in_order_over_defaults(tmp_path: Path) -> None:
    """nornir's precedence, nested groups included."""
    files = {
        "inventory/hosts.yaml": "web: {hostname: 192.0.2.1, groups: [a, b], owner: host}\n",
        "inventory/groups.yaml": "a: {groups: [inner], site: a, owner: a}\n"
        "inner: {username: inner, site: inner}\n"
        "b: {username: b, platform: linux, transport: ssh, site: b}\n",
        "inventory/defaults.yaml": "username: defaults\nport: 2222\n",
    }
    host = load(write(tmp_path, **files), TODAY).hosts["web"]
    assert (host.owner, host.site, host.username, host.platform, host.port) == ("host", "a", "inner", "linux", 2222)
    assert host.groups == ("a", "b")


def test_a_playbook_carries_the_hash_of_its_bytes(tmp_path: Path) -> None:
    """The journal must be able to say which text was followed."""
    site = load(write(tmp_path), TODAY)
    playbook = site.playbook("beacon")
    assert playbook.sha256 == hashlib.sha256(GOOD["playbooks/beacon.yaml"].encode()).hexdigest()
    assert (playbook.name, playbook.description) == ("beacon", "the default")


@pytest.mark.parametrize(
    ("text", "name"),
    [("web", "web"), ("WEB", "web"), ("192.0.2.1", "web"), ("::ffff:192.0.2.2", "fw"), ("2001:DB8:0::1", "web")],
)
def test_a_host_is_found_by_any_of_its_names(text: str, name: str, tmp_path: Path) -> None:
    """Alerts name hosts by name or address, in any notation."""
    hosts = GOOD["inventory/hosts.yaml"].replace("platform: linux", "platform: linux, addresses: ['2001:db8::1']")
    site = load(write(tmp_path, **{"inventory/hosts.yaml": hosts}), TODAY)
    assert site.meant(text).name == name


def test_two_hosts_at_one_address_are_a_warning(tmp_path: Path) -> None:
    """An alert for that address would go to the first: say so."""
    hosts = (
        GOOD["inventory/hosts.yaml"] + "twin: {hostname: 192.0.2.1, platform: linux, transport: ssh, firewalls: [fw]}\n"
    )
    found = problems(write(tmp_path, **{"inventory/hosts.yaml": hosts}), TODAY)
    assert [(p.line, p.severity) for p in found] == [(3, "warning")]
    with pytest.raises(ConfigError, match="web, twin"):
        load(tmp_path, TODAY).meant("192.0.2.1")


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b"- " * 100_000, b"{" * 100_000, b"#" * 1_000_001, b"\xff", b"\x00", b"a\n---\nb", b"? [a]\n: b"],
    ids=["brackets", "dashes", "braces", "too long", "not UTF-8", "nul", "two documents", "a list as key"],
)
def test_hostile_yaml_is_refused(data: bytes) -> None:
    """Bombs and oddities are a clean error."""
    with pytest.raises(BadYaml):
        read(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text("{}[]:,-&*!|>'\"%@`#?\n \tab1.~", max_size=60).map(str.encode))
def test_no_bytes_raise_anything_but_bad_yaml(data: bytes) -> None:
    """A configuration file is never a traceback."""
    try:
        read(data)
    except BadYaml as error:
        assert error.line >= 1
