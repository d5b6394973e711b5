"""The words of the command line: every command has help and stands in the READMEs; looking something up starts no heavy machinery."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from flows.cli import app, main
from flows.cli_out import CODES, TAMPERED, USAGE
from tests.cli.house import CODE, say
from tests.patience import BUSY

COMMANDS: dict[str, click.Command] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
READMES = ("README.md", "README.zh.md")
# What takes long to import and has no business in a look at the past.
HEAVY = ("prefect", "netmiko", "fastapi", "winrm", "lab", "flows.respond")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    """A person who types --help is told what each word does."""
    command = COMMANDS[name]
    said = say(name, "--help")
    assert said.code == 0
    first = str(command.help).split("\n")[0]
    assert first.endswith((".", "?")), f"say in one sentence what {name} does"
    silent = [p.name for p in command.params if not getattr(p, "help", None)]
    assert silent == [], f"{name}: give these words a help text"


@pytest.mark.parametrize("readme", READMES)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name: str, readme: str) -> None:
    """One row of the table of commands each."""
    text = (CODE / readme).read_text()
    assert re.search(rf"^\| `hemostat {name}\b", text, re.MULTILINE), f"{readme}: add a row for `hemostat {name}`"


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_has_no_command_or_option_that_is_not_there(readme: str) -> None:
    """Each `hemostat WORD --option` of the text exists."""
    text = (CODE / readme).read_text()
    for name, rest in re.findall(r"`hemostat\s+([a-z]+)([^`]*)`", text):
        assert name in COMMANDS, f"{readme}: there is no `hemostat {name}`"
        known = {word for p in COMMANDS[name].params for word in (*p.opts, *p.secondary_opts)}
        strange = set(re.findall(r"(?<=\s)--[a-z-]+", rest)) - known - {"--help"}
        assert not strange, f"{readme}: `hemostat {name}` has no {strange}"


@pytest.mark.parametrize("readme", READMES)
def test_every_exit_code_stands_in_the_readme_and_the_help(readme: str) -> None:
    """A row each, and a word in --help."""
    codes = {*CODES.values(), USAGE, TAMPERED, 130}
    text = (CODE / readme).read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes
    told = say("--help").text.partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"\b(\d+) [a-z]", told)} == codes


@pytest.mark.parametrize("readme", READMES)
def test_what_the_readme_points_to_is_there(readme: str) -> None:
    """Every linked or named file and folder of the repository exists."""
    text = (CODE / readme).read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    named = re.findall(r"`((?:tasks|inventory|playbooks|flows|lab|docs|tests)/[\w./-]*)`", text)
    assert [path for path in (*links, *named) if not (CODE / path).exists()] == []


@pytest.mark.parametrize(
    "words", [["--help"], ["history"], ["show", "last"], ["verify", "last"], ["check"]], ids=" ".join
)
def test_looking_something_up_imports_no_heavy_module(words: list[str], drilled: Path) -> None:
    """Help, the past and the files are there at once, also when Prefect is broken."""
    code = (
        "import sys, json\n"
        "from flows import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))\n"
    )
    more = ["--reports", str(drilled.parent)] if words[0] in ("history", "show", "verify") else []
    done = subprocess.run(
        [sys.executable, "-c", code, *words, *more],
        cwd=CODE,
        capture_output=True,
        text=True,
        timeout=30 * BUSY,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_folder_that_is_another_users_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a `sudo make drill` the clone's owner reads a sentence, and no traceback."""

    def closed() -> None:
        raise PermissionError(13, "Permission denied", "/srv/x/.hemostat\x1b[2J")

    monkeypatch.setattr("flows.cli.app", closed)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == USAGE
    assert "open /srv/x/.hemostat\\x1b[2J" in said
    assert "chown" in said


def test_a_drills_firewall_is_not_passed_over() -> None:
    """On loopback it is an ASA whatever one wishes: that is said before anything starts."""
    said = say("drill", "--firewall", "vyos")
    assert said.code == USAGE
    assert "add --range netns" in said.text
