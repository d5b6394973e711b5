"""A process's memory on Windows: refused without the owner's own tool, and then only of exactly that process; nothing is left there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.windows.host import Stored
from lab.windows.range import Range
from lab.windows.scenario import File
from tasks.facts import Start
from tasks.model import HemostatError, Refused
from tasks.transports.hands import Hands
from tests.windows import ground

pytestmark = pytest.mark.lab
TOOL = "C:\\Tools\\procdump64.exe"
MICROSOFT = "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond"


@contextmanager
def staged(
    folder: Path, scenario: str = "hidden_task", signed: str = "Valid", named: bool = True
) -> Iterator[tuple[Range, Hands]]:
    """A host on which the owner put the tool, and an inventory that names it, or not."""
    with ground.standing(folder, scenario) as range_:
        hosts = folder / "range" / "site" / "inventory" / "hosts.yaml"
        if named:
            hosts.write_text(hosts.read_text().replace("auth: ntlm", f"auth: ntlm\n    procdump: '{TOOL}'"))
        range_.host.files[TOOL.lower()] = Stored(
            File(TOOL, signed, MICROSOFT if signed == "Valid" else ""), TOOL, 1.0, 1.0
        )
        with ground.held(range_, folder) as case:
            yield range_, case.hands()


def test_no_tool_is_named_and_none_is_used(tmp_path: Path) -> None:
    """The refusal says what the owner would have to do."""
    with staged(tmp_path, named=False) as (range_, hands), (tmp_path / "m").open("wb") as into:
        process = range_.host.processes[range_.host.beacon]
        with pytest.raises(Refused, match=r"names no tool") as error:
            hands.memory(process.pid, Start(process.created), into, 1 << 30)
        assert "winrm.procdump" in error.value.do


def test_the_memory_of_that_process_is_copied_and_nothing_is_left(tmp_path: Path) -> None:
    """The copy has the hash that the host took; the dump on the host is removed."""
    with staged(tmp_path) as (range_, hands), (tmp_path / "m").open("w+b") as into:
        process = range_.host.processes[range_.host.beacon]
        got = hands.memory(process.pid, Start(process.created), into, 1 << 30)
        into.seek(0)
        content = into.read()
        assert (got.size, got.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert len(content) == 200_000
        assert not [path for path in range_.host.files if path.endswith(".dmp")]


@pytest.mark.parametrize(
    ("scenario", "signed", "whom", "says"),
    [
        ("hidden_task", "NotSigned", "beacon", "is not signed by Microsoft"),
        ("hidden_task", "Valid", "lsass.exe", "is never copied"),
        ("hidden_task", "Valid", "csrss.exe", "is never copied"),
        ("driver", "Valid", "beacon", "the process is protected"),
        ("hidden_task", "Valid", "another start", "is gone"),
    ],
)
def test_what_is_refused(scenario: str, signed: str, whom: str, says: str, tmp_path: Path) -> None:
    """A tool of nobody's, the machine's secrets, a protected process, a pid that is used again: in words, and nothing is left."""
    with staged(tmp_path, scenario, signed) as (range_, hands), (tmp_path / "m").open("wb") as into:
        name = range_.host.processes[range_.host.beacon].name if whom in ("beacon", "another start") else whom
        process = next(p for p in range_.host.alive() if p.name == name)
        with pytest.raises(HemostatError, match=says):
            hands.memory(process.pid, Start(process.created + 100 * (whom == "another start")), into, 1 << 30)
        assert not [path for path in range_.host.files if path.endswith(".dmp")]
