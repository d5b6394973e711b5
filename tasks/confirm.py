"""Step 1: is it true? Looks at the host's sockets and concludes; changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks import decide
from tasks.case import Case, sample
from tasks.guarding import admit
from tasks.model import Decision, Outcome, Step, StepEnd, TargetError, Verdict


def run(case: Case) -> StepEnd:
    """Guard the remote, look until it is seen or the window is over, and conclude.

    Raises:
        Refused: the remote may not be blocked at all.
    """
    admit(case)
    rule = case.playbook.confirm
    try:
        looks = sample(case, Step.CONFIRM, rule.samples, rule.window, stop_at_first=True, stare=True)
    except (
        TargetError
    ) as error:  # unreachable, or sudo refuses: the block must not wait for a host that cannot be looked at
        case.record("note", about="confirm", text=str(error))
        looks = []
    seen = [socket for look in looks for socket in look]
    found = decide.verdict(case.incident.remote, seen, len(looks), case.site.policy, datetime.now(UTC).date())
    case.record("verdict", verdict=found)
    return _end(found)


def _end(found: Verdict) -> StepEnd:
    summary = f"{found.decision} ({found.confidence} %): {'; '.join(found.reasons)}"
    wrong = (
        "if that is wrong: resume with --redo block --override unconfirmed"
        if found.decision is Decision.REJECTED
        else ""
    )
    return StepEnd(Step.CONFIRM, Outcome.DONE, summary, wrong)
