"""Pasted console output, in two languages and three encodings: what is in it is read, and nothing is invented."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model import ConfigError
from tasks.windows.columns import cut, width
from tasks.windows.pasted import decoded, read
from tests.cli.house import say

FOLDER = Path(__file__).parent / "pastes"
CHINESE = (FOLDER / "chinese.txt").read_text("utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_chinese_in_every_encoding_that_windows_writes(encoding: str) -> None:
    """A console's GBK, wmic's UTF-16 and an editor's UTF-8 say the same."""
    found = read(CHINESE.encode(encoding), 100.0)
    assert found.read == {"netstat": 6, "tasklist": 2, "wmic": 2}
    beacon = next(p for p in found.processes if p.pid == 4711)
    assert (beacon.name, beacon.exe, beacon.user, beacon.ppid) == (
        "svchost.exe",
        r"C:\Users\Public\svchost.exe",
        "LAB\\张三",
        900,
    )
    assert beacon.cmdline == ('"C:\\Users\\Public\\svchost.exe" a=b',)
    assert [(c.remote, c.remote_port, c.state, c.pid) for c in found.connections] == [
        ("0.0.0.0", 0, "LISTEN", 892),
        ("203.0.113.9", 443, "ESTABLISHED", 4711),
        ("203.0.113.90", 443, "ESTABLISHED", 4000),
        ("::1", 445, "ESTABLISHED", 4),
        ("2001:db8:9::7", 443, "TIME_WAIT", None),
        ("", 0, "NONE", 1200),
    ]


def test_english_with_the_programs_of_netstat_b_and_wmics_table() -> None:
    """The program in brackets belongs to the socket above it; columns are as wide as wmic made them."""
    found = read((FOLDER / "english.txt").read_bytes(), 0.0)
    assert found.read == {"netstat": 4, "tasklist": 2, "wmic": 2, "netstat -b": 3}
    beacon = next(p for p in found.processes if p.pid == 6120)
    assert (beacon.user, beacon.ppid) == ("LAB\\ada", 4)
    assert beacon.exe == r"C:\Users\ada\AppData\Local\Temp\update.exe"
    assert [c.state for c in found.connections] == ["LISTEN", "SYN_SENT", "CLOSE_WAIT", "NONE"]


def test_commas_in_wmics_csv_belong_to_the_command() -> None:
    """wmic quotes nothing."""
    found = read((FOLDER / "wmic.csv").read_bytes(), 0.0)
    assert [(p.pid, p.exe, p.cmdline) for p in found.processes] == [(77, r"C:\a\b.exe", (r"C:\a\b.exe -x 1,2",))]


@pytest.mark.parametrize("takes", [width, lambda _: 1])
def test_wmics_table_is_padded_by_cells_or_by_characters(takes: Callable[[str], int]) -> None:
    """A screen and a file differ where a path is Chinese; the columns behind it are read in both."""
    path = r"C:\Users\管理员\AppData\更新\svchost.exe"
    rows = [("CommandLine", "ExecutablePath", "Name", "ParentProcessId", "ProcessId")]
    rows += [(r"C:\Windows\explorer.exe /longer than all the others", "", "explorer.exe", "2900", "3000")]
    rows += [(f'"{path}" -q', path, "svchost.exe", "3000", "4712")]
    widths = [max(sum(map(takes, cell)) for cell in column) + 2 for column in zip(*rows, strict=True)]
    lines = ["".join(c + " " * (w - sum(map(takes, c))) for c, w in zip(row, widths, strict=True)) for row in rows]
    found = read("\r\n".join(lines).encode("utf-16"), 0.0)
    assert [(p.pid, p.ppid, p.name, p.exe) for p in found.processes] == [
        (3000, 2900, "explorer.exe", ""),
        (4712, 3000, "svchost.exe", path),
    ]


def test_who_has_no_known_parent_has_none() -> None:
    """tasklist tells no parent; the System Idle Process at its head, whose pid is 0, is nobody's."""
    rule = "========================= ========"
    rows = (
        "System Idle Process              0",
        "smss.exe                       300",
        "svchost.exe                    892",
    )
    found = read("\n".join((rule + " ====", *(f"{row} Con" for row in rows))).encode(), 0.0)
    assert [p.pid for p in found.processes] == [300, 892]


def test_wmic_tells_when_a_process_began() -> None:
    """In the host's own time, with its distance in minutes: a parent that is younger than its child was another process."""
    rows = (
        ("500", "400", "20261125100000.250000+480"),
        ("400", "4", "20261125020001.000000+000"),
        ("7", "4", "20261399000000.000000+000"),
    )
    text = "\n\n".join(
        f"CreationDate={at}\nName=x.exe\nParentProcessId={parent}\nProcessId={pid}" for pid, parent, at in rows
    )
    assert [p.created for p in read(text.encode(), 0.0).processes] == [1795572000.0, 1795572001.0, 0.0]


def test_other_ways_to_ask_the_same_tools() -> None:
    """tasklist /v /fo csv, and wmic process list brief."""
    table = (
        "HandleCount  Name                 Priority  ProcessId  ThreadCount",
        "0            System Idle Process  0         0          2",
    )
    quoted = '"svchost.exe","4712","Console","1","12,000 K","Running","LAB\\ada","0:00:10","暂缺"'
    found = read(
        "\n".join((*table, "3000         a b.exe              8         4711       12", "", quoted)).encode(), 0.0
    )
    assert found.read == {"tasklist": 1, "wmic": 2}
    assert [(p.pid, p.name, p.user) for p in found.processes] == [
        (4712, "svchost.exe", "LAB\\ada"),
        (4711, "a b.exe", ""),
    ]


def test_columns_are_cells_of_a_console() -> None:
    """A Chinese character takes two."""
    assert cut("微信.exe  4000", [(0, 8), (9, 14)]) == ["微信.exe", "4000"]


@pytest.mark.parametrize("raw", [b"", b"hello\n", b"\xff\xff\xff\x81", b"TCP 1.2.3.4:99999 5.6.7.8:1 X 3\n"])
def test_what_is_no_paste_is_told(raw: bytes) -> None:
    """Nothing found is an error that says what to paste, never an empty all-clear."""
    with pytest.raises(ConfigError, match="pasted output"):
        read(raw, 0.0)


def test_a_cell_without_end_is_passed_over() -> None:
    """Python's reader refuses it; the rows around it are read."""
    long = "x" * 200_000
    text = f'"{long}","1","a"\n"a.exe","2","b"\nNode,Name,ProcessId\n{long},b,3\nPC,c.exe,4\n'
    assert [(p.pid, p.name) for p in read(text.encode(), 0.0).processes] == [(2, "a.exe"), (4, "c.exe")]


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    """Hostile bytes are read or refused, nothing else."""
    try:
        decoded(raw)
        read(raw, 0.0)
    except ConfigError:
        pass


def test_the_command_tells_what_it_saw_and_what_it_could_not() -> None:
    """A masquerading svchost that talks to the alert's address is loud; what no paste shows is named."""
    said = say("import", "netstat", str(FOLDER / "chinese.txt"), "--remote", "203.0.113.9", "--json")
    told = json.loads(said.out)
    assert said.code == 0
    loud = {f["rule"] for f in told["findings"] if f["score"] >= 50}
    assert {"process.masquerade", "process.talks", "process.parent", "connection.remote"} <= loud
    assert [c["remote"] for c in told["outside"]] == ["203.0.113.9", "203.0.113.90", "2001:db8:9::7"]
    assert len(told["unseen"]) == 4


def test_what_a_paste_lacks_is_not_looked_at(tmp_path: Path) -> None:
    """No netstat is not "no socket"; netstat without -n shows names, which nothing can be compared with."""
    paste = tmp_path / "paste.txt"
    paste.write_text(
        "  TCP    WIN-1:49712   c2.example:https   ESTABLISHED   4712\n  TCP  0.0.0.0:135  0.0.0.0:0  LISTENING  892\n"
    )
    told = json.loads(say("import", "netstat", str(paste), "--json").out)
    assert [u["what"] for u in told["unseen"]][:2] == ["some sockets", "processes"]
    assert "1 row(s) of netstat" in told["unseen"][0]["why"]
    paste.write_text("ProcessId=4\nName=System\n")
    said = say("import", "netstat", str(paste)).text
    assert "not looked at: sockets" in said
    assert "sockets to addresses" not in said


def test_the_command_refuses_another_kind_and_a_missing_file() -> None:
    """Plain words, exit code 2."""
    assert say("import", "lsof", "x").code == 2
    assert "name a readable file" in say("import", "netstat", "/nowhere/x").text
