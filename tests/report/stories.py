"""The synthetic incidents: a whole drill and its variants, as data for the tests, and the strings an attacker would choose."""

from __future__ import annotations

from collections.abc import Callable

from tasks.model import Decision, Mode, Outcome, Receipt, Result
from tests.report import scene
from tests.report.story import Story


def whole(story: Story) -> None:
    """The full drill, up to the report that is being written."""
    story.open()
    story.prefect()
    story.confirm()
    story.block()
    story.triage()
    story.collect()
    story.cleanup()
    story.verify()
    story.score()
    story.start("report")


def rejected(story: Story) -> None:
    """The alert is about a known-good destination."""
    story.open(Mode.LIVE)
    story.confirm(Decision.REJECTED)


def unsure(story: Story) -> None:
    """Nothing was seen; a person must decide."""
    story.open(Mode.LIVE)
    story.confirm(Decision.UNSURE)


def by_hand(story: Story) -> None:
    """Opened by hand without an alert; nothing has run yet."""
    story.open(Mode.LIVE, alert=False)


def refused(story: Story) -> None:
    """A guard refused the block; an override of another guard is on record."""
    story.open(Mode.LIVE)
    story.confirm()
    story.say("override", 0.1, word="unsure", by="ops", reason="the sensor is sure")
    story.say("guard", 0.1, step="confirm", guard="known-good", override="--not-known-good", by="ops")
    story.start("block")
    story.stop(
        "block",
        Outcome.REFUSED,
        "refused by the guard own-path: 203.0.113.66 is the runner's DNS server",
        "block it by hand",
    )


def failed(story: Story) -> None:
    """The firewall is dead, then answers but the act has no receipt: a crash."""
    story.open(Mode.LIVE)
    story.confirm()
    story.start("block")
    story.stop("block", Outcome.UNREACHABLE, "fw-1 did not answer within 10 s", "check the path, then resume", 10.0)
    story.say("step.redo", 60.0, step="block", by="ops", reason="the cable is back")
    story.start("block", 2)
    story.say("plan", 0.2, step="block", actions=[scene.rule()], digest="b10c" * 16, blast={})
    story.act("block", scene.rule(), None)


def resumed(story: Story) -> None:
    """Killed in the block, resumed: the act was found done; its first proof failed, the second passed."""
    failed(story)
    story.say("journal.healed", 7200.0, lost_bytes=212, kept_in="journal.torn")
    story.start("block", 3)
    story.say(
        "receipt", 0.8, step="block", receipt=Receipt(scene.rule().id, True, True, "in the list", {}, recovered=True)
    )
    story.check("block", "rule re-read", "in the list", "in the list", Result.PASS)
    story.check("block", "beacon silent", "silence", "1 packet", Result.FAIL)
    story.stop("block", Outcome.FAILED, "the beacon still talks", "resume --redo block")
    story.say("step.redo", 5.0, step="block", by="ops", reason="sessions cut by hand")
    story.block(attempt=4)
    story.triage()


def unproved(story: Story) -> None:
    """The block stands, and the host could not be watched: unknown is not pass."""
    story.open(Mode.LIVE)
    story.confirm()
    story.block(Result.UNKNOWN)


def waiting(story: Story) -> None:
    """The cleanup waits for an approval that has not come."""
    story.open(Mode.LIVE)
    for step in (story.confirm, story.block, story.triage, story.collect):
        step()
    story.cleanup(answer="none")


def declined(story: Story) -> None:
    """A person refused the cleanup."""
    story.open(Mode.LIVE)
    for step in (story.confirm, story.block, story.triage, story.collect):
        step()
    story.cleanup(answer="refused")


def dirty(story: Story) -> None:
    """Everything ran, and verification failed."""
    story.open(Mode.LIVE)
    for step in (story.confirm, story.block, story.triage, story.collect, story.cleanup):
        step()
    story.verify(Result.FAIL)


def skipped(story: Story) -> None:
    """A person skipped verification."""
    story.open(Mode.LIVE)
    for step in (story.confirm, story.block, story.triage, story.collect, story.cleanup):
        step()
    story.say("step.skipped", 3.0, step="verify", by="ops", reason="the host was rebuilt")


def undone(story: Story) -> None:
    """A whole drill whose block was taken back an hour later."""
    whole(story)
    story.stop("report", Outcome.DONE, "report.md and report.html written")
    story.say("report.written", files={"report.md": "aa" * 32, "report.html": "bb" * 32}, head="cc" * 32)
    story.undo()


def not_undone(story: Story) -> None:
    """Taking the block back failed."""
    whole(story)
    story.undo(ok=False)


def relapsed(story: Story) -> None:
    """A whole drill, then the persistence that cleanup had put off was put back."""
    whole(story)
    back = scene.remedies(*story.evil)[0]
    story.act("undo", back, Receipt(back.id, True, True, "line 3 is active again"), after=60.0)


def rule_gone(story: Story) -> None:
    """Someone removed the rule by hand; verification saw it."""
    story.open(Mode.LIVE)
    for step in (story.confirm, story.block, story.triage, story.collect, story.cleanup):
        step()
    story.start("verify")
    story.check("verify", "rule on fw-1", "the remote is in the list", "not in the list", Result.FAIL)
    story.stop("verify", Outcome.FAILED, "not clean, 0 of 1 checks passed", "redo block")


def quiet_counter(story: Story) -> None:
    """The rule stands and the host is silent; only the counter has not moved, as the sessions were cut."""
    story.open(Mode.LIVE)
    story.confirm()
    story.start("block")
    story.act("block", scene.rule(), Receipt(scene.rule().id, True, True, "in the list"))
    story.check("block", "rule on fw-1", "the remote is in the list", "in the list", Result.PASS)
    story.check("block", "counter on fw-1", "denied packets are counted", "0 since the block", Result.UNKNOWN)
    story.check("block", "host", "no established socket", "none", Result.PASS)
    story.stop("block", Outcome.DONE, "denied on fw-1")


def unknown_kind(story: Story) -> None:
    """A record of a later version."""
    story.open()
    story.say("note", 1.0, text="the owner was called", about="web-7", by="ops")
    story.say("from.the.future", 1.0, anything=1)


STORIES: dict[str, Callable[[Story], None]] = {
    tale.__name__: tale
    for tale in (
        whole,
        rejected,
        unsure,
        by_hand,
        refused,
        failed,
        resumed,
        unproved,
        waiting,
        declined,
        dirty,
        skipped,
        undone,
        not_undone,
        relapsed,
        rule_gone,
        quiet_counter,
        unknown_kind,
    )
}

HOSTILE = {
    "backticks": "``` evil `x` ````",
    "pipes": "a|b||c\\|d",
    "newlines": "one\ntwo\r\n\r\n# three\n| a | b |",
    "script": "<script>window.pwned=1;alert(1)</script>",
    "image": '<img src=x onerror="window.pwned=1"> ![x](https://evil.example/x.png)',
    "link": "[click](javascript:alert(1)) https://evil.example/ www.evil.example a@evil.example <https://evil.example>",
    "reference": "[x]: https://evil.example\n[x]",
    "attribute": '"\' onmouseover=alert(1) x="',
    "style": "</style></title></svg></desc><svg onload=alert(1)>",
    "jinja": "{{ 7*7 }}{% raw %}{# x #}",
    "ansi": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x00",
    "bidi": "invoice\u202egpj.exe\u2066x\u2069\u200b",
    "long": "A" * 20_000,
    "chinese": "进程名 更新服务（伪装）",
    "lead": "# - 1. > =",
    "entity": "&lt;b&gt; &#60;script&#62; &amp;",
    "emphasis": "**bold** _it_ ~~x~~ $x$ @everyone #1 :smile:",
    "backslash": "C:\\Users\\|x\\",
}
