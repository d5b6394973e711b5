"""The phrase book: every sentence has its Chinese, what is filled in comes through, and nothing hostile is made to say more."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import phrases
from tasks.phrases import book, chinese, pages
from tasks.phrases.shape import Hole, Phrase
from tests.phrases.said import Source

ROOT = Path(__file__).parents[2]
SAYING = sorted([*(ROOT / "tasks").rglob("*.py"), ROOT / "flows" / "engine.py"])
# Pieces that are no sentence: a file's name, a table's, a stand-in for a name.
NO_SENTENCE = frozenset({"report.html", "hemostat_host", "never-block", "without a name"})
HEARD = [line for line in (Path(__file__).parent / "heard.txt").read_text().splitlines() if line]
FIXED = "\n".join("\0".join(phrase.pieces) for phrase in book())
PIECES = sorted({piece for phrase in book() for piece in phrase.pieces if piece.strip()})
PLAIN = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
# Text of someone who knows the book.
SLY = st.lists(PLAIN | st.sampled_from([*PIECES, "; ", ". "]), max_size=5).map("".join)


def unsaid(path: Path) -> list[str]:
    """Where that module says something that stands in no phrase."""
    found = []
    for line, text in Source(path).said():
        for piece in re.split(r"\{[a-z]+\}", text):
            core = piece.strip(" ;,.:()“”")
            if len(re.findall("[A-Za-z]{2,}", core)) > 1 and core not in FIXED and core not in NO_SENTENCE:
                found.append(f"{path.relative_to(ROOT)}:{line}: {piece!r}")
    return found


@pytest.mark.parametrize("path", SAYING, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_sentence_has_a_phrase(path: Path) -> None:
    """Summaries, guards, cards, checks, findings: a new English sentence wants a Chinese one."""
    assert unsaid(path) == [], "give these a phrase in tasks/phrases/*.yaml"


@pytest.mark.parametrize("text", HEARD)
def test_what_drills_said_is_known_to_the_last_hole(text: str) -> None:
    """Sentences of the journals of all three ranges."""
    assert len(phrases._Reader().readings(text)) == 1, f"no phrase knows all of it; as far as it goes: {chinese(text)}"


def test_both_languages_have_the_same_holes() -> None:
    """A translation drops no value and makes none up; a kind of hole is a known one or a page of the book."""
    for phrase in book():
        names = {name for _, name, _, _ in Formatter().parse(phrase.said) if name}
        assert names == {hole.name for hole in phrase.holes}, phrase
        assert len(names) == len(phrase.holes), f"a name twice: {phrase}"
        assert {h.kind for h in phrase.holes if h.said} <= {phrases.ANY, *pages()}, phrase


def test_a_sentence_has_one_translation() -> None:
    """No two pages say the same sentence in different ways."""
    said: dict[str, set[str]] = {}
    for rows in pages().values():
        for text, chinese_text in rows.items():
            said.setdefault(re.sub(r"\{[^}]*\}", "{}", text), set()).add(chinese_text)
    assert {text: ways for text, ways in said.items() if len(ways) > 1 and "{}" not in text} == {}


def filled(phrase: Phrase, values: list[str]) -> str:
    """The English sentence with these values."""
    pairs = zip(phrase.pieces, [*values, ""], strict=True)
    return "".join(piece + value for piece, value in pairs)


def value(hole: Hole, text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """What may stand in a hole."""
    if hole.said:
        rows = book() if hole.kind == phrases.ANY else book(hole.kind)
        return st.sampled_from([p.pieces[0] for p in rows if not p.holes] or ["nothing of ours"])
    return {
        "": text.filter(lambda t: "; " not in t),
        "t": text,
        "n": st.integers(0, 10**9).map(str),
        "w": st.text("abcXYZ019./:-_[]", min_size=1, max_size=20),
    }[hole.kind]


@st.composite
def sentences(draw: st.DrawFn, text: st.SearchStrategy[str] = PLAIN) -> tuple[Phrase, list[str]]:
    """Any phrase with anything in its holes."""
    phrase = draw(st.sampled_from(book()))
    return phrase, [draw(value(hole, text)) for hole in phrase.holes]


@given(sentences())
def test_what_is_filled_in_comes_through(told: tuple[Phrase, list[str]]) -> None:
    """Any text in the holes stands in the translation as it is; or the sentence does."""
    phrase, values = told
    english = filled(phrase, values)
    result = chinese(english)
    raw = [v for hole, v in zip(phrase.holes, values, strict=True) if not hole.said]
    assert result == english or all(v in result for v in raw), (english, result)


@given(sentences(SLY))
def test_who_knows_the_book_can_say_no_more_than_in_english(told: tuple[Phrase, list[str]]) -> None:
    """Sly text in a hole may keep a sentence from being translated; the translation still holds every value that is no text."""
    english = filled(*told)
    result = chinese(english)
    assert result == english or set(re.findall(r"\d+", result)) <= set(re.findall(r"\d+", english))


@given(
    st.lists(st.sampled_from(["qzx", "vvk", "wörd", "词", "<b>", "{x}", "%s", "\\", "\n"]), min_size=1).map(" ".join)
)
def test_an_unknown_sentence_stays_as_it_is(text: str) -> None:
    """Whatever the book does not know comes through unchanged."""
    assert chinese(text) == text


@pytest.mark.parametrize(
    "piece", ["; ", ". ", "a: ", "it starts x, ", " (", "process 5 (", "first: ", "x is denied on "]
)
def test_a_text_that_asks_for_too_much_work_stays_as_it_is(piece: str) -> None:
    """The work is bounded by a number of trials, whatever the text; so an attacker's cannot hold a page up."""
    text = (piece * phrases.LONGEST)[: phrases.LONGEST]
    assert len(chinese(text)) >= 0
    assert chinese(text + piece) == text + piece, "a text beyond the limit is not looked at"


def test_two_readings_that_differ_are_none() -> None:
    """A name with a piece of the sentence in it: nobody can tell where it ends, so the sentence stays."""
    text = "process 5 (x) calls itself a, but its file is b) calls itself c, but its file is d"
    assert chinese(text) == text


def test_a_reader_of_english_gets_the_journal_itself() -> None:
    """No translation in English."""
    assert phrases.say("en")("clean: 3 of 3 checks passed") == "clean: 3 of 3 checks passed"
    assert phrases.say("zh")("clean: 3 of 3 checks passed") == "已清除干净：3 项检查中 3 项通过"
