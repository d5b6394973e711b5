"""The part of collect that copies processes' memory, after an approval of its own. Knows plans and items; not how memory is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import BinaryIO

from tasks import decide
from tasks.acts import Waiting, approved, propose
from tasks.case import Case
from tasks.model import MEMORY, Action, Approval, Refused, TargetError
from tasks.transports.hands import Fetched
from tasks.wanted import Item, Suspect, loud_ones, suspects

MIB = 1024 * 1024
WHAT = "memory of process"
HOW = "an ELF core file, read through /proc/PID/mem while the process ran on"
HOW_WINDOWS = "a full minidump, written on the host by the procdump that its owner staged, copied and removed there"


def items(case: Case, missed: list[str]) -> Iterator[Item]:
    """The memory of each suspicious process, if the playbook says so and whoever is asked agrees.

    Memory holds what people typed and whom they spoke to, so it has an approval of its own. It is asked for once all else is copied:
    nobody's evidence waits for an answer.

    Raises:
        Waiting: nobody has answered yet. A cleanup would end the processes, so the step does not go on without an answer.
    """
    rule = case.playbook.collect.memory
    wanted = [] if rule is Approval.NEVER else suspects(loud_ones(case))
    todo = [s for s in wanted if not any(e.path == _path(case, s) for e in case.state.evidence)]
    if not todo:
        return
    rule = decide.unasked(rule, case.incident.most)
    try:
        approved(case, propose(case, MEMORY, [_action(case, s) for s in wanted], _card(case)), rule)
    except Waiting:
        raise
    except Refused as error:
        missed += [f"{WHAT} {s.pid}: {error.seen}" for s in todo]
        return
    yield from (_item(case, s) for s in todo)


def _windows(case: Case) -> bool:
    return case.host.platform == "windows"


def _path(case: Case, suspect: Suspect) -> str:
    return f"{suspect.folder}/memory.{'dmp' if _windows(case) else 'core'}"


def _command(case: Case, suspect: Suspect) -> str:
    most = f"at most {case.playbook.collect.max_memory_mb} MiB"
    if _windows(case):
        tool = case.host.winrm.procdump or "procdump, which the inventory does not name"
        return f"{tool} -accepteula -ma {suspect.pid}, {most}: the host's scanner may raise an alarm"
    return f"read /proc/{suspect.pid}/mem, {most}"


def _action(case: Case, suspect: Suspect) -> Action:
    return Action(
        id=f"collect/memory/{suspect.pid}@{suspect.created}",
        kind="process.memory",
        on=case.host.name,
        target=f"{WHAT} {suspect.pid}",
        reason="findings speak of this process; what it holds in memory is on no disk",
        commands=(_command(case, suspect),),
        facts={"pid": suspect.pid, "created": suspect.created, "started": suspect.started},
        undo="nothing is changed: the process runs on, its memory is read",
        needs_approval=True,
    )


def _card(case: Case) -> dict[str, object]:
    return {
        "host": case.host.name,
        "copied": f"at most {case.playbook.collect.max_memory_mb} MiB of each process, which runs on",
        "holds": "whatever the processes hold: passwords, keys and people's data may be in it",
    }


def _item(case: Case, suspect: Suspect) -> Item:
    def copy(into: BinaryIO, limit: int) -> Fetched:
        """The hands make sure that it is that very process, before and after; else nothing is kept under its name."""
        try:
            return case.hands().memory(suspect.pid, suspect.start, into, limit)
        except (TargetError, Refused):
            into.seek(0)
            into.truncate()
            raise

    rule = case.playbook.collect
    free = shutil.disk_usage(case.folder).free - rule.keep_free_mb * MIB
    most = max(1, min(rule.max_memory_mb * MIB, free))
    source, how = ("procdump", HOW_WINDOWS) if _windows(case) else (f"/proc/{suspect.pid}/mem", HOW)
    return Item(_path(case, suspect), f"{WHAT} {suspect.pid}", source, how, copy, most=most)
