"""One spelling a file, and what a command line starts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.windows.paths import mentions, plain, program, started, unquoted
from tasks.windows.system import _near
from tasks.windows.tricks import tricks


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (r"C:\Windows\System32\svchost.exe", r"c:\windows\system32\svchost.exe"),
        (r"\??\C:\Windows\Temp\b.sys", r"c:\windows\temp\b.sys"),
        (r"\\?\C:\x\y.exe", r"c:\x\y.exe"),
        (r"\SystemRoot\System32\drivers\tcpip.sys", r"c:\windows\system32\drivers\tcpip.sys"),
        (r"System32\DRIVERS\a.sys", r"c:\windows\system32\drivers\a.sys"),
        (r"%SystemRoot%\System32\a.dll", r"c:\windows\system32\a.dll"),
        (r'"C:\Program Files\a b\c.exe"', r"c:\program files\a b\c.exe"),
        ("C:/x/../y/z.exe", r"c:\y\z.exe"),
        ("", ""),
    ],
)
def test_one_spelling(said: str, meant: str) -> None:
    """Drivers, services and the registry each write a path in their own way."""
    assert plain(said) == meant


@pytest.mark.parametrize(
    ("command", "starts"),
    [
        (r'"C:\Program Files\a\a.exe" /x C:\b\c.dll', [r"C:\Program Files\a\a.exe", r"C:\b\c.dll"]),
        (r"C:\Program Files\Vendor Tools\a.exe -x", [r"C:\Program Files\Vendor Tools\a.exe"]),
        (r"rundll32.exe C:\Users\ada\x\y.dll,Run", [r"C:\Users\ada\x\y.dll"]),
        (r'cmd /c "start C:\ProgramData\u.exe"', [r"C:\ProgramData\u.exe"]),
        (r"%windir%\system32\svchost.exe -k netsvcs", [r"%windir%\system32\svchost.exe"]),
        ("notepad.exe letter.txt", []),
        ("", []),
    ],
)
def test_what_a_command_starts(command: str, starts: list[str]) -> None:
    """The program and whatever else can be executed, blanks, quotes and variables notwithstanding."""
    assert started(command) == starts


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (r'"c:\PROGRAMDATA\u.exe" -s', r"C:\ProgramData\u.exe", True),
        (r"%ProgramData%\u.exe", r"C:\ProgramData\u.exe", True),
        (r"C:\ProgramData\u.exe.bak", r"C:\ProgramData\u.exe", False),
        (r"C:\ProgramData\u.exe2", r"C:\ProgramData\u.exe", False),
        (r"xC:\ProgramData\u.exe", r"C:\ProgramData\u.exe", False),
        (r"cmd /c start %APPDATA%\u\u.exe", r"C:\Users\ada\AppData\Roaming\u\u.exe", True),
        (r"%LocalAppData%\u.exe", r"C:\Users\ada\AppData\Local\u.exe", True),
        (r"%TEMP%\u.exe", r"C:\Users\ada\AppData\Local\Temp\u.exe", True),
        (r"%tmp%\u.exe", r"C:\Windows\Temp\u.exe", True),
        (r"%HOMEDRIVE%%HOMEPATH%\u.exe", r"C:\Users\ada\u.exe", True),
        (r"& $env:AppData\u.exe", r"C:\Windows\System32\config\systemprofile\AppData\Roaming\u.exe", True),
        (r"& $env:ProgramData\u.exe", r"C:\ProgramData\u.exe", True),
        (r"%APPDATA%\u.exe", r"C:\Users\ada\AppData\Local\u.exe", False),
        (r"%TEMP%\u.exe", r"C:\ProgramData\u.exe", False),
        ("anything", "", False),
    ],
)
def test_a_text_that_names_a_file(text: str, path: str, expected: bool) -> None:
    """Whatever the case, but never a longer name that contains it."""
    assert mentions(text, path) is expected


def test_a_path_with_blanks_and_no_quotes() -> None:
    """CWE-428: only what is not quoted."""
    assert unquoted(r"C:\Program Files\a\b.exe -x")
    assert not unquoted(r'"C:\Program Files\a\b.exe" -x')
    assert not unquoted(r"C:\Windows\b.exe -x")


@given(st.text(max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    """Command lines are hostile: whatever they hold, they are read and never raise."""
    list(tricks(text))
    assert all(isinstance(path, str) for path in started(text))
    assert plain(plain(text)) == plain(text) or "%" in text or '"' in text or "?" in text or " " in text
    assert isinstance(program(text), str)


@given(st.text("svchot015", min_size=3, max_size=9))
def test_a_name_is_not_near_itself_by_accident(name: str) -> None:
    """One edit at the most: two names whose lengths differ by two are never near."""
    assert not _near(name, name + "xx")
