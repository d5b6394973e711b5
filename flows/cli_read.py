"""The commands that read: history, show, report, verify, check. They hold no incident (report alone writes) and import no Prefect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from flows.cli_out import (
    CODES,
    TAMPERED,
    USAGE,
    AsJson,
    IncidentId,
    Reports,
    SiteFolder,
    console,
    facts,
    reports_of,
    show_checks,
)
from flows.console import COLOURS, line, words_of
from tasks import site as sites
from tasks.audit import audit
from tasks.case import find, incidents, load_state, reopened
from tasks.journal import BrokenChain
from tasks.model import Check, Outcome, Result, Step
from tasks.state import State

Here = Path()


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (history, show, report, verify, check):
        app.command()(command)


def history(
    host: Annotated[str, typer.Option(help="Only incidents of this host.")] = "",
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """All incidents, newest first."""
    rows = [
        row
        for folder in reversed(incidents(reports_of(site, reports)))
        for row in _row(folder)
        if host in ("", row["host"])
    ]
    if as_json:
        facts(rows)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("incident", "host", "remote", "mode", "verdict", "stands at", "outcome", "changes that stand"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            *(line(str(row[key])) for key in ("id", "host", "remote", "mode", "verdict", "step", "outcome", "standing"))
        )
    console().print(table if rows else line("no incident yet: `hemostat drill` makes one"))


def _row(folder: Path) -> list[dict[str, object]]:
    try:
        state = load_state(folder)
    except (BrokenChain, OSError) as error:
        row = dict.fromkeys(("host", "remote", "mode", "verdict", "step", "standing"), "?")
        return [{**row, "id": folder.name, "outcome": f"cannot be read: {error}"}]
    except Exception as error:  # noqa: BLE001 - one damaged folder must not hide all other incidents
        row = dict.fromkeys(("host", "remote", "mode", "verdict", "step", "standing"), "?")
        return [{**row, "id": folder.name, "outcome": f"no readable journal: {type(error).__name__}"}]
    return [
        {
            "id": state.incident.id,
            "opened": state.incident.opened_at,
            "host": state.incident.host,
            "remote": str(state.incident.remote),
            "mode": state.incident.mode,
            "verdict": state.verdict.decision if state.verdict else "none",
            "step": state.running or state.last or "none",
            "outcome": _outcome(state),
            "standing": len(state.standing),
        }
    ]


def _outcome(state: State) -> str:
    """A step without an end is running, or was cut off: only the lock could tell, and nobody should wait for that."""
    if state.running:
        return "running, or cut off: resume it"
    return state.outcome.label if state.outcome else "not begun"


def show(incident: IncidentId, site: SiteFolder = Here, reports: Reports = None, as_json: AsJson = False) -> None:
    """One incident: steps, findings, what was changed, checks, evidence. Reads along while it runs."""
    state = load_state(find(reports_of(site, reports), incident))
    if as_json:
        facts(_facts(state))
        return
    out = console()
    one = state.incident
    opened = f"opened {one.opened_at:%Y-%m-%d %H:%M:%S} UTC by {one.operator}"
    out.print(line(f"{one.id}: {one.host} → {one.remote} ({one.mode}), {opened}", "bold"))
    if state.verdict:
        out.print(
            line(f"verdict {state.verdict.decision} ({state.verdict.confidence} %): {'; '.join(state.verdict.reasons)}")
        )
    _steps(out, state)
    _findings(out, state)
    _acts(out, state)
    show_checks(out, [check for _, check in state.checks], words_of(state))
    if state.seal:
        out.print(
            line(
                f"evidence: {state.seal['items']} items, {state.seal['bytes']} bytes, manifest SHA-256 {state.seal['sha256']}"
            )
        )
    out.print(line(f"journal: {len(state.records)} lines, head {state.records[-1].hash}", "dim"))


def _facts(state: State) -> dict[str, object]:
    keys = (
        "incident",
        "verdict",
        "interval",
        "ends",
        "skipped",
        "findings",
        "again",
        "acts",
        "evidence",
        "seal",
        "reports",
        "flow_run",
    )
    return {key: getattr(state, key) for key in keys} | {
        "checks": [{"step": step, "check": check} for step, check in state.checks],
        "outcome": state.outcome,
        "head": state.records[-1].hash,
    }


def _steps(out: Console, state: State) -> None:
    for step in Step:
        if step in state.skipped:
            out.print(line(f"  {step:<8} skipped by {state.skipped[step]}", "yellow"))
        elif step in state.ends:
            end = state.ends[step]
            summary = words_of(state)(end.summary)
            out.print(line(f"  {step:<8} {end.outcome.label:<14} {summary}", COLOURS[end.outcome]))
        else:
            out.print(line(f"  {step:<8} {'running, or cut off' if state.running is step else 'not run'}", "dim"))


def _findings(out: Console, state: State) -> None:
    for finding in state.findings:
        text = (
            f"  {finding.score:>3} {finding.what} ({finding.where}): {finding.why} [{finding.sure}, {finding.attack}]"
        )
        out.print(line(words_of(state)(text), "red" if finding.score >= 70 else ""))


def _acts(out: Console, state: State) -> None:
    for act in state.acts:
        receipt = act.receipt
        how = (
            "begun, no receipt"
            if receipt is None
            else ("changed" if receipt.changed else "was so before" if receipt.ok else "FAILED")
        )
        back = ", taken back" if act.superseded else ""
        what = words_of(state)(f"{act.action.kind} {act.action.target} on {act.action.on}")
        out.print(line(f"  {act.step}: {what}: {how}{back}"))


def report(
    incident: IncidentId,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the Markdown instead of the path.")] = False,
    language: Annotated[str, typer.Option(help="en, or zh: report.zh.md and report.zh.html beside the others.")] = "en",
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Write the postmortem from the journal as it stands now, finished or not."""
    from tasks import report as reporting

    with reopened(find(reports_of(site, reports), incident)) as case:
        reporting.write(case, language=language)
        files = {name: str(case.folder / name) for name in reporting.files(language)}
        text = (case.folder / reporting.files(language)[0]).read_text() if markdown else ""
    if as_json:
        facts(files)
    elif markdown:
        typer.echo(text)
    else:
        for path in files.values():
            console().print(line(path))


def verify(
    incident: IncidentId,
    head: Annotated[str, typer.Option(help="The journal's head hash, as written down elsewhere.")] = "",
    site: SiteFolder = Here,
    reports: Reports = None,
    as_json: AsJson = False,
) -> None:
    """Is the record what was written? Checks chain, manifest and every hash, offline."""
    checks = audit(find(reports_of(site, reports), incident), head)
    bad = [c for c in checks if c.result is not Result.PASS]
    if as_json:
        facts(checks)
    else:
        show_checks(console(), bad or checks[:1])
        console().print(line(f"{len(checks) - len(bad)} of {len(checks)} as written", "red" if bad else "green"))
    raise typer.Exit(TAMPERED if any(c.result is Result.FAIL for c in bad) else 0)


def check(
    live: Annotated[bool, typer.Option("--live", help="Also log in to every device and host, read-only.")] = False,
    learn: Annotated[
        str,
        typer.Option(
            metavar="HOST", help="Show that host's SSH key or certificate, ask, and pin it in inventory/hosts.yaml."
        ),
    ] = "",
    site: SiteFolder = Here,
    as_json: AsJson = False,
) -> None:
    """Are inventory, playbooks and policy right? With --live: does every credential work, is every list in force?"""
    if learn:
        raise typer.Exit(_learn(site.absolute(), learn, as_json))
    problems = sites.problems(site.absolute())
    errors = [p for p in problems if p.severity == "error"]
    checks: list[Check] = []
    if live and not errors:
        from flows.live import try_all

        checks = list(try_all(sites.load(site.absolute())))
    if as_json:
        facts({"problems": problems, "live": checks})
    else:
        for problem in problems:
            console().print(line(str(problem), "red" if problem.severity == "error" else "yellow"))
        if checks:
            show_checks(console(), checks)
        console().print(
            line(f"{len(errors)} errors, {len(problems) - len(errors)} warnings", "red" if errors else "green")
        )
    bad = any(c.result is Result.FAIL for c in checks)
    raise typer.Exit(USAGE if errors else 4 if bad else 0)


def _learn(folder: Path, name: str, as_json: bool) -> int:
    """Show a host's key or certificate and pin it after a yes; the exit code: done, or waiting for that yes."""
    from flows import learn

    seen = learn.look(sites.load(folder), name)
    if as_json:
        facts(seen)
        return 0 if seen.known == "pinned" else CODES[Outcome.WAITING]
    out = console()
    learn.show(out, seen)
    if seen.known == "pinned":
        return 0
    if not learn.agreed(out, seen):
        return CODES[Outcome.WAITING]
    learn.pin(folder, seen)
    out.print(line("pinned in inventory/hosts.yaml", "green"))
    return 0
