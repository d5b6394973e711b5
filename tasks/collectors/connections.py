"""Judges sockets: who talks to the remote, and sockets that nobody owns. Facts in, findings out; looks at no host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from tasks.beacon import talks
from tasks.collectors.context import Context
from tasks.facts import Connection, Process, Snapshot
from tasks.model import Finding, Json, inert

# Ports that the kernel itself talks to without a process: NFS, SMB, iSCSI, Ceph, DRBD, NBD.
_KERNEL_PORTS = frozenset({111, 445, 2049, 3260, 3300, 6789, 7788, 10809})
_LIVE = ("ESTABLISHED", "SYN_SENT")


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:
    """One finding a process and destination, so that a beacon's hundred sockets are one line."""
    seen = _in_sight(snapshot, context)
    hidden = _phantom(seen, snapshot, context)
    return [
        *_to_remote(seen, context),
        *_unowned(seen, context),
        *hidden,
        *_elsewhere(seen, context),
        *_listens(seen, context),
    ]


Sighted = list[tuple[Connection, Process | None]]


def _in_sight(snapshot: Snapshot, context: Context) -> Sighted:
    """The sockets with their processes; on a drill's victim those of other processes are left out."""
    by_pid = {p.pid: p for p in snapshot.processes}
    pairs = [(c, by_pid.get(c.pid) if c.pid is not None else None) for c in snapshot.connections]
    return [(c, p) for c, p in pairs if context.root == "/" or (context.judged(p) if p else talks(c, context.remote))]


def _to_remote(seen: Sighted, context: Context) -> Iterator[Finding]:
    groups: dict[int | None, Sighted] = {}
    for connection, process in seen:
        if talks(connection, context.remote):
            groups.setdefault(connection.pid, []).append((connection, process))
    for pid, sockets in groups.items():
        process = sockets[0][1]
        states = ", ".join(sorted({c.state for c, _ in sockets}))
        yield Finding(
            "connection.remote",
            f"{len(sockets)} socket(s) to {context.remote} ({states})",
            _who(pid, process),
            "This is the address of the alert."
            if pid is not None
            else "This is the address of the alert; no process held the socket any more when we looked.",
            85 if pid is not None else 60,
            "high" if pid is not None else "medium",
            "T1071",
            _facts([c for c, _ in sockets], process),
        )


def _unowned(seen: Sighted, context: Context) -> Iterator[Finding]:
    for connection, _ in seen:
        if connection.pid is not None or not connection.inode or connection.state not in _LIVE:
            continue
        if connection.owner != "none":  # somebody's, but we may not see whose: facts.Unseen says so
            continue
        remote, kernel = talks(connection, context.remote), connection.remote_port in _KERNEL_PORTS
        yield Finding(
            "connection.unowned",
            f"a live socket to {_far(connection)} that no process owns",
            f"inode {connection.inode}",
            "The kernel keeps it open, yet no process that can be seen holds it: a hidden process does that"
            + (". The kernel's own network file systems do, too, and use this port." if kernel and not remote else "."),
            90 if remote else 35 if kernel else 60,
            "high" if remote else "low" if kernel else "medium",
            "T1014",
            _facts([connection], None),
        )


def _phantom(seen: Sighted, snapshot: Snapshot, context: Context) -> Iterator[Finding]:
    """A Windows socket's owner that is in no list of processes, checked twice on the host."""
    for pid in snapshot.windows.phantom if snapshot.windows else ():
        sockets = [c for c, _ in seen if c.pid == pid]
        remote = any(talks(c, context.remote) for c in sockets)
        yield Finding(
            "connection.phantom",
            f"process {pid} owns a socket, yet neither of two process lists shows it",
            f"process {pid} (in no list)",
            "A hidden process looks so; so does an ended process whose socket another one inherited. Only a memory image can tell.",
            90 if remote else 55,
            "high" if remote else "medium",
            "T1014",
            _facts(sockets, None) | {"pid": pid},
        )


def _elsewhere(seen: Sighted, context: Context) -> Iterator[Finding]:
    """Where else the beacon's process talks to: a fall-back server, or the honest work of a program that was taken over."""
    far: dict[tuple[int, str], list[Connection]] = {}
    beacons: dict[int, Process] = {}
    for connection, process in seen:
        if process and _beacon(process, context) and _abroad(connection, context):
            beacons[process.pid] = process
            far.setdefault((process.pid, connection.remote), []).append(connection)
    for (pid, address), sockets in far.items():
        yield Finding(
            "connection.elsewhere",
            f"the suspect also talks to {inert(address)}",
            _who(pid, beacons[pid]),
            "The process that talks to the alert's address has other peers: they may be its fall-back servers.",
            45,
            "low",
            "T1008",
            _facts(sockets, beacons[pid]),
        )


def _abroad(connection: Connection, context: Context) -> bool:
    if connection.state == "LISTEN" or not connection.remote_port:
        return False
    address = ipaddress.ip_address(connection.remote)
    return address != context.remote.address and not address.is_loopback and not context.good(address)


def _listens(seen: Sighted, context: Context) -> Iterator[Finding]:
    for connection, process in seen:
        if connection.state != "LISTEN" or process is None or not _beacon(process, context):
            continue
        yield Finding(
            "connection.listens",
            f"the suspect waits for callers on port {connection.local_port}",
            _who(process.pid, process),
            "The process that talks to the alert's address also takes connections: a way in beside the way out.",
            60,
            "medium",
            "T1571",
            _facts([connection], process),
        )


def _beacon(process: Process, context: Context) -> bool:
    suspect = context.suspect(process)
    return suspect is not None and suspect.confidence in ("medium", "high")


def _far(connection: Connection) -> str:
    host = f"[{connection.remote}]" if ":" in connection.remote else connection.remote
    return inert(f"{host}:{connection.remote_port}")


def _who(pid: int | None, process: Process | None) -> str:
    if pid is None:
        return "no process"
    return f"process {pid} {inert(process.exe or process.name) if process else '(gone)'}".rstrip()


def _facts(connections: list[Connection], process: Process | None) -> dict[str, Json]:
    shown = [
        {"proto": c.proto, "local": c.local, "local_port": c.local_port, "remote": c.remote, "remote_port": c.remote_port,
         "state": c.state, "inode": c.inode, "owner": c.owner}
        for c in connections[:20]
    ]  # fmt: skip
    known = ("pid", "created", "started", "exe")
    who = {name: getattr(process, name) for name in known} if process else {}
    return {"sockets": shown, "count": len(connections), **who}
