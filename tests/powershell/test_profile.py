"""A profile tells what a machine does not know; a small one, made up in the shape of PSCompatibilityCollector's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.powershell import allowed, profile
from tests.powershell.__main__ import main

_TEXT = {"Type": "System.String"}
_SWITCH = {"Type": "System.Management.Automation.SwitchParameter"}
_GET_IT = {
    "ParameterSets": ["Path", "Id"],
    "Parameters": {
        "Path": _TEXT | {"ParameterSets": {"Path": {"Flags": ["Mandatory"]}}},
        "Filter": _TEXT | {"ParameterSets": {"Path": {"Position": 1}}},
        "Id": _TEXT | {"ParameterSets": {"Id": {"Flags": ["Mandatory", "ValueFromPipeline"], "Position": -2147483648}}},
        "Force": _SWITCH,
    },
}
_STREAM = {
    "Instance": {
        "Constructors": [[], ["System.Byte[]"]],
        "Properties": {"Length": {}},
        "Methods": {"Read": {"OverloadParameters": [["a", "b", "c"]]}},
    },
    "Static": {"Fields": {"Null": {}}, "Methods": {"Open": {"OverloadParameters": [["a"], ["a", "b"]]}}},
}


def told(version: str = "5.1.1") -> dict[str, Any]:
    """A machine with one command and one type."""
    return {
        "Platform": {"OperatingSystem": {"Name": "Windows"}, "PowerShell": {"Version": version}},
        "Runtime": {
            "Modules": {"Ours": {"1.0": {"Cmdlets": {"Get-It": _GET_IT}}}},
            "Types": {
                "Assemblies": {"mscorlib": {"Types": {"System.IO": {"Stream": _STREAM}}}},
                "TypeAccelerators": {"flow": {"Type": "System.IO.Stream"}},
            },
        },
    }


@pytest.mark.parametrize("form", ["Path@0", "Path", "Path@0 Filter@1", "Path@0 -Force", "Id", "|Id -Force", "Id ~New"])
def test_a_form_that_one_parameter_set_has_is_none_of_a_fault(form: str) -> None:
    """By place, by name, by the pipeline; a provider's parameter is not the profile's."""
    assert list(profile.of_command(profile.Profile(told()), "get-it", allowed.form(form))) == []


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("Paht", "no parameter paht"),
        ("Path Id", "no parameter set has id, path"),
        ("Filter", "no parameter set has filter and needs no more"),
        ("Filter@0 Path@1", "no parameter set"),
        ("Id@0", "no parameter set"),
        ("Path Force", "-force is a switch"),
        ("-Path", "-path is no switch"),
    ],
)
def test_a_form_that_the_machine_would_refuse_is_told(form: str, says: str) -> None:
    """Unknown, of two sets, without what is mandatory, at another place, a switch or none."""
    found = list(profile.of_command(profile.Profile(told()), "get-it", allowed.form(form)))
    assert any(says in why for why in found), found


def test_an_unknown_command_is_told_unless_it_is_newer() -> None:
    """`since` says that the script does without it on older machines."""
    machine = profile.Profile(told("4.0"))
    assert list(profile.of_command(machine, "get-that", allowed.form(""))) == ["there is no such command"]
    assert list(profile.of_command(machine, "get-that", allowed.form("Id since 5.1"))) == []


@pytest.mark.parametrize("name", ["IO.Stream", "System.IO.Stream", "flow"])
def test_a_type_is_found_by_each_of_its_names(name: str) -> None:
    """Members are looked for on their side, with their arguments counted."""
    good = tuple(map(allowed.member, ("new/0,1", "Length", "Read/3", "::Null", "::Open/1,2", "Rest since 7.0")))
    assert list(profile.of_type(profile.Profile(told()), name, good)) == []


@pytest.mark.parametrize("member", ["new/2", "Size", "::Length", "Read/2", "Null", "::Open/1,3", "Read"])
def test_a_member_that_the_type_has_not_is_told(member: str) -> None:
    """Another name, side or number of arguments."""
    found = list(profile.of_type(profile.Profile(told()), "IO.Stream", (allowed.member(member),)))
    assert len(found) == 1
    assert "as the list has it" in found[0]


def test_the_program_tells_what_a_machine_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the machine, and ends with 1; Microsoft's files begin with a byte order mark."""
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(told()), "utf-8-sig")
    assert main(["--profile", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("Windows, PowerShell 5.1.1: ")
    assert "get-item: there is no such command" in out


def test_a_file_that_is_no_profile_is_told(tmp_path: Path) -> None:
    """Any other JSON is refused by name."""
    path = tmp_path / "other.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match="no compatibility profile"):
        profile.read(path)
