"""A report with everything made the same that differs from one run of a drill to the next, and that tells of a crash."""

from __future__ import annotations

import re
from difflib import unified_diff

from tasks import report
from tests.crash.rig import Rig

# Times and the course of things are a run's own; what could not be seen depends on what else runs on this machine.
OTHERWISE = ("Metrics", "Timeline", "What could not be seen")
RULES = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "TIME"),
    (r"\b\d{10,}/\d+/TIME", "ALERT"),
    (r"(process[ -]|/proc/|cleanup/process/|SIGKILL to )\d+", r"\1PID"),
    (r"(evidence/process-PID)-\d+/", r"\1/"),
    (r"(evidence/(?:files|logs)/\S+)-[0-9a-f]{8}`", r"\1`"),
    (r"`@`[\d.]+", "@CREATED"),
    (r"\(\d+\)", "(PID)"),
    (r"AAAAC3\S+", "KEY"),
    (r"\b[0-9a-f]{12,}\b", "HASH"),
    (r"\b\d+(\.\d+)? (B|KiB|MiB|bytes)", "SIZE"),
    (r"\b(\d+ min )?\d+(\.\d)? s\b", "SECONDS"),
    (r"it held \d+ socket\(s\) to (\S+) seen in \d+ of \d+ samples", r"it held SOCKETS to \1 seen in SAMPLES"),
    (r"\b\d+ questions", "QUESTIONS"),
    (r"from \d+ journal records", "from RECORDS"),
    # The counter moves when the beacon knocks, which no run can time.
    (r"^.*counter on asa.*\n", ""),
    (r"^1\. \d+ things? on victim could not be looked at .*\n", ""),
    # What tells of the crash itself.
    (r" \(found done after an interruption\)", ""),
    (r"^.*looked again since\).*\n", ""),
    (r"triage/first-\d+/", "triage/first/"),
)


def sections(rig: Rig) -> dict[str, str]:
    """The report's sections by their headings."""
    text = _same(report.markdown(report.view(rig.state, "")), rig)
    head, *parts = re.split(r"^## (.+)$", text, flags=re.M)
    found = {"": head} | dict(zip(parts[::2], parts[1::2], strict=True))
    return {heading: text for heading, text in found.items() if heading not in OTHERWISE}


def differences(wanted: dict[str, str], seen: dict[str, str]) -> str:
    """What is not the same, as a diff; empty when nothing differs."""
    parts = ((f"## {name}\n{wanted.get(name, '')}", f"## {name}\n{seen.get(name, '')}") for name in {**wanted, **seen})
    return "\n".join(line for a, b in parts for line in unified_diff(a.splitlines(), b.splitlines(), lineterm="", n=0))


def _same(text: str, rig: Rig) -> str:
    folder, plan = str(rig.range.folder.parent), rig.range.plan
    names = {
        folder: "FOLDER",
        folder.replace("_", r"\_"): "FOLDER",
        folder.strip("/").replace("/", "__"): "FOLDER",
        plan.front[0]: "C2",
        plan.victim: "VICTIM",
        plan.device[0]: "DEVICE",
    }
    for seen, word in names.items():
        text = text.replace(seen, word)
    for pattern, word in RULES:
        text = re.sub(pattern, word, text, flags=re.M)
    return text
