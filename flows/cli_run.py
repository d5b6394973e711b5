"""The commands that act: respond, alert, plan, approve, resume, undo, drill. Knows words; what they do is in flows and tasks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from flows import doors, runs
from flows.cli_out import CODES, AsJson, IncidentId, Reports, SiteFolder, console, facts, reports_of
from tasks.alerts.input import MAX_BYTES
from tasks.case import find, load_state
from tasks.model import ConfigError, Consent, Step

Yes = Annotated[
    bool, typer.Option("--yes", help="Approve without asking; the card is shown and journalled all the same.")
]
Override = Annotated[
    list[str] | None, typer.Option("--override", help="Lift a guard by its name; journalled. May be repeated.")
]
UsePrefect = Annotated[
    bool, typer.Option("--prefect/--no-prefect", envvar="HEMOSTAT_USE_PREFECT", help="Show the run in Prefect.")
]
TheRemote = Annotated[
    str, typer.Option("--remote", metavar="IP[:PORT]", help="The address that the host must not talk to.")
]
Here = Path()


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (respond, alert, plan, approve, resume, undo, expire, serve, deploy, drill, ui):
        app.command()(command)


def respond(
    host: Annotated[str, typer.Argument(help="The victim's inventory name.")],
    remote: TheRemote,
    playbook: Annotated[str, typer.Option(help="A file of playbooks/, without its suffix.")] = "beacon",
    reason: Annotated[str, typer.Option(help="Why, for the postmortem.")] = "",
    override: Override = None,
    yes: Yes = False,
    prefect: UsePrefect = True,
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Open an incident for one host and run the seven steps."""
    known, request = doors.by_hand(site.absolute(), host, remote, playbook, reason, override or ())
    options = runs.Options(reports_of(site, reports), yes, prefect, as_json)
    (folder,) = runs.respond_all(known, [request], options)
    _end(folder, options)


def alert(
    source: Annotated[str, typer.Argument(help="Who sends it: a file of tasks/alerts/, as suricata or plain.")],
    file: Annotated[Path, typer.Argument(help="The alert; - is standard input.", allow_dash=True)],
    playbook: Annotated[str, typer.Option(help="Instead of the one whose trigger fits.")] = "",
    yes: Yes = False,
    prefect: UsePrefect = True,
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Take an alert as a sensor sent it, and run the seven steps for each incident in it."""
    raw = sys.stdin.buffer.read(MAX_BYTES + 1) if str(file) == "-" else _bytes(file)
    known, requests = doors.by_alert(site.absolute(), source, raw, playbook=playbook)
    options = runs.Options(reports_of(site, reports), yes, prefect, as_json)
    folders = runs.respond_all(known, requests, options)
    if as_json:
        facts([runs.told(folder) for folder in folders])
    raise typer.Exit(max(map(runs.code, folders)))


def plan(
    host: Annotated[str, typer.Argument(help="The victim's inventory name.")],
    remote: TheRemote,
    playbook: Annotated[str, typer.Option(help="A file of playbooks/, without its suffix.")] = "beacon",
    override: Override = None,
    site: SiteFolder = Here,
    as_json: AsJson = False,
) -> None:
    """Read only: guards, one look at the host, the devices' lists, and what a run would say to them."""
    from flows import planning

    known, request = doors.by_hand(site.absolute(), host, remote, playbook, "", override or ())
    shown = planning.plan(known, request)
    if as_json:
        facts(shown)
    else:
        planning.show(console(), shown)
    raise typer.Exit(CODES[shown.outcome])


def approve(
    incident: IncidentId,
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the postmortem.")] = "",
    go_on: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on with the run at once.")] = True,
    prefect: UsePrefect = True,
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Approve what the incident waits for, exactly as its card shows it, and go on."""
    folder = find(reports_of(site, reports), incident)
    options = runs.Options(folder.parent, False, prefect, as_json)
    answers = runs.approve(folder, not reject, reason, console(as_json))
    if go_on and not reject:
        runs.resume(folder, options)
        _end(folder, options)
    if as_json:
        facts(answers)


def resume(
    incident: IncidentId,
    redo: Annotated[Step | None, typer.Option(help="Run this step again, and all that stand on it.")] = None,
    skip: Annotated[Step | None, typer.Option(help="Leave this step out.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the postmortem.")] = "",
    override: Override = None,
    yes: Yes = False,
    prefect: UsePrefect = True,
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Go on where the incident stands; finished steps are never run again by themselves."""
    if redo and skip:
        raise ConfigError("--redo and --skip were both given", do="do one, look, then the other")
    folder = find(reports_of(site, reports), incident)
    runs.decide(folder, redo, skip, reason, override or ())
    options = runs.Options(folder.parent, yes, prefect, as_json)
    runs.resume(folder, options)
    _end(folder, options)


def undo(
    incident: IncidentId,
    step: Annotated[Consent | None, typer.Option(help="block, isolate or cleanup; default all.")] = None,
    override: Override = None,
    yes: Yes = False,
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Take back what hemostat changed, last act first; show what cannot be taken back."""
    if step not in (None, Consent.BLOCK, Consent.ISOLATE, Consent.CLEANUP):
        raise ConfigError(f"{step} changes nothing", do="undo --step block, --step isolate or --step cleanup")
    folder = find(reports_of(site, reports), incident)
    steps = (step,) if step else (Consent.CLEANUP, Consent.ISOLATE, Consent.BLOCK)
    raise typer.Exit(runs.undo(folder, steps, tuple(override or ()), runs.Options(folder.parent, yes, False, as_json)))


def expire(site: SiteFolder = Here, reports: Reports = None, as_json: AsJson = False) -> None:
    """End the blocks whose time to live is over, on every device that has no clock of its own; run it from cron."""
    options = runs.Options(reports_of(site, reports), True, False, as_json)
    raise typer.Exit(runs.expire(options, site / ".hemostat" / "inbox.db"))


def serve(
    listen: Annotated[str, typer.Option(help="The address to listen at, instead of inventory/serve.yaml's.")] = "",
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any.", min=0, max=65535)] = None,
    prefect: UsePrefect = True,
    site: SiteFolder = Here,
    reports: Reports = None,
) -> None:
    """Take alerts by webhook, work on them at once, and show the review pages, until Ctrl-C or SIGTERM."""
    from flows import serve as serving  # imported here: FastAPI takes long, and no other command has use for it

    asked = serving.Asked(site.absolute(), reports_of(site, reports), listen, port, prefect)
    raise typer.Exit(serving.run(asked, console()))


def deploy(site: SiteFolder = Here, reports: Reports = None) -> None:
    """Put a form on Prefect's pages that starts a run, and execute what it starts, until Ctrl-C."""
    from flows import deploy as deploying

    raise typer.Exit(deploying.run(site.absolute(), reports_of(site, reports).absolute(), console()))


def drill(
    yes: Yes = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say what it will do and touch, and do nothing.")] = False,
    beacon: Annotated[
        str, typer.Option(help="keepalive or short: one long connection, or one for each message.")
    ] = "keepalive",
    interval: Annotated[float, typer.Option(help="The beacon's interval in seconds.", min=0.1, max=30)] = 1.0,
    ground: Annotated[
        str,
        typer.Option(
            "--range", help="loopback; netns: real hosts in namespaces, over SSH; windows: simulated ones, over WinRM."
        ),
    ] = "loopback",
    scenario: Annotated[list[str] | None, typer.Option(help="What happens on netns; may be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every scenario, one after the other, and a table.")] = False,
    shown: Annotated[bool, typer.Option("--list", help="Show the scenarios, and do nothing.")] = False,
    firewall: Annotated[str, typer.Option(help="On netns: this platform instead of the scenario's.")] = "",
    windows: Annotated[bool, typer.Option(help="On loopback: also a simulated Windows host, at the same time.")] = True,
    prefect: UsePrefect = True,
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Make a real incident on this machine, on loopback or on hosts of its own, and run all seven steps on it."""
    from flows import drill as drills
    from flows import scenarios, windows_drills

    if ground not in ("loopback", "netns", "windows"):
        raise ConfigError(f"there is no range {ground!r}", do="say loopback, netns or windows")
    hosts: Any = windows_drills if ground == "windows" else scenarios
    alone = ground == "loopback" and not scenario and not every
    if explain:
        console().print(drills.EXPLANATION if alone else hosts.EXPLANATION)
        return
    if shown:
        hosts.listed(as_json)
        return
    if firewall and (alone or ground == "windows"):
        raise ConfigError("--firewall is for hosts in network namespaces", do="add --range netns")
    options = runs.Options(reports_of(site, reports), yes, prefect, as_json)
    if alone:
        beside = windows_drills.Beside(options) if windows else None
        raise typer.Exit(drills.run(options, beacon, interval, beside))
    names = () if every else tuple(scenario or [hosts.FIRST])
    if ground == "windows":
        raise typer.Exit(windows_drills.run(options, names))
    raise typer.Exit(scenarios.run(options, names, firewall))


def ui(
    incident: Annotated[
        str, typer.Argument(metavar="[ID]", help="A drill, whose Prefect has a database of its own.")
    ] = "",
    site: SiteFolder = Here,
    reports: Reports = None,
) -> None:
    """Keep the embedded Prefect server up, for the pages of past runs, until Ctrl-C."""
    home = site.absolute()
    if incident:
        home = Path(load_state(find(reports_of(site, reports), incident)).incident.site)
    runs.serve_pages(home, console())


def _end(folder: Path, options: runs.Options) -> NoReturn:
    if options.as_json:
        facts(runs.told(folder))
    raise typer.Exit(runs.code(folder))


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"read {file}", error.strerror or str(error), "name a readable file, or - for standard input"
        ) from None
