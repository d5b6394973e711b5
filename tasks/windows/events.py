"""Judges what a Windows host's logs recorded, by the fields of each event and never its localised text. Facts in, findings out.

A record tells what was, and nothing can be cleaned of it: no score reaches what a verification fails at. The ids and fields are those of
learn.microsoft.com's pages of each event, and Sysmon's own manual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.beacon import names
from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.facts_windows import Event
from tasks.model import Finding, inert
from tasks.signs import Sign
from tasks.windows import places
from tasks.windows.files import own
from tasks.windows.paths import mentions, started
from tasks.windows.tricks import tricks

MOST = 69
# A trick in a script that administrators run too (installers of package managers do the same) weighs less than in an autostart.
_LESS = 20
_NEAR = 15


@dataclass(frozen=True, slots=True)
class Seen:
    """One reason why an event matters: the rule, the sign, and what it is about, in the event's own words."""

    rule: str
    sign: Sign
    about: str


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """One finding for all events of one rule about one thing, with their number and the last one's time."""
    if snapshot.windows is None:
        return []
    found = [(event, seen) for event in snapshot.windows.events for seen in _seen(event, snapshot, context)]
    count = Counter((seen.rule, seen.sign.words, seen.about) for _, seen in found)
    last = {
        (seen.rule, seen.sign.words, seen.about): (event, seen) for event, seen in sorted(found, key=lambda f: f[0].at)
    }
    return [
        _finding(*last[key], number, context.near_start(snapshot, last[key][0].at)) for key, number in count.items()
    ]


def _seen(event: Event, snapshot: Snapshot, context: Context) -> Iterator[Seen]:
    reader = _READERS.get((event.log.rpartition("/")[0] or event.log, event.id))
    if reader is None:
        return
    fields = dict(event.fields)
    yield from reader(fields, snapshot, context)
    near = context.near_start(snapshot, event.at)
    texts = [value for _, value in event.fields]
    if names(texts, context.remote):
        yield Seen(
            "event.remote", Sign(f"names {context.remote.address}, the address of the alert", 65, "T1071"), _head(texts)
        )
    if near and event.id in _NEW:
        yield Seen(
            "event.new", Sign("was made within ten minutes of the beacon's start", 55, _NEW[event.id]), _name(fields)
        )
    for process in context.beacons(snapshot):
        if hit := next(
            (path for path in own(process, snapshot.windows) if any(mentions(text, path) for text in texts)), ""
        ):
            yield Seen(
                "event.beacon",
                Sign(f"names {inert(hit, 200)}, the program of process {process.pid}", 60, "T1204"),
                _name(fields),
            )


# Field names of 7045, 4697 and 4698 for what was made.
_NEW = {7045: "T1543.003", 4697: "T1543.003", 4698: "T1053.005"}
_NAMES = ("ServiceName", "TaskName", "Image", "NewProcessName", "Threat Name", "Path")


def _name(fields: dict[str, str]) -> str:
    return next((fields[name] for name in _NAMES if fields.get(name)), "")


def _head(texts: list[str]) -> str:
    return max(texts, key=len, default="")[:300]


Fields = dict[str, str]
Reader = Callable[[Fields, Snapshot, Context], Iterator[Seen]]


def _cleared(fields: Fields, *_: object) -> Iterator[Seen]:
    who = fields.get("SubjectUserName", "")
    yield Seen("event.log_cleared", Sign("an event log was emptied", 60, "T1070.001"), f"by {who}" if who else "")


def _command(fields: Fields, *_: object) -> Iterator[Seen]:
    """A command line or a script: what it is made to do."""
    text = next(
        (
            fields[key]
            for key in ("ScriptBlockText", "CommandLine", "TaskContent", "ImagePath", "ServiceFileName")
            if key in fields
        ),
        "",
    )
    for sign in tricks(text):
        yield Seen(
            "event.command", Sign(f"a recorded command {sign.words}", sign.score - _LESS, sign.attack), text[:300]
        )


def _service(fields: Fields, *_: object) -> Iterator[Seen]:
    yield from _command(fields)
    path = next(iter(started(fields.get("ImagePath") or fields.get("ServiceFileName") or "")), "")
    if path and (sign := places.place(path)):
        yield Seen(
            "event.service",
            Sign(
                f"a service was installed from {inert(path, 200)}, {sign.words}", min(sign.score - 10, 55), "T1543.003"
            ),
            _name(fields),
        )


def _defender(*_: object) -> Iterator[Seen]:
    yield Seen("event.defender_off", Sign("the virus scanner's live protection was turned off", 65, "T1562.001"), "")


def _detected(fields: Fields, *_: object) -> Iterator[Seen]:
    told = f"{fields.get('Threat Name', '')} {fields.get('Path', '')}".strip()
    yield Seen("event.detected", Sign("the virus scanner found malware", 65, "T1204"), told)


def _exclusion(fields: Fields, *_: object) -> Iterator[Seen]:
    if "\\Exclusions\\" in fields.get("New Value", ""):
        yield Seen(
            "event.exclusion",
            Sign("something was excluded from the virus scanner", 60, "T1562.001"),
            fields["New Value"][:300],
        )


def _quiet(*_: object) -> Iterator[Seen]:
    """By itself nothing: only its naming the remote or the beacon's file counts."""
    return iter(())


_POWERSHELL, _SYSMON, _DEFENDER = (f"Microsoft-Windows-{name}" for name in ("PowerShell", "Sysmon", "Windows Defender"))
_READERS: dict[tuple[str, int], Reader] = {
    ("Security", 1102): _cleared,
    ("System", 104): _cleared,
    ("System", 7045): _service,
    ("Security", 4697): _service,
    ("Security", 4698): _command,
    ("Security", 4688): _command,
    (_POWERSHELL, 4104): _command,
    (_DEFENDER, 5001): _defender,
    (_DEFENDER, 1116): _detected,
    (_DEFENDER, 5007): _exclusion,
    (_SYSMON, 1): _command,
    (_SYSMON, 3): _quiet,
    (_SYSMON, 22): _quiet,
}


def _finding(event: Event, seen: Seen, number: int, near: bool) -> Finding:
    score = min(seen.sign.score + _NEAR * near, MOST)
    where = f"{event.log}, event {event.id}, record {event.record}"
    times = f"{number} times, last " if number > 1 else ""
    close = ", within ten minutes of the beacon's start" if near else ""
    return Finding(
        seen.rule,
        f"the log says: {seen.sign.words}{f': {inert(seen.about, 200)}' if seen.about else ''}"[:600],
        where,
        f"{times}in event {event.id} of {inert(event.log, 80)}{close}: {inert(' | '.join(f'{k}={v}' for k, v in event.fields), 700)}",
        score,
        "medium" if score >= 50 else "low",
        seen.sign.attack,
        {"log": event.log, "id": event.id, "record": event.record, "at": event.at, "number": number},
    )
