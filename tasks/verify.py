"""Step 6: is it clean? Watches for silence, looks again, re-reads every act; changes nothing. Unknown is not clean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tasks import decide, on_host, remedies, triage
from tasks.block import listing, target
from tasks.case import Case, sample
from tasks.facts import Connection
from tasks.firewalls import Listing
from tasks.model import Check, Finding, HemostatError, Outcome, Result, Step, StepEnd
from tasks.remedies import account
from tasks.secrets import resolve
from tasks.settings import VerifyRule
from tasks.transports import device

# One look every half second sees even a beacon that connects for a moment, for its socket lingers.
PAUSE = 0.5
ALIVE = ("ESTABLISHED", "SYN_SENT", "SYN_RECV", "CLOSE_WAIT")


def run(case: Case) -> StepEnd:
    """Every check, each pass, fail or unknown, and the outcome that follows from them.

    Raises:
        Unreachable: the host does not answer: it is not known whether it is clean.
    """
    before = dict(_rules(case))
    checks = [_silence(case), *_acts(case), _again(case), _sight(case), _talker(case, before)]
    checks += [*_devices(before, dict(_rules(case))), *on_host.again(case)]
    for check in checks:
        case.record("check", step=Step.VERIFY, check=check)
    return _end(case, checks)


def watch_for(rule: VerifyRule, interval: float | None) -> float:
    """Seconds of silence to watch: the playbook's number of learnt intervals, within its bounds; the lower bound if none was learnt."""
    return min(max(rule.intervals * (interval or 0.0), rule.at_least), rule.at_most)


def _silence(case: Case) -> Check:
    rule, interval = case.playbook.verify, case.state.interval
    seconds = watch_for(rule, interval)
    looks = sample(case, Step.VERIFY, max(3, round(seconds / PAUSE)), seconds)
    loud = [socket for look in looks for socket in look if _speaks(socket)]
    beat = f"the beacon's interval is {interval:.1f} s" if interval else "its interval was not learnt"
    expected = f"no socket to the remote for {seconds:.0f} s ({beat})"
    seen = f"{len(loud)} live socket(s)" if loud else f"none in {len(looks)} samples"
    if interval and seconds < rule.intervals * interval:
        return Check(
            "silence", expected, f"{seen}, but watched for less than {rule.intervals} intervals", Result.UNKNOWN
        )
    return Check("silence", expected, seen, Result.FAIL if loud else Result.PASS)


def _speaks(socket: Connection) -> bool:
    """A socket that someone holds or that still tries; the ownerless remains of a killed process do not count."""
    return socket.pid is not None or socket.state in ALIVE


def _acts(case: Case) -> Iterator[Check]:
    for act in case.state.acts:
        if act.step == Step.CLEANUP and not act.superseded and act.receipt and act.receipt.ok:
            expected = "still gone"
            try:
                look = remedies.of_kind(act.action.kind).look(case.hands(), act.action)
            except HemostatError as error:
                yield Check(act.action.target, expected, error.seen or str(error), Result.UNKNOWN)
                continue
            yield Check(act.action.target, expected, look.seen, Result.PASS if look.present else Result.FAIL)


def _again(case: Case) -> Check:
    """Look at everything again: what a remedy answers for must be gone, and nothing of that weight may be new.

    What is less sure than the cleanup's threshold was left to a person; the step's end names it, and the report asks about it.
    """
    return judged(case, triage.look(case, "again"))


def judged(case: Case, findings: Sequence[Finding]) -> Check:
    """What that second look says."""
    grave = case.playbook.cleanup.threshold
    expected = f"no finding at or above {grave}"
    known = {_key(f) for f in case.state.findings}
    heavy = [f for f in findings if f.score >= grave]
    # A login stays in the host's records, a line in its passwd: what was done about them is that nobody comes in so any more. Who cannot be
    # locked (root, our own login) can come in again: that is not clean, until a person has judged it. A line of the log is the past.
    locked = [f for f in heavy if _key(f) in known and account.user_of(f) in _locked(case)]
    past = [f for f in heavy if _key(f) in known and f.rule.startswith("log.")]
    left = [f for f in heavy if f not in locked and f not in past]
    if not left:
        told = f"; {len(locked)} of users that are locked now" if locked else ""
        told += f"; {len(past)} lines of the log that were there before" if past else ""
        return Check("triage again", expected, f"none; {len(findings) - len(heavy)} less sure ones{told}", Result.PASS)
    new = sum(_key(f) not in known for f in left)
    text = f"{len(left)} left ({new} of them new): " + "; ".join(f"{f.what} ({f.where})" for f in left[:3])
    return Check("triage again", expected, text, Result.FAIL)


def _locked(case: Case) -> set[str]:
    acts = (
        a for a in case.state.acts if a.action.kind == "account.lock" and a.step == Step.CLEANUP and not a.superseded
    )
    return {a.action.facts["user"] for a in acts if a.receipt and a.receipt.ok}


def _sight(case: Case) -> Check:
    """Could we see as much as triage did? What is hidden only now may be what we look for."""
    first, again = _unseen(case, "first"), _unseen(case, "again")
    new = sorted(one for one in again - first if not _own_vault(case, one))
    text = f"{len(again)} could not be seen then either" if again else "everything could be seen"
    return Check("sight", "whatever triage could see", "; ".join(new) or text, Result.UNKNOWN if new else Result.PASS)


def _unseen(case: Case, phase: str) -> set[str]:
    """What the readings of that phase could not see; numbers are left out, for counts of processes move by themselves."""
    rows = [u for r in case.state.readings if r["phase"] == phase for u in r["unseen"]]
    return {_plain(f"{u['what']}: {u['why']}") for u in rows}


def _plain(text: str) -> str:
    return re.sub(r"\d+", "N", text)


def _own_vault(case: Case, unseen: str) -> bool:
    """A vault below that folder which our own cleanup filled, where the file's file system is not that of /var/lib."""
    folder, _, why = unseen.partition(": ")
    kept = (str(a.receipt.record.get("kept", "")) for a in case.state.acts if a.receipt and a.step == Step.CLEANUP)
    return "a quarantine vault" in why and any(_plain(path).startswith(f"{folder}/") for path in kept)


def _key(finding: Finding) -> tuple[str, str, object]:
    """The same finding at the second look. A login or a line of the log at another time is another one, wherever it stands."""
    return finding.rule, finding.where, finding.facts.get("at")


def _rules(case: Case) -> Iterator[tuple[str, Listing | HemostatError]]:
    """What each device that we blocked on says now."""
    if not case.host.firewalls or Step.BLOCK in case.state.skipped:
        return
    for host, firewall in case.firewalls():
        try:
            with device.opened(host, firewall, resolve, case.locks) as session:
                yield host.name, listing(session, target(case, host, firewall))
        except HemostatError as error:
            yield host.name, error


def _devices(before: dict[str, Listing | HemostatError], after: dict[str, Listing | HemostatError]) -> Iterator[Check]:
    for name, now in after.items():
        then = before.get(name)
        if isinstance(now, HemostatError) or isinstance(then, HemostatError) or then is None:
            why = str(now if isinstance(now, HemostatError) else then)
            yield Check(f"rule on {name}", "the block still stands", why, Result.UNKNOWN)
            continue
        yield decide.rule_check(name, now)
        if then.hits is not None and now.hits is not None:
            knocks = now.hits - then.hits
            result = Result.FAIL if knocks else Result.PASS
            yield Check(f"knocking on {name}", "no denied packet while we watched", f"{knocks} denied", result)


def _talker(case: Case, now: dict[str, Listing | HemostatError]) -> Check:
    """Was what talked to the remote removed, or did we only remove something else while it slept?

    Either a process was caught with its socket to the remote and is gone, or the devices denied its knocks up to the cleanup (and
    the check `knocking` shows that they ended).
    """
    expected = "what talked to the remote is known to be gone"
    caught = {f.facts["pid"] for f in case.state.findings if f.rule == "process.talks" and f.sure != "low"}
    killed = {
        a.action.facts["pid"] for a in case.state.acts if a.action.kind in remedies.KILLS and a.receipt and a.receipt.ok
    }
    if caught and caught <= killed:
        return Check(
            "the talker",
            expected,
            f"process {', '.join(map(str, sorted(caught)))} was caught talking and is gone",
            Result.PASS,
        )
    knocks = sum(_knocks(case, name, seen) for name, seen in now.items())
    if killed and not caught and knocks:
        return Check("the talker", expected, f"{knocks} knocks were denied until the cleanup", Result.PASS)
    seen = (
        f"caught talking and alive or unknown: {sorted(caught - killed)}"
        if caught
        else "no process was ever caught talking to it"
    )
    return Check("the talker", expected, seen, Result.UNKNOWN)


def _knocks(case: Case, name: str, seen: Listing | HemostatError) -> int:
    """Denied packets between the block and now, as far as the device counts."""
    block = [
        r.data["hits"]
        for r in case.state.records
        if r.kind == "counter" and r.data["on"] == name and r.data["hits"] is not None
    ]
    return seen.hits - block[-1] if block and isinstance(seen, Listing) and seen.hits is not None else 0


def _left(case: Case) -> list[str]:
    """Where the findings stand that triage showed as suspicious and no remedy answered for: a person must judge them.

    A socket to the remote that nobody held is answered for by the watch for silence.
    """
    acts = [a.action.facts for a in case.state.acts if a.step == Step.CLEANUP]
    done, users = {a.get("path") for a in acts} - {None}, {a.get("user") for a in acts} - {None}
    killed = {a.action.facts.get("pid") for a in case.state.acts if a.action.kind in remedies.KILLS}
    loud = (
        f
        for f in case.state.findings
        if f.score >= case.playbook.triage.threshold
        and account.user_of(f) not in users
        and (f.rule != "connection.remote" or f.facts.get("pid"))
    )
    return list(
        dict.fromkeys(f.where for f in loud if f.facts.get("path") not in done and f.facts.get("pid") not in killed)
    )


def _end(case: Case, checks: list[Check]) -> StepEnd:
    failed = [c for c in checks if c.result is Result.FAIL]
    unknown = [c for c in checks if c.result is Result.UNKNOWN]
    passed = f"{len(checks) - len(failed) - len(unknown)} of {len(checks)} checks passed"
    if failed or unknown:
        said = "; ".join(f"{c.name}: {c.observed}" for c in [*failed, *unknown][:4])
        word = "not clean" if failed else "not proved clean"
        return StepEnd(
            Step.VERIFY,
            Outcome.FAILED,
            f"{word}, {passed}: {said}",
            "clean by hand or redo triage, collect and cleanup; `--skip verify` says that you have judged what is left",
        )
    left, hidden = _left(case), len(_unseen(case, "again"))
    passed += f", {hidden} thing{'s' * (hidden != 1)} could not be seen" if hidden else ""
    if not left:
        return StepEnd(Step.VERIFY, Outcome.DONE, f"clean: {passed}")
    text = f"clean of what was removed: {passed}; {len(left)} suspicious things are left for a person to judge: {', '.join(left[:4])}"
    return StepEnd(Step.VERIFY, Outcome.DONE, text, "look at each of them by hand")
