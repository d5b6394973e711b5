"""Judges what a Windows host starts by itself: services, tasks, registry values, WMI subscriptions. Facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.beacon import names
from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.facts_windows import Note, RegistryValue, Service, Signed, Subscription, Task, Windows
from tasks.model import Finding, Json, inert
from tasks.signs import Sign
from tasks.windows import places, registry
from tasks.windows.files import own
from tasks.windows.paths import base, mentions, plain, started, unquoted
from tasks.windows.processes import signed
from tasks.windows.tricks import tricks

_SHELLS = frozenset({"cmd.exe", "powershell.exe", "pwsh.exe", "mshta.exe", "wscript.exe", "cscript.exe"})
_RECENT = 15
_DISABLED = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that starts something: its kind, where it stands, what it runs, and the facts that a remedy needs."""

    kind: str
    where: str
    attack: str
    texts: tuple[str, ...]
    facts: dict[str, Json]
    signs: tuple[Sign, ...] = ()
    modified: float = 0.0
    off: bool = False
    files: tuple[str, ...] = field(default=())


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """The gravest reason of each entry, the others in its words."""
    if snapshot.windows is None:
        return []
    files = signed(snapshot.windows)
    found = [(entry, list(_signs(entry, files, snapshot, context))) for entry in entries(snapshot.windows)]
    return [_finding(entry, signs, files, snapshot, context) for entry, signs in found if signs]


def entries(windows: Windows) -> Iterator[Entry]:
    """Every entry of every kind."""
    yield from map(_service, windows.services)
    yield from map(_task, windows.tasks)
    yield from map(_value, windows.registry)
    yield from _subscriptions(windows.subscriptions)
    yield from (_startup(note) for note in windows.notes if note.kind == "startup")


def _service(service: Service) -> Entry:
    texts = tuple(text for text in (service.command, service.dll, service.failure_command) if text)
    signs = []
    if service.failure_command:
        signs.append(Sign("starts a program when it fails", 45, "T1543.003"))
    if unquoted(service.command):
        signs.append(Sign("has a path with blanks and no quotes", 15, "T1574.009"))
    if base(started(service.command)[0]) in _SHELLS if started(service.command) else False:
        signs.append(Sign("runs a shell as a service", 55, "T1543.003"))
    files = (*started(service.command), *((service.dll,) if service.dll else ()))
    facts: dict[str, Json] = {
        "name": service.name,
        "start": service.start,
        "state": service.state,
        "pid": service.pid,
        "dll": service.dll,
    }
    return Entry(
        "service", f"service {service.name}", "T1543.003", texts, facts, tuple(signs), files=files, off=_off(service)
    )


def _off(service: Service) -> bool:
    return service.start == "Disabled" and service.state != "Running"


def _task(task: Task) -> Entry:
    signs = (
        (Sign("is hidden: its security descriptor is gone, so that no tool lists it", 85, "T1564"),)
        if task.hidden
        else ()
    )
    files = tuple(path for action in task.actions for path in started(action))
    facts: dict[str, Json] = {"name": task.path, "enabled": task.enabled, "hidden": task.hidden, "run_as": task.run_as}
    return Entry(
        "task",
        f"task {task.path}",
        "T1053.005",
        task.actions,
        facts,
        signs,
        task.modified,
        off=not task.enabled,
        files=files,
    )


def _value(value: RegistryValue) -> Entry:
    facts: dict[str, Json] = {
        "key": value.key,
        "name": value.name,
        "type": value.type,
        "view": value.view,
        "user": value.user,
        "data": value.data,
    }
    where = f"{value.key}\\{value.name or '(default)'}" + (" (32-bit view)" if value.view == 32 else "")
    signs = tuple(registry.against(value))
    files = tuple(registry.files(value))
    return Entry(value.kind, where, registry.ATTACK.get(value.kind, "T1112"), (value.data,), facts, signs, files=files)


def _subscriptions(found: tuple[Subscription, ...]) -> Iterator[Entry]:
    """Consumers that run something, with what binds them: a consumer without a binding never runs."""
    for consumer in (s for s in found if s.kind == "consumer"):
        bound = [
            b
            for b in found
            if b.kind == "binding" and b.consumer == consumer.name and b.namespace == consumer.namespace
        ]
        filters = [
            f
            for f in found
            if f.kind == "filter" and f.namespace == consumer.namespace and f.name in {b.filter for b in bound}
        ]
        runs = consumer.type in ("CommandLineEventConsumer", "ActiveScriptEventConsumer")
        signs = (
            Sign(
                "runs a program or script on an event" + ("" if bound else ", but nothing triggers it"),
                75 if bound else 40,
                "T1546.003",
            ),
        )
        facts: dict[str, Json] = {
            "name": consumer.name, "namespace": consumer.namespace, "type": consumer.type, "text": consumer.text,
            "filters": [{"name": f.name, "query": f.text} for f in filters],
        }  # fmt: skip
        if runs:
            where = f"WMI consumer {consumer.name} in {consumer.namespace}"
            yield Entry("wmi", where, "T1546.003", (consumer.text,), facts, signs, files=tuple(started(consumer.text)))


def _startup(note: Note) -> Entry:
    files = tuple(path for path in (note.what, note.detail) if path)
    facts: dict[str, Json] = {"path": note.what, "target": note.detail}
    return Entry(
        "startup", note.what, "T1547.001", (note.detail or note.what,), facts, modified=note.at, files=files[-1:]
    )


def _signs(entry: Entry, files: dict[str, Signed], snapshot: Snapshot, context: Context) -> Iterator[tuple[str, Sign]]:
    yield from _beacon(entry, files, snapshot, context)
    if names(entry.texts, context.remote):
        yield "remote", Sign(f"names {context.remote.address}, the address of the alert", 90, entry.attack)
    yield from (("itself", sign) for sign in entry.signs)
    for path in entry.files:
        yield from _file(path, files.get(plain(path)), entry)
    yield from (("command", sign) for text in entry.texts for sign in tricks(text))
    if entry.modified and context.near_start(snapshot, entry.modified):
        yield "recent", Sign("was changed within ten minutes of the beacon's start", 40, entry.attack)


def _beacon(entry: Entry, files: dict[str, Signed], snapshot: Snapshot, context: Context) -> Iterator[tuple[str, Sign]]:
    """Names the beacon's own file, or the library that its shared host runs; Windows' own programs are everyone's."""
    for process in context.beacons(snapshot):
        texts = (*entry.texts, *entry.files)
        hit = next((p for p in own(process, snapshot.windows) if p and any(mentions(text, p) for text in texts)), "")
        serves = entry.kind == "service" and entry.facts["pid"] == process.pid
        if hit or (serves and not _windows_own(entry, files)):
            words = f"starts {inert(hit or entry.where, 200)}, the program of process {process.pid}, {context.guilt(process)}"
            yield "beacon", Sign(words, 95, entry.attack)
            return


def _windows_own(entry: Entry, files: dict[str, Signed]) -> bool:
    """A shared svchost holds many services: only one whose library is not Windows' own, by place and signature, is the beacon's."""
    return all(places.system(path) and not _bad(files.get(plain(path))) for path in entry.files)


def _bad(file: Signed | None) -> bool:
    return file is not None and file.status not in ("", places.GOOD)


def _file(path: str, file: Signed | None, entry: Entry) -> Iterator[tuple[str, Sign]]:
    if sign := places.odd(path, file):
        yield "place", Sign(f"starts {inert(path, 200)}, {sign.words}", min(sign.score + 10, 90), entry.attack)
    if file is None:
        return
    if not file.exists:
        yield "gone", Sign(f"starts {inert(path, 200)}, which is not there", 25, entry.attack)
    library = entry.kind == "service" and same_dll(entry, path)
    if library and file.status == "NotSigned":
        yield "signature", Sign(f"loads {inert(path, 200)} into a host process, and nobody signed it", 80, "T1543.003")
    elif sign := places.signature(file):
        yield "signature", Sign(f"starts {inert(path, 200)}, which {sign.words}", sign.score, sign.attack)
    if sign := places.hides(file):
        yield "file_hidden", Sign(f"starts {inert(path, 200)}, which {sign.words}", sign.score, sign.attack)


def same_dll(entry: Entry, path: str) -> bool:
    """Is it the service's own library?"""
    dll = entry.facts.get("dll")
    return isinstance(dll, str) and bool(dll) and plain(dll) == plain(path)


def _bad_file(entry: Entry, files: dict[str, Signed]) -> dict[str, Json]:
    """The file that it starts and that nobody vouches for, with its hash: what a quarantine takes."""
    for path in entry.files:
        file = files.get(plain(path))
        if file and file.sha256 and _bad(file):
            return {"path": path, "sha256": file.sha256}
    return {}


def _finding(
    entry: Entry, signs: list[tuple[str, Sign]], files: dict[str, Signed], snapshot: Snapshot, context: Context
) -> Finding:
    others = [reason for reason in signs if reason[0] != "recent"]
    rule, gravest = max(others or signs, key=lambda reason: reason[1].score)
    score = min(gravest.score + _RECENT * (0 < len(others) < len(signs)), 98)
    if entry.off:  # it starts nothing any more, whoever disabled it
        score, signs = min(score, _DISABLED), [*signs, ("off", Sign("is disabled", 0, entry.attack))]
    reasons = "; ".join(dict.fromkeys(f"it {sign.words}" for _, sign in signs))
    pids = [p.pid for p in context.beacons(snapshot)] if rule == "beacon" else []
    return Finding(
        f"{entry.kind}.{rule}",
        f"an entry of {entry.kind} {gravest.words}"[:600],
        inert(entry.where, 400),
        inert(f"{reasons}. It says: {' | '.join(entry.texts)}", 900),
        score,
        "high" if score >= 85 else "medium" if score >= 50 else "low",
        gravest.attack,
        {"kind": entry.kind, **entry.facts, "pids": pids, "starts": list(entry.files[:8]), **_bad_file(entry, files)},
    )
