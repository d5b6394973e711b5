"""The owner's files: inventory/ and playbooks/ → settings.Site. Knows folders and precedence; must not know what a step does.

nornir's three inventory files and precedence: the host's own value, else its groups' in order (a group before the groups that
it is in), else the defaults'. Every fault of every file is found at once and told as `file:line: what is wrong`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from tasks import cross_checks, serving_checks, shapes
from tasks.choose import DEFAULT
from tasks.model import ConfigError, Json, inert
from tasks.serving import Serve
from tasks.settings import Host, Playbook, Policy, Site
from tasks.yaml_lines import LIMIT, BadYaml, Document, Place
from tasks.yaml_lines import read as read_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NEEDED = ("hostname", "platform", "transport")
_NOT_IN_LAYER = ("name",)
_NOT_IN_DEFAULTS = ("name", "groups", "hostname", "addresses")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of one file. `file` is relative to the site's folder, `line` 1-based."""

    file: str
    line: int
    text: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class BadFiles(ConfigError):
    """The owner's files have errors; `problems` are all of them."""

    def __init__(self, folder: Path, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        told = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"read the files in {folder}", f"{len(problems)} errors\n{told}", "correct them, then try again"
        )


def load(folder: Path, today: date | None = None) -> Site:
    """Read the owner's files.

    Args:
        folder: holds inventory/ and playbooks/.
        today: decides what has expired; the local day by default.

    Raises:
        BadFiles: a ConfigError with every error of every file.
    """
    reading = _Reading(folder, today)
    site = reading.site()
    errors = [p for p in reading.sorted() if p.severity == "error"]
    if errors or site is None:
        raise BadFiles(folder, errors)
    return site


_LOADED: dict[Path, tuple[object, Site]] = {}


def current(folder: Path) -> Site:
    """The same, read again only when a file or the day is another: a service looks at every incident, and YAML is slow.

    Raises:
        BadFiles: a file has been broken since.
    """
    files = (*(folder / "inventory").glob("*.yaml"), *(folder / "playbooks").glob("*"))
    stats = sorted((str(path), path.stat()) for path in files)
    mark = (datetime.now(UTC).astimezone().date(), [(p, s.st_mtime_ns, s.st_size, s.st_ino) for p, s in stats])
    seen = _LOADED.get(folder)
    if seen is None or seen[0] != mark:
        seen = _LOADED[folder] = (mark, load(folder))
    return seen[1]


def problems(folder: Path, today: date | None = None) -> list[Problem]:
    """Every error and warning of every file, by file and line."""
    reading = _Reading(folder, today)
    reading.site()
    return reading.sorted()


@dataclass(frozen=True, slots=True)
class _Layer:
    """One host, group or the defaults: its fields and where they stand."""

    file: str
    place: Place
    document: Document
    fields: Mapping[str, Json]

    def line(self, place: Place) -> int:
        return self.document.line((*self.place, *place))


class _Reading:
    """One pass over the files, collecting what is wrong."""

    def __init__(self, folder: Path, today: date | None) -> None:
        self.folder = folder
        self.today = today or datetime.now(UTC).astimezone().date()
        self.found: set[Problem] = set()
        self.documents: dict[str, Document] = {}
        self.hashes: dict[str, str] = {}

    def sorted(self) -> list[Problem]:
        return sorted(self.found)

    def say(self, file: str, line: int, text: str, severity: Literal["error", "warning"] = "error") -> None:
        self.found.add(Problem(file, line, text, severity))

    def site(self) -> Site | None:
        """The site, or None when its parts cannot be put together; `found` says why."""
        hosts, policy, playbooks = self._hosts(), self._policy(), self._playbooks()
        if hosts is None or policy is None or playbooks is None:
            return None
        site = Site(str(self.folder), hosts, policy, playbooks, self._serve())
        for fault in (*cross_checks.faults(site, self.today), *serving_checks.faults(site)):
            self.say(fault.file, self._line(fault.file, fault.place), fault.text, fault.severity)
        return site

    def _line(self, file: str, place: Place) -> int:
        return self.documents[file].line(place) if file in self.documents else 1

    def _document(self, file: str, needed: bool) -> Document | None:
        data = self._bytes(file, needed)
        if data is None:
            return None
        self.hashes[file] = hashlib.sha256(data).hexdigest()
        try:
            self.documents[file] = read_yaml(data)
        except BadYaml as error:
            self.say(file, error.line, error.text)
            return None
        return self.documents[file]

    def _bytes(self, file: str, needed: bool) -> bytes | None:
        path = self.folder / file
        try:
            with path.open("rb") as stream:
                return stream.read(LIMIT + 1)
        except FileNotFoundError:
            if needed:
                self.say(file, 1, "the file is missing: copy the example of that name from hemostat's repository")
        except OSError as error:
            self.say(file, 1, f"the file cannot be read: {error.strerror}")
        return None

    def _mapping(self, file: str, needed: bool) -> tuple[Document, dict[str, Json]] | None:
        """The file as a mapping; an empty or absent file that is not needed is an empty one."""
        document = self._document(file, needed)
        if document is None or document.value is None:
            if needed and document is not None:
                self.say(file, 1, "the file is empty")
            return None if needed else (Document({}), {})
        if not isinstance(document.value, dict):
            self.say(file, 1, f"a mapping, as key: value, is wanted, found {shapes.shown(document.value)}")
            return None
        return document, document.value

    def _layers(self, file: str, needed: bool = False) -> dict[str, _Layer] | None:
        read = self._mapping(file, needed)
        if read is None:
            return None
        layers = {}
        for name, value in read[1].items():
            line = read[0].line((name,))
            if not _NAME.fullmatch(name):
                self.say(file, line, f"'{inert(name, 60)}' is no name: letters, digits, . _ - are allowed")
            if value is not None and not isinstance(value, dict):
                self.say(file, line, f"{inert(name, 60)}: a mapping is wanted, found something else")
            fields = value if isinstance(value, dict) else {}
            layers[name] = _Layer(file, (name,), read[0], fields)
        return layers

    def _hosts(self) -> dict[str, Host] | None:
        hosts = self._layers("inventory/hosts.yaml", needed=True)
        groups = self._layers("inventory/groups.yaml")
        read = self._mapping("inventory/defaults.yaml", needed=False)
        if hosts is None or groups is None or read is None:
            return None
        defaults = _Layer("inventory/defaults.yaml", (), *read)
        layers = [*hosts.values(), *groups.values(), defaults]
        bad = [self._layer_is_bad(layer, groups) for layer in layers]
        self._cycles(groups)
        merged = {name: self._merge(name, layer, groups, defaults) for name, layer in hosts.items()}
        if any(bad) or None in merged.values():
            return None
        return {name: shapes.read(Host, value) for name, value in merged.items() if value is not None}

    def _layer_is_bad(self, layer: _Layer, groups: Mapping[str, _Layer]) -> bool:
        hidden = _NOT_IN_LAYER if layer.place else _NOT_IN_DEFAULTS
        faults = shapes.faults(Host, dict(layer.fields), hidden, partial=True)
        for place, text in faults:
            self.say(layer.file, layer.line(place), text)
        for number, name in enumerate(_groups(layer)):
            if name not in groups:
                text = f"there is no group '{inert(name, 60)}' in inventory/groups.yaml{shapes.nearest(name, groups)}"
                self.say(layer.file, layer.line(("groups", number)), text)
        return bool(faults)

    def _cycles(self, groups: Mapping[str, _Layer]) -> None:
        for name, layer in groups.items():
            if name in _within(_groups(layer), groups):
                text = f"the group '{name}' is in itself, directly or through another"
                self.say(layer.file, layer.line(("groups",)), text)

    def _merge(self, name: str, host: _Layer, groups: Mapping[str, _Layer], defaults: _Layer) -> dict[str, Json] | None:
        """The host's fields, host before groups before defaults; None when one is still missing."""
        merged: dict[str, Json] = {"name": name, "groups": _groups(host)}
        for layer in (host, *(groups[g] for g in _within(_groups(host), groups)), defaults):
            for key, value in layer.fields.items():
                merged.setdefault(key, value)
        missing = [key for key in _NEEDED if key not in merged]
        for key in missing:
            text = f"{inert(name, 60)}: the key '{key}' is missing, here and in its groups and the defaults"
            self.say(host.file, host.line(()), text)
        return None if missing else merged

    def _policy(self) -> Policy | None:
        read = self._mapping("inventory/policy.yaml", needed=True)
        return None if read is None else self._typed("inventory/policy.yaml", Policy, *read)

    def _serve(self) -> Serve:
        """What it says; the defaults where it is absent, empty, or faulty, which `found` then says."""
        document, value = self._mapping(serving_checks.FILE, needed=False) or (Document({}), {})
        return self._typed(serving_checks.FILE, Serve, document, value) or Serve()

    def _typed(self, file: str, kind: type[Any], document: Document, value: Json, hidden: Sequence[str] = ()) -> Any:
        faults = shapes.faults(kind, value, hidden)
        for place, text in faults:
            self.say(file, document.line(place), text)
        return None if faults else shapes.read(kind, value)

    def _playbooks(self) -> dict[str, Playbook] | None:
        found = {path.stem: self._playbook(f"playbooks/{path.name}") for path in self._playbook_files()}
        if DEFAULT not in found:
            text = "the file is missing: an alert that no other playbook matches will be refused"
            self.say(f"playbooks/{DEFAULT}.yaml", 1, text, "warning" if found else "error")
        good = {name: playbook for name, playbook in found.items() if playbook is not None}
        return good if good and len(good) == len(found) else None

    def _playbook_files(self) -> Iterator[Path]:
        for path in sorted((self.folder / "playbooks").glob("*")):
            if path.suffix == ".yaml" and _NAME.fullmatch(path.stem):
                yield path
            elif path.suffix in (".yaml", ".yml"):
                self.say(f"playbooks/{inert(path.name)}", 1, "not read: name it NAME.yaml, of letters, digits, . _ -")

    def _playbook(self, file: str) -> Playbook | None:
        read = self._mapping(file, needed=True)
        playbook: Playbook | None = read and self._typed(file, Playbook, *read, hidden=("name", "sha256"))
        return playbook and replace(playbook, name=Path(file).stem, sha256=self.hashes[file])


def _groups(layer: _Layer) -> list[str]:
    named = layer.fields.get("groups")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def _within(names: Sequence[str], groups: Mapping[str, _Layer]) -> list[str]:
    """Those groups and the groups they are in, each once, in nornir's order (depth first)."""
    order: list[str] = []
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        if name in groups and name not in order:
            order.append(name)
            waiting += reversed(_groups(groups[name]))
    return order
