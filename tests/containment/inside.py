"""hemostat inside the victim's namespaces: opens or reopens one incident, runs the step block or an undo, and tells what became of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows import engine
from tasks import expire, on_host, undo
from tasks.case import Case
from tasks.isolate_rule import IsolateRule
from tasks.model import Approval, Consent, Remote, Step, parse_address
from tasks.settings import BlockRule, ConfirmRule, Playbook, Policy
from tests.core.desk import INCIDENT, sit_down


def playbook(wish: dict[str, Any]) -> Playbook:
    """What the test wants done."""
    return Playbook(
        "a playbook for a test",
        confirm=ConfirmRule(when_unsure="block", when_unreachable="block"),
        block=BlockRule(
            on_host=wish.get("on_host", True), minutes=wish.get("minutes", 0), scope=wish.get("scope", "address")
        ),
        isolate=IsolateRule(revert_after=wish.get("revert_after", 60), dhcp=False),
        approvals={Consent.BLOCK: Approval.AUTO, Consent.ISOLATE: Approval(wish.get("isolate", "never"))},
        name="test",
        sha256="0" * 64,
    )


def opened(folder: Path, wish: dict[str, Any]) -> Case:
    """The incident on this very host, with the owner's addresses of the test."""
    incident = replace(
        INCIDENT, id=folder.name, remote=Remote.parse(wish["remote"]), overrides=("unconfirmed", "unverified")
    )
    case = sit_down(folder, "/", playbook(wish), incident)
    own = tuple(map(parse_address, wish.get("own", [])))
    case.site = replace(case.site, policy=Policy(own=own), playbooks={"test": playbook(wish)})
    if wish.get("answer") is not None:
        case.ask = lambda _plan: (wish["answer"], "anna")
    return case


def block(case: Case) -> None:
    if Step.BLOCK in case.state.ends:
        case.record("step.redo", step=Step.BLOCK, by="anna", reason="")
    engine.run_step(case, Step.BLOCK, engine.Nobody())


def told(case: Case) -> dict[str, Any]:
    """What the incident has come to, for the test outside."""
    end = case.state.ends.get(Step.BLOCK)
    return {
        "outcome": end.outcome if end else None,
        "summary": end.summary if end else "",
        "checks": {c.name: [c.result, c.observed] for _, c in case.state.checks},
        "standing": [a.action.id for a in case.state.standing],
        "recovered": [a.action.id for a in case.state.acts if a.receipt and a.receipt.recovered],
        "again": [c.result for c in on_host.again(case)],
    }


DEEDS = {
    "block": block,
    "undo": lambda case: undo.run(case, (Consent.ISOLATE, Consent.BLOCK), Approval.AUTO),
    "undo isolate": lambda case: undo.run(case, (Consent.ISOLATE,), Approval.AUTO),
    "expire": lambda case: expire.run(case, datetime.now(UTC) + timedelta(days=1)),
    "look": lambda case: None,
}


if __name__ == "__main__":
    case_ = opened(Path(sys.argv[2]), json.loads(sys.argv[3]))
    DEEDS[sys.argv[1]](case_)
    sys.stdout.write(json.dumps(told(case_)) + "\n")
    case_.close()
