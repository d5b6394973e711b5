"""The pages' words: every key that is used exists in both languages, and none is left over."""

from __future__ import annotations

import re
from string import Formatter

from flows.web import words
from flows.web.auth import NEEDS, ROLES
from flows.web.views_metrics import KINDS
from tasks.model import ISOLATE, MEMORY, Decision, Outcome, Result, Step
from tasks.report_proofs import Containment
from tests.cli.house import CODE

WEB = CODE / "flows" / "web"
TEXTS = {path.name: path.read_text() for path in (*WEB.glob("*.py"), *(WEB / "templates").glob("*.html"))}
# Keys that a value completes, with all values that it may have.
BUILT = {
    "role": ROLES,
    "step": (*(s.value for s in Step), ISOLATE, MEMORY, "undo"),
    "outcome": (*(o.value for o in Outcome), "running", "skipped", "none"),
    "verdict": (*(d.value for d in Decision), "none"),
    "held": tuple(c.name.lower() for c in Containment),
    "result": tuple(r.value for r in Result),
    "act": (*NEEDS, "override"),
    "series": (*KINDS, "contain", "human", "machine"),
}
# Asked for with known(): a value without words is shown as it is.
OPEN = ("blast", "fact", "sure")


# A page that says no has a title and a text under this key.
DENIED = {key for text in TEXTS.values() for key in re.findall(r'"(denied\.[a-z]+)"', text)}


def used() -> set[str]:
    """The keys that stand whole in a template or a module, and the built ones."""
    literal = {key for text in TEXTS.values() for key in re.findall(r'["\']([a-z]+(?:\.[a-z_]+)+)["\']', text)}
    denied = {f"{key}.{part}" for key in DENIED for part in ("title", "text")}
    helps = {f"act.{kind}.help" for kind in ("resume", "redo", "skip", "undo")}
    charts = {f"metrics.{part}{name}" for part in ("", "desc.") for name in ("contain", "work", "outcomes")}
    built = {f"{group}.{value}" for group, values in BUILT.items() for value in values}
    compared = {f"compare.{whose}" for whose in ("both", "one", "other")}
    return literal | denied | helps | charts | built | compared


def test_no_key_is_missing() -> None:
    """What the pages say by a key has words."""
    groups = {key.partition(".")[0] for key in words.words()}
    missing = {key for key in used() if key.partition(".")[0] in groups} - set(words.words())
    whole = {key for key in missing if not key.endswith((".html", ".css", ".md")) and key not in DENIED}
    assert whole == set(), "add these to words.yaml"


def test_no_key_is_left_over() -> None:
    """Words that no page says any more are deleted."""
    left = {key for key in set(words.words()) - used() if key.partition(".")[0] not in OPEN}
    assert left == set(), "no page says these: delete them from words.yaml"


def test_both_languages_have_the_same_places() -> None:
    """A translation drops no value and makes none up; every text says something."""
    for key, texts in words.words().items():
        places = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in texts.values()]
        assert places[0] == places[1], key
        assert all(text.strip() for text in texts.values()), key
