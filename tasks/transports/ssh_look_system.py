"""The system around a Linux host's processes as scripts/look.sh tells it: modules, privileges, packages. Knows formats; judges nothing."""

from __future__ import annotations

import base64
import binascii
import re
import stat
from collections.abc import Callable, Iterator, Sequence

from tasks.facts import System, Unseen
from tasks.facts_linux import Module, Package, Privilege
from tasks.model import TargetError
from tasks.transports import ssh_look_logs as logs
from tasks.transports.ssh_look_files import Meta, found_file, metas_of, tame
from tasks.transports.ssh_look_records import ROWS, Ask, Record, flooded, of_kind, records, rows, unseen, users

# Where programs are, and where nobody should put one; bounded, so that no home or data disk is walked whole.
FOLDERS = (
    "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local", "/usr/lib", "/usr/libexec", "/opt", "/tmp", "/var/tmp", "/dev/shm", "/run",  # noqa: S108
    "/home", "/root", "/var/www", "/srv", "/etc",
)  # fmt: skip
MAX_PROGRAMS, MAX_PRIVILEGES = 300, 2_000
_MODULE = re.compile(r"^([A-Za-z0-9_]{1,64}) \d+ \d+ \S+ \S+ 0x[0-9a-f]+(?: \(([A-Z+-]+)\))?$", re.ASCII)
_SHOWN = re.compile(r"^/sys/module/([A-Za-z0-9_]{1,64})/initstate$", re.ASCII)
_SYMBOL = re.compile(r"^\[([A-Za-z0-9_]{1,64})\]$", re.ASCII)
# What stands in brackets in the symbol table without being a module (kernel/kallsyms.c).
_NO_MODULE = re.compile(r"^(?:bpf|__builtin__\w+|_?ftrace\w*|kprobe\w*)$", re.ASCII)
_CAPABLE = re.compile(r"^(/.*?) (?:= ?)?((?:(?:cap_[a-z_]+(?:,cap_[a-z_]+)*|all)?[=+-][eip]+ ?)+)$", re.ASCII)
_DIGEST = re.compile(r"^\\?([0-9a-f]{32,128}) [ *](.+)$", re.ASCII)

Part = tuple[Sequence[object], Sequence[Unseen]]


def system(
    ask: Ask, parts: Sequence[str], since: float, starts: Sequence[float], exes: Sequence[str], root: str
) -> System:
    """Each part by itself: what one cannot tell is unseen, and the others stand.

    Old privileged files are told, too: in an odd place they are no less odd; packages are asked for each of them. Logins older than
    `since` are left out.
    """
    found: dict[str, tuple[object, ...]] = {}
    ways: dict[str, Callable[[], Part]] = {
        "modules": lambda: modules(ask),
        "privileges": lambda: privileges(ask, root),
        "packages": lambda: packages(ask, [*exes, *_privileged(found.get("privileges", ()))], root),
        "logins": lambda: logs.logins(ask, since, root),
        "logs": lambda: logs.lines(ask, starts, root),
    }
    missed: list[Unseen] = []
    for name in parts:
        try:
            rows, unseen_rows = ways[name]()
        except TargetError as error:
            rows, unseen_rows = (), (Unseen(name, error.seen),)
        found[name] = tuple(rows)
        missed += unseen_rows
    return System(**found, unseen=tuple(missed))  # type: ignore[arg-type]


def modules(ask: Ask) -> Part:
    """The kernel's modules, as each of its lists shows them."""
    found = records(ask, "modules", [], 30.0)
    if of_kind(found, "refused"):
        return (), [Unseen("kernel modules", f"{of_kind(found, 'refused')[0].word} cannot be read")]
    rows = module_rows(found)
    if any(row.shown for row in rows) and not any(row.listed for row in rows):
        return (), [
            *unseen(found),
            Unseen("kernel modules", "/proc/modules is empty, and /sys/module is not: one of them is not the kernel's"),
        ]
    return rows, unseen(found)


def module_rows(found: Sequence[Record]) -> list[Module]:
    """One row a module that any list names."""
    listed = {m[1]: m[2] or "" for r in of_kind(found, "listed") for line in r.lines() if (m := _MODULE.match(line))}
    shown = {m[1] for r in of_kind(found, "shown") for line in r.lines() if (m := _SHOWN.match(line))}
    named = {m[1] for r in of_kind(found, "symbols") for line in r.lines() if (m := _SYMBOL.match(line))}
    named = {name for name in named if not _NO_MODULE.match(name)}
    return [
        Module(name, name in listed, not shown or name in shown, not named or name in named, listed.get(name, ""))
        for name in sorted({*listed, *shown, *named})
    ]


def privileges(ask: Ask, root: str) -> Part:
    """Files with the setuid or setgid bit or with capabilities, in bounded folders."""
    folders = [f"{root.rstrip('/')}{folder}" for folder in FOLDERS]
    found = records(ask, "privileges", ["20", *folders], 90.0, root)
    names = users(records(ask, "users", [], 20.0, root))
    modes = [m for r in of_kind(found, *ROWS) for row in rows(r) if (m := found_file(row))]
    capable = dict(capabilities(found))
    metas = metas_of(ask, list(capable))
    given = {m.path: _setuid(m, names) for m in modes[:MAX_PRIVILEGES]}
    missed = unseen(found)
    if any(flooded(r) for r in of_kind(found, *ROWS, "capabilities")):
        missed.append(Unseen("files with the setuid bit", "there are too many files: some were not looked at"))
    if len(modes) > MAX_PRIVILEGES:
        missed.append(Unseen("files with the setuid bit", f"only {MAX_PRIVILEGES} of {len(modes)} were kept"))
    return [*given.values(), *(_capable(metas[p], capable[p], names) for p in capable if p in metas)], missed


def _privileged(rows: Sequence[object]) -> list[str]:
    return [row.path for row in rows if isinstance(row, Privilege) and row.kind != "setgid"]


def _setuid(seen: Meta, names: dict[int, str]) -> Privilege:
    owner = names.get(seen.uid, str(seen.uid))
    kind = "setuid" if seen.mode & stat.S_ISUID else "setgid"
    return Privilege(seen.path, kind, owner, owner, seen.mode, seen.modified, seen.changed)  # type: ignore[arg-type]


def _capable(seen: Meta, gives: str, names: dict[int, str]) -> Privilege:
    owner = names.get(seen.uid, str(seen.uid))
    return Privilege(seen.path, "capability", gives, owner, seen.mode, seen.modified, seen.changed)


def capabilities(found: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """What getcap printed, in its old form ("path = caps") or its new one ("path caps")."""
    for record in of_kind(found, "capabilities"):
        for line in record.lines():
            if match := _CAPABLE.match(line):
                yield match[1], match[2].strip()


def packages(ask: Ask, exes: Sequence[str], root: str) -> Part:
    """What the package manager says of these programs: dpkg, rpm or apk, by their own records."""
    known = [path for path in dict.fromkeys(exes) if path.startswith("/") and tame(path)]
    asked = known[:MAX_PROGRAMS]
    if not asked:
        return (), ()
    few = [Unseen("packages of programs", f"only {len(asked)} of {len(known)} were asked for")] * (known != asked)
    found = records(ask, "packages", asked, 200.0, root)
    for kind, way, answers in (("dpkg", by_dpkg, 2), ("rpm", by_rpm, 1), ("apk", by_apk, 0)):
        if of_kind(found, kind):
            if len(of_kind(found, "answered")) < answers:
                return (), [*unseen(found), Unseen("packages of programs", f"{kind} took too long to answer")]
            return list(way(found, asked, root)), [*unseen(found), *few]
    return (), unseen(found) or [Unseen("packages of programs", "this host has no dpkg, rpm or apk")]


def _digests(found: Sequence[Record], kind: str) -> dict[str, str]:
    rows = (_DIGEST.match(line) for r in of_kind(found, kind) for line in r.lines())
    return {m[2]: m[1] for m in rows if m}


def _verdict(path: str, manager: str, package: str, recorded: str, actual: str) -> Package:
    if not recorded:
        return Package(path, "unknown", manager, package, "the package recorded no digest")
    if not actual:
        return Package(path, "unknown", manager, package, "it could not be read")
    same = recorded == actual
    return Package(
        path, "intact" if same else "changed", manager, package, "" if same else f"recorded {recorded}, found {actual}"
    )


def _ways(path: str, root: str) -> tuple[str, str]:
    """/usr/bin/x and /bin/x are one file where /bin is a link to usr/bin."""
    bare = path.removeprefix(root.rstrip("/"))
    return bare, bare.removeprefix("/usr") if bare.startswith("/usr/") else f"/usr{bare}"


def by_dpkg(found: Sequence[Record], paths: Sequence[str], root: str) -> Iterator[Package]:
    """From "PACKAGE.md5sums:DIGEST  PATH" and "PACKAGE.list:/PATH"; what a local diversion moved is not followed."""
    recorded: dict[str, tuple[str, str]] = {}
    for line in (line for r in of_kind(found, "dpkg") for line in r.lines()):
        file, _, row = line.partition(".md5sums:")
        digest, _, path = row.partition("  ")
        recorded.setdefault(f"/{path}", (file, digest))
    rows = (line.partition(".list:") for r in of_kind(found, "lists") for line in r.lines())
    owners = {path: file for file, mark, path in rows if mark}
    actual = _digests(found, "md5")
    for path in paths:
        package, digest = next((recorded[way] for way in _ways(path, root) if way in recorded), ("", ""))
        package = package or next((owners[way] for way in _ways(path, root) if way in owners), "")
        if package:
            yield _verdict(path, "dpkg", package, digest, actual.get(path, ""))
        else:
            yield Package(path, "unowned", "dpkg")


def by_rpm(found: Sequence[Record], paths: Sequence[str], root: str) -> Iterator[Package]:
    """From "PATH<tab>DIGEST<tab>PACKAGE" (SHA-256 on every rpm since 4.6)."""
    rows = (line.split("\t") for r in of_kind(found, "rpm") for line in r.lines())
    recorded = {row[0]: (row[2], row[1]) for row in rows if len(row) == 3}
    actual = _digests(found, "sums")
    for path in paths:
        way = next((way for way in _ways(path, root) if way in recorded), "")
        if not way:
            yield Package(path, "unowned", "rpm")
            continue
        package, digest = recorded[way]
        yield _verdict(path, "rpm", package, digest if len(digest) == 64 else "", actual.get(path, ""))


def by_apk(found: Sequence[Record], paths: Sequence[str], root: str) -> Iterator[Package]:
    """From apk's installed database: P package, F folder, R file, Z its SHA-1 ("Q1" and Base64)."""
    recorded = dict(_apk_rows(of_kind(found, "apk")))
    actual = _digests(found, "sha1")
    for path in paths:
        way = next((way for way in _ways(path, root) if way in recorded), "")
        if way:
            yield _verdict(path, "apk", *recorded[way], actual.get(path, ""))
        else:
            yield Package(path, "unowned", "apk")


def _apk_rows(found: Sequence[Record]) -> Iterator[tuple[str, tuple[str, str]]]:
    package = folder = file = ""
    for line in (line for record in found for line in record.lines()):
        key, value = line[:2], line[2:]
        if key == "P:":
            package, folder, file = value, "", ""
        elif key == "F:":
            folder = value
        elif key == "R:":
            file = f"/{folder}/{value}".replace("//", "/")
            yield file, (package, "")
        elif key == "Z:" and file:
            yield file, (package, _sha1(value))


def _sha1(value: str) -> str:
    try:
        return base64.b64decode(value.removeprefix("Q1"), validate=True).hex() if value.startswith("Q1") else ""
    except (binascii.Error, ValueError):
        return ""
