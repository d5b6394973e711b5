"""Whatever an attacker writes stays text: the structure of both renderings does not depend on it."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tasks import report
from tasks.model import inert
from tests.report.stories import HOSTILE, STORIES
from tests.report.story import Story

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
INLINE = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
NASTY = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="`|\\<>[]()!*_~#&;:/@-+=.1 \n\t\r$^{}\"'ahtpsw\u202e\x1b进", max_size=60),
    st.lists(st.sampled_from(list(HOSTILE.values())), max_size=3).map("".join),
)
SLOW_START = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def everywhere(view: report.View, text: str) -> report.View:
    """The view with the text in every kind of place: heading, paragraph, list, cell, cell's code."""
    finding = dataclasses.replace(
        view.found[0].finding, what=text, where=text, why=text, attack=text, sure=text, rule=text
    )
    return dataclasses.replace(
        view,
        title=text,
        verdict_line=text,
        incident_id=text,
        summary=((text, text), (text, text)),
        facts=((text, text), (text, text)),
        unseen=((text, text), (text, text)),
        questions=(text, text),
        advice=((text, text),),
        read=(text,),
        plans=((text, ((text, text),)),),
        found=(dataclasses.replace(view.found[0], finding=finding),),
        head=text,
    )


def blocks(source: str) -> list[str]:
    """The Markdown's block structure: every token's kind, without its text."""
    return [t.type for t in MARKDOWN.parse(source)]


def inlines(source: str) -> set[str]:
    """The kinds of inline tokens, raw HTML blocks among them."""
    tokens: list[Token] = MARKDOWN.parse(source)
    return {c.type for t in tokens for c in t.children or ()} | {t.type for t in tokens if t.type == "html_block"}


class Tags(HTMLParser):
    """The document's tags with their attributes' names, and every href."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.hrefs: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.hrefs += [value for name, value in attrs if name in ("href", "src", "xlink:href")]


def tags(source: str) -> Tags:
    parser = Tags()
    parser.feed(source)
    parser.close()
    return parser


@given(text=NASTY)
@SLOW_START
def test_markdown_keeps_its_structure(whole: report.View, text: str) -> None:
    """Hostile text makes no block, column, link, image or raw HTML that harmless text would not make."""
    plain, nasty = (report.markdown(everywhere(whole, t)) for t in ("x", text))
    assert blocks(nasty) == blocks(plain), "the escape filter lets this text change the Markdown's blocks or columns"
    assert inlines(nasty) <= INLINE, "the escape filter lets this text become markup"


@given(text=NASTY)
@SLOW_START
def test_html_keeps_its_structure(whole: report.View, text: str) -> None:
    """Hostile text makes no tag, attribute or address that harmless text would not make."""
    plain, nasty = (tags(report.html(everywhere(whole, t))) for t in ("x", text))
    assert nasty.tags == plain.tags
    assert all(href and href.startswith("#") for href in nasty.hrefs), "the report may only point into itself"


@given(text=NASTY)
def test_markdown_shows_the_text_itself(text: str) -> None:
    """Escaping loses nothing: a cell shows what `inert` shows, escaped or as code, and a second cell stays there."""
    shown = inert(text, report.LIMIT).strip(" ")
    for cell in (report.escape(text), report.code(text)):
        tokens = MARKDOWN.parse(f"| a | b |\n|---|---|\n| {cell} | end |\n")
        cells = [t for t in tokens if t.type == "inline"]
        assert len(cells) == 4, f"{cell!r} breaks the table"
        seen = "".join(c.content for c in cells[2].children or ())
        assert seen == (shown or "–"), f"{cell!r} is shown as {seen!r}"


@given(text=NASTY)
def test_no_bare_links(text: str) -> None:
    """GitHub makes links of bare addresses and mentions of an @: neither survives the escape."""
    escaped = report.escape(text).lower()
    assert not re.search(r"\w://|www\.|mailto:|xmpp:", escaped), "a bare address is left: GitHub would link it"
    assert "@" not in re.sub("`@+`", "", escaped), "an @ stands outside code: GitHub would mention or mail someone"


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_incident(kind: str, tmp_path: Path, whole: report.View) -> None:
    """A whole incident whose process, path and signature are hostile renders like the harmless one."""
    text = HOSTILE[kind]
    story = Story(tmp_path, {"process": text, "path": f"/tmp/{text}", "signature": text})
    STORIES["whole"](story)
    nasty = report.view(*story.end())
    assert blocks(report.markdown(nasty)) == blocks(report.markdown(whole))
    assert inlines(report.markdown(nasty)) <= INLINE
    assert tags(report.html(nasty)).tags == tags(report.html(whole)).tags
    for rendered in (report.markdown(nasty), report.html(nasty)):
        assert "\x1b" not in rendered
        assert "\u202e" not in rendered
