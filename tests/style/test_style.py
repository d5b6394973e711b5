"""The house's rules that no tool checks. Each failure says which file, and what to do."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import alerts, collectors, firewalls, remedies
from tests.cli.house import CODE

LINES = {"product": 300, "tests": 450}
# Longer than the rule, on purpose: a noun is easiest found where all of them stand.
LONG = {"tasks/model.py"}
# Nobody's machine and nobody's shell. Written in two parts, so that this file does not hold them.
NEVER = {
    "a machine's path": re.compile(r"(?<![\w~])/wor" r"k/"),
    "a path out of the repository": re.compile(r"\.\./shar" r"ed"),
    "a shell": re.compile(r"shell=T" r"rue|os\.syst" r"em\("),
    "a package index's address": re.compile(
        r"--(?:extra-)?index-u" r"rl|pypi\.o" r"rg|files\.pythonh" r"osted|/simp" r"le/?\b"
    ),
}


def tracked(suffix: str = "") -> list[Path]:
    """The repository's files, as git knows them, new ones included."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=CODE, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for name in sorted(names) if name.endswith(suffix) and (path := CODE / name).is_file()]


PYTHON = {str(path.relative_to(CODE)): path for path in tracked(".py")}
PRODUCT = {name: path for name, path in PYTHON.items() if not name.startswith("tests/")}
TESTS = {name: path for name, path in PYTHON.items() if name.startswith("tests/")}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and inner ones included."""
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTION))


def test_every_module_opens_with_its_rule() -> None:
    """One line, a whole sentence: what the module knows, and often what it must not know."""
    for name, path in PYTHON.items():
        text = path.read_text()
        if not text and path.name == "__init__.py":
            continue
        lines = (ast.get_docstring(ast.parse(text)) or "").split("\n")
        assert lines[0].endswith("."), f"{name}: open it with one line, a sentence that says what the module knows"
        assert len(lines) == 1 or not lines[1], f"{name}: leave a blank line after the docstring's first one"


def test_no_file_is_too_long() -> None:
    """A file that grows has two subjects: split it."""
    counts = {name: path.read_text().count("\n") for name, path in PYTHON.items()}
    for name, count in counts.items():
        limit = LINES["tests" if name in TESTS else "product"]
        assert count <= limit or name in LONG, f"{name} has {count} lines, and {limit} are the rule: split it"


@pytest.mark.parametrize("room", ["flows", "tasks", "lab", "tests"])
def test_functions_are_small(room: str) -> None:
    """The median function has ten lines or fewer, and none has sixty."""
    lengths = {
        f"{name}: {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for name, path in PYTHON.items()
        for function in functions(path)
        if name.startswith(f"{room}/")
    }
    assert statistics.median(lengths.values()) <= 10
    assert [what for what, length in lengths.items() if length > 60] == []


def test_every_test_says_its_intent() -> None:
    """A docstring each: a failure must be understood by who did not write the test."""
    silent = [
        f"{name}: {function.name}"
        for name, path in TESTS.items()
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert silent == [], "say in one sentence what each of these shows"


@pytest.mark.parametrize("what", NEVER)
def test_no_file_holds(what: str) -> None:
    """Nothing of the machine that it was written on, no shell, no package index."""
    found = [
        f"{path.relative_to(CODE)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1)
        if NEVER[what].search(line)
    ]
    assert found == [], f"take {what} out of these lines"


def test_a_broad_except_says_why_or_raises_again() -> None:
    """An error that is swallowed whole is a bug that nobody sees: only a boundary may, and it says so."""
    for name, path in PRODUCT.items():
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if not isinstance(node, ast.ExceptHandler) or not _broad(node):
                continue
            again = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert again or " - " in lines[node.lineno - 1], (
                f"{name}:{node.lineno}: name the error, or say why all of them"
            )


def _broad(node: ast.ExceptHandler) -> bool:
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))


def test_every_exception_to_a_rule_is_named() -> None:
    """`# noqa` and `# type: ignore` always say which rule they mean."""
    bare = re.compile(r"#\s*noqa(?!:\s*[A-Z]+\d)|#\s*type:\s*ignore(?!\[)")
    found = [
        f"{name}:{number}"
        for name, path in PYTHON.items()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if bare.search(line) and "bare = re.compile" not in line and "`# noqa`" not in line
    ]
    assert found == []


def test_every_plug_in_has_its_cases() -> None:
    """One new file and its cases: a firewall, a collector, an alert source or a remedy without them is not done."""
    tests = CODE / "tests"
    wanted = {
        **{
            f"firewalls/{name}": tests / "firewalls" / name / "case.yaml"
            for name in _modules(firewalls) - {"linux", "frr"}
        },
        "firewalls/linux": tests / "firewalls" / "test_nftables.py",
        "firewalls/frr": tests / "firewalls" / "test_frr.py",
        **{f"collectors/{name}": tests / "collectors" / "cases" / name for name in collectors.artefacts()},
        **{f"alerts/{name}": tests / "alerts" / name / "cases.yaml" for name in alerts.sources()},
    }
    assert {plug: str(path.relative_to(CODE)) for plug, path in wanted.items() if not path.exists()} == {}
    told = "".join(path.read_text() for path in (tests / "core").glob("*remed*"))
    assert [name for name in _modules(remedies) if name not in told] == [], "give these remedies cases in tests/core"


def _modules(package: object) -> set[str]:
    folder = Path(str(package.__file__)).parent  # type: ignore[attr-defined]
    return {path.stem for path in folder.glob("*.py")} - {"__init__", "shape"}
