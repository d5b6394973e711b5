"""What the kernel's text files about processes say. Knows their formats (proc_pid_stat(5) and its like); opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The name of the first PID namespace (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h).
FIRST_PID_NAMESPACE = f"pid:[{0xEFFFFFFC}]"
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, include/linux/sched.h
_COVER = re.compile(r"^/proc/(\d+)(?:/.*)?$", re.ASCII)
_BOOT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_STAT = re.compile(r"^(\d+) \((.*)\) (\S) (-?\d+(?: -?\d+)*)\s*$", re.ASCII | re.DOTALL)
# A container's id is 64 hexadecimal digits in the name of its control group; what stands before it names the engine.
_ENGINES = (("docker", "docker"), ("libpod", "podman"), ("crio", "cri-o"), ("cri-containerd", "containerd"))
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_POD = re.compile(r"kubepods.*?pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
_LXC = re.compile(r"/lxc(?:\.payload)?[./]([^/\s]+)")
_NSPAWN = re.compile(r"/machine\.slice/(?:systemd-nspawn@|machine-)([^/]+?)\.(?:service|scope)")


@dataclass(frozen=True, slots=True)
class ProcStat:
    """/proc/PID/stat; `started` in clock ticks since the boot."""

    pid: int
    name: str
    state: str
    ppid: int
    kernel: bool
    threads: int
    started: int

    @property
    def over(self) -> bool:
        """It has ended and only its parent has not asked how; its first thread alone may have, field 20 counts the others."""
        return self.state in "ZX" and self.threads <= 1


def stat(text: str) -> ProcStat | None:
    """Read /proc/PID/stat; the name in brackets may hold anything, so the last bracket ends it."""
    match = _STAT.match(text)
    numbers = [int(n) for n in match[4].split()] if match else []
    if match is None or len(numbers) < 19:
        return None
    kernel = bool(numbers[5] & _KERNEL_THREAD)
    return ProcStat(int(match[1]), match[2], match[3], numbers[0], kernel, numbers[16], numbers[18])


def started(boot_id: str, ticks: int) -> str:
    """A start as no clock moves it (tasks.facts.Start): the boot and the ticks since then; empty for a text that names no boot."""
    named = _BOOT.fullmatch(boot_id.strip())
    return f"{named[0]}:{ticks}" if named else ""


def argv(data: bytes) -> tuple[str, ...]:
    """The words of /proc/PID/cmdline, as psutil reads them: a program that wrote one text over them is split at its spaces."""
    if not data:
        return ()
    zero = data.endswith(b"\0")
    words = data.removesuffix(b"\0").decode("utf-8", "surrogateescape").split("\0" if zero else " ")
    return tuple(words[0].split(" ")) if zero and len(words) == 1 and " " in words[0] else tuple(words)


def full_name(name: str, words: tuple[str, ...]) -> str:
    """The kernel keeps 15 bytes of a name; the first word of the command line may have all of it (psutil does so, too)."""
    longer = words[0].rpartition("/")[2] if words and len(name) >= 15 else ""
    return longer if longer.startswith(name) else name


def covered(mountinfo: str) -> dict[int, str]:
    """The processes over whose folder in /proc something is mounted (proc_pid_mountinfo(5)), and what."""
    found: dict[int, str] = {}
    for line in mountinfo.split("\n"):
        fields = line.split(" ")
        if len(fields) > 4 and (over := _COVER.match(fields[4])):
            found[int(over[1])] = f"{fields[3]} is mounted over {fields[4]}"
    return found


def hides_others(mountinfo: str) -> bool:
    """True when /proc is mounted with hidepid: others' processes are not listed for us."""
    lines = (line.split(" ") for line in mountinfo.split("\n"))
    return any(len(f) > 4 and f[4] == "/proc" and re.search(r"hidepid=(?!0|off)", " ".join(f)) for f in lines)


def container(cgroup: str) -> str:
    """What owns the process by its control group (/proc/PID/cgroup), as "engine id"; empty for the host itself."""
    if found := _ID.search(cgroup):
        engine = next((name for word, name in _ENGINES if word in cgroup), "container")
        pod = _POD.search(cgroup)
        words = f"kubernetes pod {pod[1].replace('_', '-')}, " if pod else ""
        return f"{words}{engine} {found[0][:12]}"
    for engine, pattern in (("lxc", _LXC), ("systemd-nspawn", _NSPAWN)):
        if match := pattern.search(cgroup):
            return f"{engine} {match[1]}"
    return ""


def unit(cgroup: str) -> str:
    """systemd's unit that the process belongs to, by its control group: its name, and whose manager's it is unless the system's own.

    systemd has a hierarchy of its own (cgroups(7): "0::" or "name=systemd"), in which a unit's folder bears its name, and may have others
    below it. In a login's folder, all is below that login's manager (user@UID.service).
    """
    rows = (line.split(":", 2) for line in cgroup.splitlines())
    paths = [row[2] for row in rows if len(row) == 3 and (row[1] == "name=systemd" or not row[1])]
    for parts in (path.split("/") for path in paths):
        named = [part.removeprefix("_") for part in parts if part.endswith((".service", ".scope"))]
        if named:
            login = named[0].removeprefix("user@").removesuffix(".service") if named[0].startswith("user@") else ""
            own = named[1:] if login else named
            return f"{own[0]} of the login {login}" if login and own else (own or named)[0]
    return ""
