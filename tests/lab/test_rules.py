"""The laboratory's pure parts: command matching, access lists, cron and unit entries; for any input, not only the good one."""

from __future__ import annotations

import contextlib
import ipaddress
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import init
from lab.cli import Ambiguous, Grammar, Incomplete, Invalid, Session, Word, grep
from lab.device import Flow
from lab.devices.cisco_asa import Box
from lab.typed import Silent

GRAMMAR = Grammar()
for syntax in ("show conn", "show conn address ADDRESS", "show version", "configure terminal", "clear conn", "say ..."):
    GRAMMAR.command(syntax, "exec")(lambda *args, syntax=syntax: syntax)  # type: ignore[misc]

MEANT = [
    ("show conn", "show conn"),
    ("sh conn", "show conn"),
    ("sho con addr 10.0.0.1", "show conn address ADDRESS"),
    ("conf t", "configure terminal"),
    ("say any thing at all", "say ..."),
]
WRONG = [
    ("s conn", Invalid),
    ("shw conn", Invalid),
    ("show conn address 10.0.0.1 more", Invalid),
    ("show", Incomplete),
    ("say", Incomplete),
    ("show conn address", Incomplete),
    ("c", Invalid),
]


def words(line: str) -> list[Word]:
    """The words of a line with made-up columns."""
    found = []
    for number, text in enumerate(line.split()):
        word = Word(text)
        word.column = number
        found.append(word)
    return found


@pytest.mark.parametrize(("line", "syntax"), MEANT)
def test_an_abbreviation_means_one_command(line: str, syntax: str) -> None:
    """What people and drivers abbreviate is understood."""
    handler, arguments = GRAMMAR.find(("exec",), words(line))
    assert handler(*arguments) == syntax


@pytest.mark.parametrize(("line", "error"), WRONG)
def test_anything_else_is_an_error(line: str, error: type[Exception]) -> None:
    """A line that no command takes whole is refused, never guessed."""
    with pytest.raises(error):
        GRAMMAR.find(("exec",), words(line))


def test_two_meanings_are_ambiguous() -> None:
    """An abbreviation of two commands is refused."""
    both = Grammar()
    both.command("enable", "exec")(lambda: "")
    both.command("end", "exec")(lambda: "")
    with pytest.raises(Ambiguous):
        both.find(("exec",), words("en"))


def test_grep_begins_includes_and_excludes() -> None:
    """The three pipes keep the lines that they should."""
    text = "one\ntwo\nthree"
    assert [grep(text, verb, "^t") for verb in ("include", "exclude", "begin")] == ["two\nthree", "one", "two\nthree"]


def session(box: Box, mode: str = "config") -> Session[Box]:
    made = Session(box, Silent(), "test")
    made.mode = mode
    return made


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60),
    st.sampled_from(["user", "priv", "config"]),
)
def test_no_line_crashes_the_asa(line: str, mode: str) -> None:
    """Whatever is typed, the answer is text (or the session's end), and an unknown word is an error."""
    said = session(Box("ops", "x"), mode).answer(f"zz{line}")
    assert said.endswith("ERROR: % Invalid input detected at '^' marker.") or line.strip() == ""


VOCABULARY = sorted({word.lower() for entry in Box.grammar.table for word in entry.words if word != "..."})
TYPED = st.sampled_from(
    [*VOCABULARY, "host", "any", "deny", "ip", "eq", "line", "0", "1", "G", "10.0.0.1", "::/0", "|", "\u0663"]
)


@given(st.lists(TYPED, max_size=9), st.sampled_from(list(Box.modes)))
def test_no_mixture_of_its_own_words_crashes_the_asa(typed: list[str], mode: str) -> None:
    """Half-right lines end in an answer, or end the session; never in an exception of ours."""
    with contextlib.suppress(EOFError):
        assert isinstance(session(Box("ops", "x"), mode).answer(" ".join(typed)), str)


@given(st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), min_size=1, max_size=8, unique=True))
def test_a_configuration_reads_back_as_it_was(members: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
    """What `show running-config` prints can be typed in again and is the same: a reload loses nothing that was saved."""
    lines = [f" network-object host {m}" if m.version == 4 else f" network-object {m}/128" for m in members]
    text = "\n".join(
        [
            "object-group network G",
            *lines,
            "access-list A extended deny ip any object-group G",
            "access-group A in interface inside",
        ]
    )
    box, again = Box("ops", "x"), Box("ops", "x")
    box.load(text)
    again.load(box.config())
    assert again.config() == box.config() == text + "\n"


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_the_first_matching_entry_decides(member: ipaddress.IPv4Address, target: ipaddress.IPv4Address) -> None:
    """A remote is denied exactly when it is a member; the hit is counted exactly then."""
    box = Box("ops", "x")
    box.load(
        f"object-group network G\n network-object host {member}\naccess-list A extended deny ip any object-group G\n"
        "access-list A extended permit ip any any\naccess-group A in interface inside"
    )
    assert box.admit(Flow(ip_address("10.0.0.1"), 1, target, 2)) is (member != target)
    assert sum(box.policy.lists["A"][0].hits.values()) == (member == target)


def test_a_bound_list_ends_in_a_deny() -> None:
    """An interface without a list lets pass; a bound list that permits nothing denies all, as on the device."""
    box, flow = Box("ops", "x"), Flow(ip_address("10.0.0.1"), 1, ip_address("10.0.0.2"), 443)
    assert box.admit(flow)
    box.load("access-list A extended permit tcp any any eq 22\naccess-group A in interface inside")
    assert not box.admit(flow)


CRON = [
    ("* * * * * ops /x/run >/dev/null 2>&1", [["/x/run"]]),
    ("*/5 0-3 1,2 * * ops /x/run 'a b' &", [["/x/run", "a b"]]),
    ("@reboot ops /x/run", [["/x/run"]]),
    ("# * * * * * ops /x/run", []),
    ("MAILTO=ops", []),
    ("* * * * * ops run", []),
    ("* * * * ops /x/run", []),
    ("* * * * * ops /x/run 'unclosed", []),
]


@pytest.mark.parametrize(("line", "wanted"), CRON)
def test_cron_lines(tmp_path: Path, line: str, wanted: list[list[str]]) -> None:
    """Only a whole, live cron line starts something."""
    (tmp_path / "etc/cron.d").mkdir(parents=True)
    (tmp_path / "etc/cron.d/job").write_text(line + "\n")
    (tmp_path / "etc/cron.d/job.off").write_text("* * * * * ops /never\n")
    assert list(init.commands(tmp_path)) == wanted


def test_init_starts_nothing_outside_the_victim(tmp_path: Path) -> None:
    """An entry that points out of the victim's folder, by path or by link, starts nothing on the real machine."""
    root = tmp_path / "victim"
    (root / "etc/cron.d").mkdir(parents=True)
    (root / "link").symlink_to("/bin/true")
    (root / "etc/cron.d/job").write_text(
        "* * * * * ops /link\n* * * * * ops /../../bin/true\n* * * * * ops /bin/true\n"
    )
    player = init.Init(root, {})
    player.tick()
    player.stop()
    assert player.running == {}
