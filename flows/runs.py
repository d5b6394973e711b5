"""Whole runs as a command starts them: open or reopen, launch, tell how it ended. Knows launches and consoles; no step's inside."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from flows import server as prefect_server
from flows.cli_out import CODES, console, facts, show_checks
from flows.console import Terminal, Words, always, as_said, card, line, watching, words_of
from flows.doors import operator
from flows.engine import Nobody, Watcher
from flows.inbox import Inbox
from flows.launch import Launch, carry_on, urgent
from flows.orders import STANDS_ON
from flows.server import Server
from tasks import expire as expiring
from tasks import undo as undoing
from tasks.acts import Waiting
from tasks.case import Request, incidents, load_state, opened, reopened
from tasks.model import Approval, ConfigError, Json, Mode, Step, TargetError
from tasks.settings import Site
from tasks.undo import Undone

# Seconds to wait after the run for a Prefect that is still starting, so that its pages show the run.
PATIENCE = 45.0
# Seconds between two looks at a server whose pages are kept up.
LOOK = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a command was given: where incidents stand, whether to ask, whether Prefect shows it, whether a program reads along."""

    reports: Path
    yes: bool
    prefect: bool
    as_json: bool


def respond_all(site: Site, requests: Sequence[Request], options: Options) -> list[Path]:
    """Open incidents and run them: every victim's urgent steps first, whatever Prefect or another victim does. Their folders."""
    home = Path(site.folder) / ".hemostat" / "prefect"
    with _server(options, home) as server:
        opened_ = [_urgent(site, request, options) for request in requests]
        for folder, had_turn in opened_:
            with _stage(options, words_of(load_state(folder))) as (launch, out):
                launch.had_turn |= had_turn
                with _stoppable(folder.name, out):
                    carry_on(folder, launch, server, PATIENCE)
                _tell(folder, options, out)
    return [folder for folder, _ in opened_]


def _urgent(site: Site, request: Request, options: Options) -> tuple[Path, set[Step]]:
    """Open one incident and stop its bleeding; the steps that have had their turn."""
    stage = _stage(options, as_said(request.host.name, request.host.root))
    with stage as (launch, out), opened(options.reports, site, request) as case, _stoppable(case.incident.id, out):
        what = f"{request.host.name} → {request.remote}, playbook {request.playbook.name}"
        out.print(line(f"incident {case.incident.id}: {what}", "bold"))
        urgent(case, launch)
        return case.folder, launch.had_turn


def resume(folder: Path, options: Options) -> None:
    """Go on with an incident where its journal says it stands."""
    state = load_state(folder)
    home = Path(state.incident.site) / ".hemostat" / "prefect"
    with _stage(options, words_of(state)) as (launch, out), _laboratory(folder):
        with _stoppable(state.incident.id, out), _server(options, home) as server:
            with reopened(folder) as case:
                urgent(case, launch)
            carry_on(folder, launch, server, PATIENCE)
        _tell(folder, options, out)


def told(folder: Path) -> dict[str, Json]:
    """How a run ended, for a program."""
    state = load_state(folder)
    return {
        "incident": state.incident.id,
        "folder": str(folder),
        "outcome": state.outcome,
        "steps": list(state.ends.values()),
        "head": state.records[-1].hash,
    }


def code(folder: Path) -> int:
    """The exit code of a run."""
    outcome = load_state(folder).outcome
    return CODES[outcome] if outcome else 0


def serve_pages(site: Path, out: Console) -> None:
    """Keep the site's Prefect server up, or show the one that runs, and say where its pages are, until Ctrl-C or its end.

    Raises:
        TargetError: it does not answer, or has ended.
    """
    home = site / ".hemostat" / "prefect"
    with prefect_server.answering(home) as server:
        out.print(line(f"Prefect's pages: {server.ui}", "bold"))
        if not server.foreign:
            out.print(line(f"they ask for the line in {server.password_file}"))
        with contextlib.suppress(KeyboardInterrupt):
            while server.alive:
                time.sleep(LOOK)
            raise TargetError(
                f"keep up {server.ui}", "the server has ended", f"see {home / 'server.log'}; start it again"
            )


def decide(folder: Path, redo: Step | None, skip: Step | None, reason: str, overrides: Sequence[str]) -> None:
    """Journal that a person wants a step anew or left out, or lifts a guard."""
    with reopened(folder) as case:
        for word in overrides:
            case.record("override", word=word, by=operator(), reason=reason)
        if redo:
            case.record("step.redo", step=redo, by=operator(), reason=reason)
        case.record("resumed", by=operator(), reason=reason)
        for step in STANDS_ON.get(skip, (skip,)) if skip else ():
            case.record("step.skipped", step=step, by=operator(), reason=reason or f"{skip} was skipped")


def approve(folder: Path, yes: bool, reason: str, out: Console) -> list[dict[str, Json]]:
    """Answer every plan that waits, and show it.

    Returns:
        For a program: what was answered, plan by plan.

    Raises:
        ConfigError: nothing waits.
    """
    with reopened(folder) as case:
        state = case.state
        open_plans = [p for p in state.plans.values() if p.digest in state.asked and p.digest not in state.approvals]
        if not open_plans:
            raise ConfigError(
                f"{state.incident.id} waits for no approval", f"it stands at {state.outcome}", "see `hemostat show`"
            )
        for plan in open_plans:
            out.print(card(plan, words_of(state)))
            kind = "approval.given" if yes else "approval.refused"
            case.record(kind, step=plan.step, digest=plan.digest, by=operator(), via="command line", reason=reason)
            out.print(line(f"{'approved' if yes else 'refused'} by {operator()}"))
        return [{"step": p.step, "digest": p.digest, "approved": yes, "by": operator()} for p in open_plans]


def undo(folder: Path, steps: Sequence[str], overrides: tuple[str, ...], options: Options) -> int:
    """Take back those steps' acts and say what became of each."""
    words = words_of(load_state(folder))
    with _stage(options, words) as (launch, out), _laboratory(folder), reopened(folder) as case:
        case.ask, case.operator = launch.ask, launch.operator
        for word in overrides:
            case.record("override", word=word, by=operator())
        try:
            results = undoing.run(case, steps, Approval.ASK)
        except Waiting as error:
            out.print(line(f"{error.seen}: {error.do}"))
            return CODES[error.outcome]
        if options.as_json:
            facts(results)
        else:
            _show_undone(out, results, words, "nothing to take back: no act of ours stands")
        return 0 if all(r.back or r.action.undo is None for r in results) else 1


def expire(options: Options, inbox: Path) -> int:
    """Every incident in turn. One that cannot be read, or that another process holds, is told and keeps no other block standing."""
    now, results, failed = datetime.now(UTC), list[Undone](), False
    with _stage(options, str) as (_, out):
        for folder in incidents(options.reports):
            try:
                results += _expire(folder, now, inbox)
            except Exception as error:  # noqa: BLE001 - one damaged incident must not keep the blocks of all others standing
                out.print(line(f"{folder.name} could not be looked at: {error}", "red"))
                failed = True
        if options.as_json:
            facts(results)
        else:
            _show_undone(out, results, str, "no block's time is over")
    return 1 if failed or not all(r.back for r in results) else 0


def _expire(folder: Path, now: datetime, inbox: Path) -> list[Undone]:
    if not expiring.due(load_state(folder), now):
        return []
    _part(inbox, folder.name)
    with reopened(folder) as case:
        return expiring.run(case, now)


def _part(inbox: Path, incident: str) -> None:
    """Tell the inbox of `hemostat serve`, where there is one: an alert after the block's end is news, no duplicate.

    Raises:
        NoRoom: it cannot be told; the block stands then, rather than that its beacon goes on unseen.
    """
    if inbox.is_file():
        with contextlib.closing(Inbox(inbox)) as told:
            told.part(incident)


def _show_undone(out: Console, results: Sequence[Undone], words: Words, none: str) -> None:
    if not results:
        out.print(line(none))
    for result in results:
        mark, style = _mark(result)
        what = f"{result.action.kind} {result.action.target} on {result.action.on}: {result.why}"
        out.print(line(f"{mark:<12}{words(what)}", style))


def _mark(result: Undone) -> tuple[str, str]:
    if result.back:
        return "taken back", "green"
    return ("cannot be", "yellow") if result.action.undo is None else ("FAILED", "red")


@contextlib.contextmanager
def _stage(options: Options, words: Words) -> Iterator[tuple[Launch, Console]]:
    """A watcher, someone to ask, and SIGTERM treated like Ctrl-C so that every `with` block ends properly."""
    out = console(options.as_json)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with watching(out, words) as terminal:
            ask = always(terminal) if options.yes else terminal.ask
            yield Launch(_watcher(terminal, options), ask, operator(), terminal.stop), out
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _stoppable(incident: str, out: Console) -> Iterator[None]:
    """Ctrl-C within a step is that step's end; between two steps it ends the run, and the person is told how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        out.print(line(f"stopped between two steps: `hemostat resume {incident}` goes on from here", "bold red"))
        raise


def _watcher(terminal: Terminal, options: Options) -> Watcher:
    return Nobody() if options.as_json else terminal


@contextlib.contextmanager
def _server(options: Options, home: Path) -> Iterator[Server | None]:
    if not options.prefect:
        yield None
        return
    with prefect_server.running(home) as server:
        yield server


@contextlib.contextmanager
def _laboratory(folder: Path) -> Iterator[None]:
    """A drill's firewall comes up again from its saved state; a live incident's devices are simply there."""
    if load_state(folder).incident.mode is not Mode.DRILL:
        yield
        return
    from flows.drill import reopened_range

    with reopened_range(folder):
        yield


def _tell(folder: Path, options: Options, out: Console) -> None:
    """How a run ended, for a person."""
    if options.as_json:
        return
    state = load_state(folder)
    failed = [check for _, check in state.checks if check.result != "pass"]
    if failed:
        show_checks(out, failed, words_of(state))
    outcome = state.outcome.label if state.outcome else "no step has run"
    out.print(line(f"incident {state.incident.id}: {outcome}", "bold"))
    out.print(
        line(f"journal head {state.records[-1].hash} (write it down elsewhere: `hemostat verify` compares it)", "dim")
    )
