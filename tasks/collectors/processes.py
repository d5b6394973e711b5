"""Judges processes: where they run from, how they hide, whose name they bear. Facts in, findings out; looks at no host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.beacon import tree
from tasks.collectors.context import Context, parents
from tasks.facts import Process, Snapshot
from tasks.model import Finding, Json, inert
from tasks.shellwords import SHELLS, mentions, script
from tasks.signs import Sign, base, place, tricks
from tasks.windows import processes as windows

_KERNEL = re.compile(
    r"^\[?(?:kworker|kthreadd|ksoftirqd|migration|rcu_(?:sched|bh|preempt|par_gp|gp|tasks\w*)|kswapd|kcompactd|khugepaged|"
    r"khungtaskd|kdevtmpfs|kauditd|kblockd|kintegrityd|ksmd|kthrotld|oom_reaper|cpuhp|watchdogd|idle_inject|netns|"
    r"writeback|jbd2|scsi_eh|scsi_tmf|irq|mm_percpu_wq|inet_frag_wq|edac-poller|devfreq_wq|ext4-rsv-conver\w*|xfsaild|"
    r"kpsmoused|ipv6_addrconf|charger_manager|zswap-shrink|acpi_thermal_pm)(?:[/:\-]|\]?$)"
)
_DAEMONS = frozenset({
    "sshd", "systemd", "systemd-journald", "systemd-logind", "systemd-udevd", "systemd-resolved", "systemd-networkd",
    "systemd-timesyncd", "init",
    "cron", "crond", "atd", "rsyslogd", "dbus-daemon", "polkitd", "agetty", "login", "chronyd",
    "ntpd", "auditd", "networkmanager", "wpa_supplicant", "nginx", "apache2", "httpd", "mysqld", "mariadbd",
    "postgres", "dockerd", "containerd", "snapd", "cupsd", "avahi-daemon", "irqbalance", "rpcbind", "unattended-upgr",
})  # fmt: skip
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/gnu/store/")
_SERVERS = re.compile(r"^(?:nginx|apache2|httpd|lighttpd|php-fpm[\d.]*|php-cgi|uwsgi|mysqld|mariadbd|redis-server)$")
# What web servers honestly start a shell for.
_SERVER_WORK = re.compile(r"\b(?:rotatelogs|sendmail|cronolog|mysqld_safe)\b")
_STARTERS = frozenset({"systemd", "init", "cron", "crond", "sshd", "login", "sudo", "su"})


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """Every rule on every process that may be judged."""
    return [
        _finding(rule, sign, sure, process, snapshot)
        for process in snapshot.processes
        if context.judged(process)
        for rule, sign, sure in _signs(process, snapshot, context)
    ]


Suspicion = tuple[str, Sign, str]


def _signs(process: Process, snapshot: Snapshot, context: Context) -> Iterator[Suspicion]:
    yield from _talks(process, context)
    yield from _known_hash(process, context)
    yield from _hides(process)
    if snapshot.windows is not None:
        yield from windows.suspicions(process, snapshot, context)
        return
    yield from _kernel_name(process)
    yield from _borrowed_name(process, context)
    yield from _where(process, context)
    yield from _without_file(process, context)
    yield from _commands(process)
    yield from _family(process, snapshot, context)


def _talks(process: Process, context: Context) -> Iterator[Suspicion]:
    suspect = context.suspect(process)
    if suspect:
        score = {"high": 90, "medium": 75, "low": 30, "none": 0}[suspect.confidence]
        verb = "talks" if context.talks(process) else "may talk"
        words = f"{verb} to {context.remote}, the address of the alert: {'; '.join(suspect.reasons)}"
        yield "process.talks", Sign(words, score, "T1071"), suspect.confidence


def _known_hash(process: Process, context: Context) -> Iterator[Suspicion]:
    if context.sha256 and process.sha256 == context.sha256:
        yield "process.hash", Sign("has the SHA-256 that the alert names", 95, "T1204.002"), "high"


def _hides(process: Process) -> Iterator[Suspicion]:
    if process.hidden:
        attack = "T1564" if "mounted" in process.hidden else "T1014"
        yield "process.hidden", Sign(f"hides from the process list: {process.hidden}", 90, attack), "high"


def _kernel_name(process: Process) -> Iterator[Suspicion]:
    shown = (process.name, *process.cmdline[:1])
    real = process.exe or process.cmdline or process.ppid not in (0, 2)
    if real and not process.hidden and any(_KERNEL.match(name) for name in shown):
        words = "bears the name of a kernel thread, but runs a program: kernel threads have none"
        yield "process.kernel_name", Sign(words, 85, "T1036.005"), "high"


def _borrowed_name(process: Process, context: Context) -> Iterator[Suspicion]:
    if not process.exe or process.memfd or context.own(process.exe).startswith(_SYSTEM):
        return
    shown = {process.name, base(process.exe), *(base(word) for word in process.cmdline[:1])}
    if borrowed := sorted(name for name in shown if name.lower().rstrip(":") in _DAEMONS):
        words = f"is called {borrowed[0]} like a part of the system, but is no installed program"
        yield "process.borrowed_name", Sign(words, 75, "T1036.005"), "high"
    elif not _own_name(process):
        words = f"calls itself {inert(process.name)}, but its file is {inert(base(process.exe))}"
        yield "process.other_name", Sign(words, 25, "T1036.005"), "low"


def _own_name(process: Process) -> bool:
    """A thread's or script's name differs honestly; a name that fits neither file nor script is worth a line."""
    files = {base(process.exe), *(base(word) for word in process.cmdline[:3])}
    return any(name.startswith(process.name) or process.name.startswith(name) for name in files if name)


def _where(process: Process, context: Context) -> Iterator[Suspicion]:
    if process.exe and not process.memfd and (sign := place(process.exe, context)):
        yield "process.place", Sign(f"runs from a file {sign.words}", sign.score, sign.attack), _sure(sign)
    text = script(process.cmdline, process.cwd)
    if text and text != process.exe and (sign := place(text, context)):
        attack = "T1059.004" if base(process.cmdline[0]).lstrip("-") in SHELLS else "T1059.006"
        yield "process.script", Sign(f"interprets a script {sign.words}", sign.score, attack), _sure(sign)


def _without_file(process: Process, context: Context) -> Iterator[Suspicion]:
    if process.memfd:
        words = "runs from memory alone, no file was ever on a disk (container tools do that, too)"
        yield "process.memfd", Sign(words, 35, "T1620"), "low"
    if not process.deleted:
        return
    if place(process.exe, context):
        words = "its file was deleted while it runs, and that was in a place for neither programs nor upgrades"
        yield "process.deleted", Sign(words, 75, "T1070.004"), "high"
    elif context.own(process.exe).startswith(_SYSTEM):
        words = "its file was replaced while it runs: an upgrade does that, until the service is started again"
        yield "process.deleted", Sign(words, 15, "T1070.004"), "low"
    else:
        yield "process.deleted", Sign("its file was deleted while it runs", 40, "T1070.004"), "medium"


def _commands(process: Process) -> Iterator[Suspicion]:
    for sign in tricks(" ".join(process.cmdline)):
        yield "process.command", Sign(f"its command line {sign.words}", sign.score, sign.attack), "medium"


def _family(process: Process, snapshot: Snapshot, context: Context) -> Iterator[Suspicion]:
    above = parents(snapshot, process)
    if above and process.name in SHELLS and _SERVERS.match(above[0].name):
        honest = _SERVER_WORK.search(" ".join(process.cmdline))
        words = f"is a shell that a server ({above[0].name}, process {above[0].pid}) started: a web shell does that"
        yield "process.server_shell", Sign(words, 30 if honest else 65, "T1505.003"), "low" if honest else "medium"
    for beacon in context.beacons(snapshot):
        if beacon.ppid == process.pid and _keeps(process, beacon, snapshot, context):
            words = f"started the suspect process {beacon.pid} and names its file: it would start it again"
            yield "process.keeper", Sign(words, 80, "T1059.004"), "high"


def _keeps(parent: Process, beacon: Process, snapshot: Snapshot, context: Context) -> bool:
    if parent.name in _STARTERS or parent not in parents(snapshot, beacon)[:1]:
        return False
    files = [path for path in (beacon.exe, script(beacon.cmdline, beacon.cwd)) if path]
    text = " ".join(parent.cmdline)
    return any(mentions(text, path, context.own(path), context.home_of(path)) for path in files)


def _sure(sign: Sign) -> str:
    return "medium" if sign.score >= 50 else "low"


def _finding(rule: str, sign: Sign, sure: str, process: Process, snapshot: Snapshot) -> Finding:
    name = inert(process.name or base(process.exe) or "without a name", 80)
    return Finding(
        rule,
        f"process {process.pid} ({name}) {sign.words}"[:600],
        inert(process.exe or process.cwd or f"pid {process.pid}", 400),
        _why(process, snapshot),
        sign.score,
        sure,
        sign.attack,
        _facts(process, snapshot),
    )


def _why(process: Process, snapshot: Snapshot) -> str:
    line = " ← ".join(f"{inert(p.name, 40)} ({p.pid})" for p in parents(snapshot, process)[:4])
    command = inert(" ".join(process.cmdline), 200)
    inside = f", in the container {inert(process.container, 80)}" if process.container else ""
    inside += f", in systemd's unit {inert(process.unit, 120)}" if process.unit else ""
    user = inert(process.user) or "unknown"
    return f"user {user}{inside}, started by {line or 'an unknown parent'}, command line: {command or 'none'}"


def _facts(process: Process, snapshot: Snapshot) -> dict[str, Json]:
    return {
        "pid": process.pid,
        "created": process.created,
        "started": process.started,
        "name": process.name,
        "exe": process.exe,
        "path": process.exe if process.exe and not (process.deleted or process.memfd) else "",
        "sha256": process.sha256,
        "script": script(process.cmdline, process.cwd),
        "cmdline": list(process.cmdline),
        "user": process.user,
        "hidden": process.hidden,
        "container": process.container,
        "unit": process.unit,
        "parents": [{"pid": p.pid, "created": p.created, "name": p.name} for p in parents(snapshot, process)[:8]],
        "tree": [{"pid": p.pid, "created": p.created} for p in tree(snapshot.processes, process.pid)[:64]],
    }
