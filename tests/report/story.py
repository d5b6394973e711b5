"""What a synthetic journal is told with: each step's records, written by the real Journal with a clock that the story moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tasks.fold import fold
from tasks.journal import Journal
from tasks.model import (
    Action,
    Alert,
    Check,
    Decision,
    Evidence,
    Incident,
    Json,
    Look,
    Mode,
    Outcome,
    Receipt,
    Result,
    Verdict,
)
from tasks.state import State
from tests.report import scene
from tests.report.scene import ID, PLAIN, REMOTE, START


class Story:
    """Writes records and moves the time. `names` are the strings that an attacker chooses."""

    def __init__(self, folder: Path, names: dict[str, str] | None = None, start: datetime = START) -> None:
        self.now = self.begun = start
        self.names = PLAIN | (names or {})
        self.journal = Journal(folder, clock=lambda: self.now)

    def say(self, kind: str, after: float = 0.0, **data: Json) -> None:
        """Write one record, `after` seconds after the one before."""
        self.now += timedelta(seconds=after)
        self.journal.append(kind, **data)

    @property
    def evil(self) -> tuple[str, str]:
        """The process name and the path that the attacker chose."""
        return self.names["process"], self.names["path"]

    def end(self) -> tuple[State, str]:
        """The folded state and the journal's head."""
        self.journal.close()
        return fold(self.journal.records), self.journal.head

    def open(self, mode: Mode = Mode.DRILL, alert: bool = True) -> None:
        seen = Alert("suricata", "8830271", "192.0.2.17", REMOTE, self.names["signature"], self.begun, "1")
        incident = Incident(
            ID,
            "web-7",
            REMOTE,
            "beacon",
            "5d" * 32,
            "ops",
            mode,
            "lab",
            self.begun + timedelta(seconds=2),
            "raised by the drill",
            seen if alert else None,
            (),
        )
        host = {
            "hostname": "192.0.2.17",
            "platform": "linux",
            "owner": "王小明 (运维)",
            "criticality": "high",
            "site": "上海",
        }
        self.say("incident.opened", 2.0, incident=incident, host=host)

    def start(self, step: str, attempt: int = 1, after: float = 0.1) -> None:
        self.say("step.started", after, step=step, attempt=attempt)

    def stop(self, step: str, outcome: Outcome, summary: str, next: str = "", after: float = 0.2) -> None:
        self.say("step.ended", after, step=step, outcome=outcome, summary=summary, next=next, seconds=after)

    def check(self, step: str, name: str, expected: str, observed: str, result: Result, after: float = 0.4) -> None:
        self.say("check", after, step=step, check=Check(name, expected, observed, result))

    def act(
        self, step: str, action: Action, receipt: Receipt | None, before: Look | None = None, after: float = 0.6
    ) -> None:
        self.say("intent", 0.05, step=step, action=action, before=before or Look(False, "not so yet"))
        if receipt:
            self.say("receipt", after, step=step, receipt=receipt)

    def prefect(self) -> None:
        self.say("prefect", 0.1, flow_run="clever-otter", url="http://127.0.0.1:4200/runs/flow-run/1")

    def confirm(self, decision: Decision = Decision.CONFIRMED) -> None:
        self.start("confirm")
        for _ in range(3):
            connection = {"remote": str(REMOTE.address), "remote_port": REMOTE.port, "state": "ESTABLISHED"}
            self.say("sample", 2.0, step="confirm", at=self.now.timestamp(), connections=[connection])
        reasons = (
            f"3 of 3 samples show {self.names['process']} with an open connection to {REMOTE}",
            "the remote is in no known-good list",
        )
        if decision is Decision.REJECTED:
            reasons = ("the remote is a known-good destination: the update mirror (until 2026-12-31)",)
        if decision is Decision.UNSURE:
            reasons = ("no sample of 3 shows a connection: a short beacon may have been missed",)
        self.say("verdict", 0.1, verdict=Verdict(decision, 95 if decision is Decision.CONFIRMED else 60, reasons))
        over = {
            Decision.CONFIRMED: Outcome.DONE,
            Decision.REJECTED: Outcome.NOTHING_TO_DO,
            Decision.UNSURE: Outcome.WAITING,
        }
        self.stop("confirm", over[decision], f"{decision.value}: {reasons[0]}")

    def block(self, proof: Result = Result.PASS, attempt: int = 1) -> None:
        self.start("block", attempt)
        blast = {
            "devices": ["fw-1 (cisco_asa)"],
            "hosts that talk to the remote": ["web-7"],
            "undo": f"hemostat undo {ID} --step block",
        }
        self.say("plan", 0.2, step="block", actions=[scene.rule()], digest="b10c" * 16, blast=blast)
        self.act(
            "block",
            scene.rule(),
            Receipt(scene.rule().id, True, True, "network-object host 203.0.113.66 is in HEMOSTAT", {"entry": 4}),
            after=2.1,
        )
        self.check(
            "block",
            "rule re-read",
            "203.0.113.66 in HEMOSTAT, list in force",
            "in the list; access-list OUTSIDE line 1 uses it",
            Result.PASS,
        )
        self.check(
            "block",
            "beacon silent",
            "no packet to the remote for one interval",
            "0 packets in 2.0 s" if proof is Result.PASS else "the host did not answer",
            proof,
            2.0,
        )
        self.stop("block", Outcome.DONE, "fw-1 drops 203.0.113.66; proved by re-reading and by silence")

    def triage(self, phase: str = "first") -> None:
        if phase == "first":
            self.start("triage")
            self.say("interval", 3.0, seconds=2.0, how="median of 6 gaps between connects, spread 0.04 s")
        for artefact in ("connections", "processes", "autostarts", "files"):
            unseen = (
                [{"what": "/proc/1/exe", "why": "permission denied: not run as root"}]
                if artefact == "processes"
                else []
            )
            self.say(
                "reading",
                0.4,
                artefact=artefact,
                path=f"readings/{phase}/{artefact}.json",
                sha256="ab" * 32,
                size=20480,
                unseen=unseen,
                phase=phase,
            )
        if phase == "first":
            for finding in scene.suspicious(*self.evil):
                self.say("finding", 0.05, finding=finding, phase=phase)
            self.stop("triage", Outcome.DONE, "4 findings, the highest score is 96")

    def collect(self) -> None:
        self.start("collect")
        items = scene.items(*self.evil)
        for place, what, source, how, size, sha, same in items:
            at_source = sha if same else "0e" * 32 if same is False else None
            note = "the log was written to while it was copied" if same is False else ""
            self.say(
                "evidence",
                0.5,
                evidence=Evidence(
                    place, what, source, how, "hemostat@runner", "web-7", self.now, size, sha, at_source, note
                ),
            )
        self.say(
            "evidence.sealed",
            0.3,
            manifest="evidence/manifest.json",
            sha256="5ea1" * 16,
            items=len(items),
            bytes=sum(i[4] for i in items),
        )
        self.stop("collect", Outcome.DONE, "5 pieces of evidence sealed")

    def cleanup(self, wait: float = 41.0, answer: str = "given") -> None:
        self.start("cleanup")
        self.say(
            "plan",
            0.3,
            step="cleanup",
            actions=scene.remedies(*self.evil),
            digest="c1ea" * 16,
            blast={"host": "web-7", "owner": "王小明 (运维)", "actions": 3},
        )
        self.say("approval.asked", 0.1, step="cleanup", digest="c1ea" * 16)
        if answer == "none":
            self.stop("cleanup", Outcome.WAITING, "waits for a person to approve 3 actions", f"hemostat approve {ID}")
            return
        self.say(
            f"approval.{answer}",
            wait,
            step="cleanup",
            digest="c1ea" * 16,
            by="li.wei",
            via="terminal",
            reason="checked with the owner",
        )
        if answer == "refused":
            self.stop("cleanup", Outcome.REFUSED, "li.wei refused the plan", "talk to the owner, then resume")
            return
        for action in scene.remedies(*self.evil):
            self.act(
                "cleanup",
                action,
                Receipt(action.id, True, True, f"{action.kind} done: {action.target} is no longer active"),
            )
        self.stop("cleanup", Outcome.DONE, "3 changes: persistence off, process tree killed, program in quarantine")

    def verify(self, silent: Result = Result.PASS, attempt: int = 1) -> None:
        self.start("verify", attempt)
        self.check(
            "verify",
            "silence",
            "no packet for 3 intervals (10 s)",
            "0 packets in 10.0 s" if silent is Result.PASS else "7 packets",
            silent,
            10.0,
        )
        self.triage("again")
        self.say("finding", 0.1, finding=scene.suspicious(*self.evil)[3], phase="again")
        self.check(
            "verify",
            "persistence still off",
            "the cron line is off",
            "line 3 is commented out by hemostat",
            Result.PASS,
        )
        if silent is Result.PASS:
            self.stop("verify", Outcome.DONE, "silent for 5 intervals, persistence off")
        else:
            self.stop(
                "verify",
                Outcome.FAILED,
                "the beacon still talks",
                "read the firewall's counters, then resume --redo verify",
            )

    def undo(self, ok: bool = True) -> None:
        self.say("plan", 3600.0, step="undo", actions=[scene.rule()], digest="00d0" * 16, blast={"devices": ["fw-1"]})
        self.say("approval.asked", 0.1, step="undo", digest="00d0" * 16)
        self.say("approval.given", 9.0, step="undo", digest="00d0" * 16, by="ops", via="cli", reason="")
        seen = "the entry is gone" if ok else "the device refused: % Invalid input"
        self.act("undo", scene.rule(), Receipt(scene.rule().id, ok, ok, seen), Look(True, "in the list"), 1.9)
        self.check("undo", "entry gone", "203.0.113.66 not in HEMOSTAT", seen, Result.PASS if ok else Result.FAIL)

    def score(self) -> None:
        self.say(
            "score",
            0.1,
            beacon_packets_after_block=0,
            planted=["beacon", "cron line"],
            found=["beacon", "cron line"],
            missed=[],
        )
