"""What the report and the pages show, in a reader's language. Knows which fields are sentences of ours; must not know any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from tasks.model import Action, Check, Evidence, Finding, Verdict
from tasks.phrases import Say, same
from tasks.report_deeds import Asked, Deed, Item, Tested
from tasks.report_lines import Moment
from tasks.report_picture import Bar, Flag, Lane, Picture
from tasks.report_view import Metric, Seen, View

T = TypeVar("T")
Fields = Mapping[type, tuple[str, ...]]

# What a field that is not named here holds is a name, a path, a command or a hash: it stays as it is.
# Of pairs of a label and a text the label stays, for whoever shows it goes by it.
SENTENCES: Fields = {
    Action: ("kind", "target", "reason", "undo"),
    Asked: ("answer",),
    Bar: ("title",),
    Check: ("name", "expected", "observed"),
    Deed: ("before", "result", "seen", "approved", "undo", "back"),
    Evidence: ("what", "how", "note"),
    Finding: ("what", "why"),
    Flag: ("label",),
    Item: ("at_source",),
    Lane: ("name", "note"),
    Metric: ("value", "note"),
    Moment: ("what",),
    Picture: ("description",),
    Seen: ("answer",),
    Tested: ("word",),
    Verdict: ("reasons",),
    View: ("title", "verdict_line", "base", "interval", "unseen", "questions", "advice"),
}
PAIRS: Fields = {View: ("summary", "facts", "score", "plans", "seal")}


def spoken(value: T, say: Say, sentences: Fields = SENTENCES, pairs: Fields = PAIRS) -> T:
    """The same with every sentence put into words by `say`.

    Args:
        sentences: which fields of which types are sentences, or tuples of them.
        pairs: which are pairs of a label and a text.
    """
    told: T = value if say is same else _Speaker(say, sentences, pairs).put(value)
    return told


@dataclass(frozen=True, slots=True)
class _Speaker:
    say: Say
    sentences: Fields
    pairs: Fields

    def put(self, value: Any) -> Any:
        """Any value of a view."""
        if isinstance(value, tuple):
            return tuple(self.put(one) for one in value)
        if not is_dataclass(value) or isinstance(value, type):
            return value
        return replace(
            value, **{f.name: self._field(type(value), f.name, getattr(value, f.name)) for f in fields(value)}
        )

    def _field(self, owner: type, name: str, value: Any) -> Any:
        if name in self.sentences.get(owner, ()):
            return self._said(value)
        return self._paired(value) if name in self.pairs.get(owner, ()) else self.put(value)

    def _said(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._said(one) for one in value)
        return self.say(value) if isinstance(value, str) else value

    def _paired(self, value: Any) -> Any:
        """A text, or pairs of a label and such."""
        return (
            tuple((label, self._paired(text)) for label, text in value) if isinstance(value, tuple) else self.say(value)
        )
