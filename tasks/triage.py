"""Step 3: look at the host. Reads facts in the playbook's order, keeps them raw, lets the collectors judge; changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from tasks import beacon, collectors
from tasks.case import Case, sample, write_once
from tasks.collectors.context import Context
from tasks.facts import Connection, Snapshot, System, Unseen
from tasks.journal import hexdigest, pretty
from tasks.model import Finding, Outcome, Step, StepEnd, TargetError, Unreachable
from tasks.state import typed
from tasks.transports.hands import Hands

Reader = Callable[[Hands, float], tuple[Sequence[object], Sequence[Unseen]]]

DAY = 86400.0


def run(case: Case) -> StepEnd:
    """Sample, learn the beacon's interval, read everything, judge.

    Raises:
        Unreachable: the host does not answer.
    """
    rule = case.playbook.triage
    sample(case, Step.TRIAGE, rule.samples, rule.window, stare=True)
    learn_interval(case)
    findings = look(case, "first")
    return _end(case, findings)


def look(case: Case, phase: str) -> list[Finding]:
    """One whole reading of the host, judged; phase "first" is triage, "again" is verification."""
    snapshot = _snapshot(case, phase)
    context = _context(case, snapshot)
    findings = collectors.judge(case.playbook.triage.collectors, snapshot, context)
    for finding in findings:
        case.record("finding", phase=phase, finding=finding)
    return findings


def samples(case: Case) -> list[list[Connection]]:
    """The sockets to the remote that each sample before the cleanup showed, from the journal."""
    early = (str(Step.CONFIRM), str(Step.TRIAGE))
    looks = [r.data["connections"] for r in case.state.records if r.kind == "sample" and r.data["step"] in early]
    return [typed(list[Connection], look) for look in looks]


def learn_interval(case: Case) -> None:
    """Journal the beacon's interval in seconds as the samples show it; None is "not learnt", never zero."""
    learnt = beacon.learn_interval(samples(case), case.incident.remote)
    case.record("interval", seconds=learnt.seconds, how=learnt.how)


def _snapshot(case: Case, phase: str) -> Snapshot:
    hands, now = case.hands(), time.time()
    found: dict[str, Sequence[object]] = {}
    unseen: list[Unseen] = []
    wanted = case.playbook.triage.collectors
    readers = [name for name in wanted if name in _READERS]
    for number, name in enumerate(readers):
        case.say(f"reading {name}", number / len(wanted))
        rows, missed = _READERS[name](hands, now - case.playbook.triage.recent_days * DAY)
        _keep(case, phase, name, rows, missed)
        found[name] = rows
        unseen += missed
    # Last, for only now it is known what the sockets and processes left out.
    blind = hands.blind()
    _keep(case, phase, "host", [{"boot": hands.boot_time(), "taken": now, "homes": list(hands.homes())}], blind)
    snapshot = Snapshot(
        host=case.host.name,
        taken=now,
        boot=hands.boot_time(),
        **{name: tuple(rows) for name, rows in found.items()},  # type: ignore[arg-type]
        unseen=(*blind, *unseen),
    )
    windows, missed = case.hands().windows(now - case.playbook.triage.recent_days * DAY, _pids(case))
    if windows is None:
        return _around(case, phase, snapshot)
    _keep(case, phase, "windows", [windows], missed)
    return replace(snapshot, windows=windows, unseen=(*snapshot.unseen, *missed))


def _pids(case: Case) -> list[int]:
    """Who was seen with a socket to the remote so far."""
    return [s.pid for s in beacon.attribute(samples(case), case.incident.remote)]


def _around(case: Case, phase: str, snapshot: Snapshot) -> Snapshot:
    """Add what the system around the processes shows; what to ask there depends on what they show."""
    parts = [name for name in case.playbook.triage.collectors if name in SYSTEM]
    if not parts:
        return snapshot
    case.say(f"reading {', '.join(parts)}", 0.9)
    guilty = collectors.judge(("processes",), snapshot, _context(case, snapshot))
    loud = [f.facts for f in guilty if f.score >= case.playbook.triage.threshold]
    starts = sorted({facts["created"] for facts in loud if facts["created"]})
    exes = [facts["exe"] for facts in loud] + [p.exe for p in snapshot.processes if not (p.deleted or p.memfd)]
    since = snapshot.taken - case.playbook.triage.recent_days * DAY
    try:
        seen = case.hands().system(parts, since, starts, tuple(dict.fromkeys(filter(None, exes))))
    except Unreachable:
        raise
    except TargetError as error:
        seen = System(unseen=(Unseen(", ".join(parts), str(error)),))
    for number, name in enumerate(parts):
        _keep(case, phase, name, getattr(seen, name), () if number else seen.unseen)
    rows = {name: getattr(seen, name) for name in parts}
    return replace(snapshot, **rows, unseen=(*snapshot.unseen, *seen.unseen))


def _keep(case: Case, phase: str, name: str, rows: Sequence[object], missed: Sequence[Unseen]) -> None:
    # Each attempt has a folder of its own: what an earlier one read is evidence, and its hash is in the journal.
    attempt = case.state.attempts.get(case.state.running or Step.TRIAGE, 1)
    path = f"triage/{phase}{'' if attempt == 1 else f'-{attempt}'}/{name}.json"
    raw = pretty({"rows": rows, "unseen": missed})
    write_once(case.folder / path, raw)
    case.record(
        "reading",
        phase=phase,
        artefact=name,
        path=path,
        sha256=hexdigest(raw),
        size=len(raw),
        rows=len(rows),
        unseen=missed,
    )


SYSTEM = ("modules", "privileges", "packages", "logins", "logs")
_READERS: dict[str, Reader] = {
    "connections": lambda hands, _: (hands.connections(), ()),
    "processes": lambda hands, _: (hands.processes(), ()),
    "autostarts": lambda hands, _: hands.autostarts(),
    "files": lambda hands, since: hands.files(since),
}


def _context(case: Case, snapshot: Snapshot) -> Context:
    return Context(
        remote=case.incident.remote,
        suspects=beacon.attribute(samples(case), case.incident.remote, snapshot.processes),
        known_good=tuple(
            k for k in case.site.policy.known_good if k.counts(datetime.fromtimestamp(snapshot.taken, UTC).date())
        ),
        homes=tuple(case.hands().homes()),
        root=case.hands().root,
        now=snapshot.taken,
    )


def _end(case: Case, findings: list[Finding]) -> StepEnd:
    loud = [f for f in findings if f.score >= case.playbook.triage.threshold]
    missed = sum(len(r["unseen"]) for r in case.state.readings)
    text = f"{len(loud)} suspicious of {len(findings)} findings" + (
        f", {missed} thing{'s' * (missed != 1)} could not be seen" if missed else ""
    )
    if loud:
        text += f"; first: {loud[0].what} ({loud[0].where})"
    return StepEnd(
        Step.TRIAGE,
        Outcome.DONE,
        text,
        "" if loud else "nothing is as loud as the playbook's threshold: look by hand",
    )
