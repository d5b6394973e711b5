"""Which finding is answered by which action. Knows findings, actions and their state; must not know how a report looks."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.model import Action, Finding, Json, Step
from tasks.remedies import account
from tasks.report_proofs import taken_back
from tasks.state import State


def answered(finding: Finding, state: State) -> bool:
    """An act of ours that still stands dealt with the very thing that the finding names: the process, or the file (and line)."""
    back = taken_back(state)
    took = (a.action for a in state.acts if a.step == Step.CLEANUP and a.receipt and a.receipt.ok)
    return _any_answers((a for a in took if a.id not in back), finding)


def answer(finding: Finding, state: State) -> str:
    """What became of it, in words: done, waiting for a person's yes, or nothing."""
    if answered(finding, state):
        return "an action answered it"
    plan = state.plans.get(Step.CLEANUP)
    waits = plan is not None and plan.digest in state.asked and plan.digest not in (*state.approvals, *state.refusals)
    if plan and waits and _any_answers(plan.actions, finding):
        return "an action that waits for approval would answer it"
    return "no action answers it"


def _any_answers(actions: Iterable[Action], finding: Finding) -> bool:
    return any(_about(a.facts, a.target) in _named_by(finding) for a in actions)


def _named_by(finding: Finding) -> set[str]:
    """What an action on would answer the finding: its process; or its file, or that one line of it."""
    about = _about(finding.facts, finding.where)
    whole_file = {str(finding.facts["path"])} if finding.facts.get("line") and finding.facts.get("path") else set()
    user = account.user_of(finding)
    return {about} | whole_file | ({f"user {user}"} if user else set())


def _about(facts: Json, text: str) -> str:
    """A process is not its program, a line of a file is not the whole file."""
    if facts.get("pid"):
        return f"process {facts['pid']}"
    if facts.get("user") and not facts.get("path"):
        return f"user {facts['user']}"
    path = str(facts.get("path") or text)
    return f"{path}, line {facts['line']}" if facts.get("line") else path
