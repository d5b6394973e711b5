"""Drills on the range of real hosts: one scenario or all, each judged by what its file demands. Knows the laboratory; no step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast, get_args

from rich.table import Table

from flows import drill, runs, truth
from flows.cli_out import console, facts
from flows.console import line
from flows.scoring import Score
from flows.scoring import score as scored
from lab.netns import scenario as scenarios
from lab.netns import systemd
from lab.netns.range import Range
from lab.netns.scenario import Platform, Scenario
from tasks.case import load_state, new_id
from tasks.model import ConfigError

EXPLANATION = """\
hemostat drill --range netns makes real hosts on this machine and runs the seven steps on one of them, over SSH.

It starts, in network, process and mount namespaces of its own, which nothing outside them can reach:
  victim      a host with its own sshd, users, /etc, /home, /tmp, cron, units; the beacon of the scenario and its persistence
  control     a clean host, which talks to the internet all the time and must never be interrupted or changed
  firewall    nftables, through which all goes that the two say; with --firewall an emulated device whose decisions hold there
  router      FRRouting behind it, the second firewall
  internet    the command-and-control listener, which counts what reaches it, and a server for the control host
  soc         the network that hemostat itself is in for as long as the drill lasts

It needs root, or a machine that lets its users make user namespaces (then Debian's uidmap too), and iproute2, nftables, conntrack,
openssh-server, frr and gcc; scenarios with a real systemd as the victim's first process want root, a cgroup2, and systemd, dbus,
libpam-systemd and cron. The machine's programs are seen read-only in the hosts; its own files are not there. It writes
below one folder, reports/ID. All that it started ends with it, also after SIGKILL: the kernel ends a namespace's processes with its first.
Without root some of those files belong to your subordinate ids: `unshare --map-auto --map-root-user rm -r reports/ID` takes them away.
It asks before the cleanup (--yes does not ask). `--list` shows the scenarios, `--all` runs them one after the other.
Afterwards `hemostat show last`, `report last`, `verify last` and `undo last` work on its incident; undo brings the hosts up again.
"""


FIRST = "keepalive"


@dataclass(frozen=True, slots=True)
class Result:
    """How one scenario ended. `faults` are the demands that were not met, in words; none is a pass."""

    scenario: str
    incident: str
    outcome: str
    score: Score
    control_messages: int
    faults: tuple[str, ...]


def listed(as_json: bool) -> None:
    """Print every scenario with what happened in it."""
    known = [scenarios.load(name) for name in scenarios.names()]
    if as_json:
        return facts(known)
    table = Table(box=None, show_header=False, pad_edge=False)
    for scenario in known:
        table.add_row(line(scenario.name, "bold"), line(scenario.description))
    console().print(table)
    return None


def run(options: runs.Options, names: tuple[str, ...], firewall: str = "") -> int:
    """Run these scenarios (every one when none is named); 0 when each ended as its file demands.

    Args:
        firewall: a platform to take in place of the scenarios' own firewalls.

    Raises:
        ConfigError: no such scenario or platform, or no range can be made here.
    """
    chosen = [_with(scenarios.load(name), firewall) for name in names or scenarios.names()]
    # Whoever asks for all gets what this machine can play, and is told of the rest; a scenario that was named is an error.
    out = {} if names else {scenario.name: why for scenario in chosen if (why := _needs_more(scenario))}
    results = [_one(options, scenario) for scenario in chosen if scenario.name not in out]
    if options.as_json:
        facts({"scenarios": results, "not_played": out})
    else:
        _show(results, out)
    return 1 if any(result.faults for result in results) else 0


def _needs_more(scenario: Scenario) -> str:
    return systemd.missing() if scenario.init == "systemd" else ""


def _with(scenario: Scenario, firewall: str) -> Scenario:
    if not firewall:
        return scenario
    if firewall not in get_args(Platform):
        raise ConfigError(f"there is no firewall {firewall!r}", do=f"say one of {', '.join(get_args(Platform))}")
    return replace(scenario, firewalls=(cast(Platform, firewall),))


def _one(options: runs.Options, scenario: Scenario) -> Result:
    folder = options.reports / f"{new_id(datetime.now(UTC))}-{scenario.name}"
    if not options.as_json:
        console().print(line(f"scenario {scenario.name}: {scenario.description}", "bold"))
    with drill.kept_if_opened(folder), Range(folder / "range", scenario) as range_:
        before = truth.taken(range_)
        drill.incident(range_, folder, options)
        state = load_state(folder)
        score = scored(state, range_)
        faults = tuple(truth.faults(scenario, state, score, range_, before))
        control = range_.control()[0]
    drill.keep(folder, score)
    if not options.as_json:
        drill.tell(folder, score)
    return Result(scenario.name, folder.name, str(state.outcome), score, control, faults)


def _show(results: list[Result], not_played: dict[str, str]) -> None:
    table = Table(title="Scenarios", title_justify="left", box=None, pad_edge=False)
    for heading in ("scenario", "outcome", "contained", "clean", "found", "verdict"):
        table.add_column(heading)
    for result in results:
        score = result.score
        found = f"{score.planted - len(score.missed)} of {score.planted}"
        verdict = line("FAILED", "bold red") if result.faults else line("as it must be", "green")
        cells = (result.scenario, result.outcome, _seconds(score.contain), _seconds(score.clean), found)
        table.add_row(*map(line, cells), verdict)
    out = console()
    out.print(table)
    for result in results:
        for fault in result.faults:
            out.print(line(f"{result.scenario}: {fault}", "red"))
    for name, why in not_played.items():
        out.print(line(f"{name} was not played here: {why}", "yellow"))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
