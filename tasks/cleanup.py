"""Step 5: remove the threat, after approval. Persistence first, then the process tree, then quarantine; never deletes."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from functools import partial

from tasks import decide, remedies
from tasks.acts import approved, perform, propose
from tasks.case import Case
from tasks.guarding import blast_radius
from tasks.model import Action, Finding, HemostatError, Json, Outcome, Step, StepEnd
from tasks.remedies import Scope, account


def run(case: Case) -> StepEnd:
    """Plan from the findings, ask, act.

    Raises:
        Refused: there is no sealed manifest, or somebody said no.
        Waiting: nobody has answered yet.
        TargetError: an act failed; the ones before it stand and are journalled.
    """
    decide.gate(Step.CLEANUP, case.state)
    actions = plan(case)
    left = left_to_a_person(case, actions)
    if not actions:
        return StepEnd(
            Step.CLEANUP,
            Outcome.NOTHING_TO_DO,
            f"no finding calls for a remedy{_told(left)}",
            "if you know better, remove it by hand",
        )
    proposed = propose(case, Step.CLEANUP, actions, {**_card(case), "left to a person": left})
    approved(case, proposed, decide.unasked(case.playbook.approval(Step.CLEANUP), case.incident.most))
    errors = [_carry_out(case, action, number / len(actions)) for number, action in enumerate(proposed.actions)]
    return _end(errors, left)


def left_to_a_person(case: Case, actions: Sequence[Action]) -> list[str]:
    """Where findings stand that are as grave as those which the cleanup answers, and that no remedy may touch."""
    keys = ("path", "pid", "user")
    done = {(key, action.facts[key]) for action in actions for key in keys if action.facts.get(key)}
    grave = [f for f in case.state.findings if f.score >= case.playbook.cleanup.threshold]
    named = [(f.where, {*((key, f.facts.get(key)) for key in keys), ("user", account.user_of(f))}) for f in grave]
    return list(dict.fromkeys(where for where, things in named if not things & done))


def _told(left: Sequence[str]) -> str:
    return f"; {len(left)} left to a person: {', '.join(left[:4])}" if left else ""


def _card(case: Case) -> dict[str, Json]:
    """What the person must know besides: after the cleanup, what was not copied is gone."""
    missing = (case.state.seal or {}).get("not_copied", [])
    return {
        **blast_radius(case),
        "undo": f"hemostat undo {case.incident.id} --step cleanup",
        "not in the evidence": missing,
    }


def plan(case: Case) -> list[Action]:
    """What the findings call for. Reads the journal alone, so that a resume plans the same again."""
    rule = case.playbook.cleanup
    loud: Sequence[Finding] = [f for f in case.state.findings if f.score >= rule.threshold]
    # Not the whole folder: a drill's victim lives in it.
    ours = tuple(str(case.folder.resolve() / name) for name in ("evidence", "triage"))
    scope = Scope(case.incident.id, case.host.name, vault(case), ours, case.host.platform == "windows", _logins(case))
    return [action for name in rule.remedies for action in remedies.load(name).plan(loud, scope)]


def _logins(case: Case) -> tuple[str, ...]:
    """By whom we come in: they are never locked."""
    here = (getpass.getuser(), os.environ.get("SUDO_USER", "")) if case.host.transport == "local" else ()
    return tuple(sorted({name for name in (case.host.username, *here) if name}))


def vault(case: Case) -> str:
    """Where quarantined files go: below the victim's root."""
    return f"{case.host.root.rstrip('/')}/var/lib/hemostat/quarantine/{case.incident.id}"


def _carry_out(case: Case, action: Action, part: float) -> str | None:
    """One action; the error of one is reported and the others still run, for a half-removed beacon comes back."""
    remedy = remedies.of_kind(action.kind)
    case.say(f"{action.kind} {action.target}", part)
    look = partial(remedy.look, case.hands(), action)
    try:
        perform(case, Step.CLEANUP, action, look, partial(remedy.act, case.hands(), action))
    except HemostatError as error:
        return _failed(case, action, error)
    return None


def _failed(case: Case, action: Action, error: HemostatError) -> str:
    case.record("note", about=action.id, text=str(error))
    return f"{action.target}: {error.seen or error}"


def _end(errors: list[str | None], left: Sequence[str]) -> StepEnd:
    failed = [e for e in errors if e]
    if failed:
        text = f"{len(failed)} of {len(errors)} actions failed: {'; '.join(failed[:3])}{_told(left)}"
        return StepEnd(Step.CLEANUP, Outcome.FAILED, text, "fix it and `hemostat resume --redo cleanup`")
    return StepEnd(Step.CLEANUP, Outcome.DONE, f"{len(errors)} actions done and re-read{_told(left)}")
