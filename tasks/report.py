"""Step 7: render the postmortem from the journal alone. Escapes every value by construction; must not judge, and must not read a host."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from tasks.case import Case, write_once
from tasks.journal import hexdigest
from tasks.model import ConfigError, HemostatError, Outcome, Step, StepEnd, inert
from tasks.phrases import LANGUAGES, say
from tasks.report_spoken import spoken
from tasks.report_view import View, view

__all__ = ["View", "html", "markdown", "view"]

# In the wheel the templates stand in the package; in a clone they are the owner's to edit, beside the reports.
FOLDERS = (Path(__file__).with_name("report_templates"), Path(__file__).parents[1] / "reports" / "templates")
LIMIT = 500


class Source(str):
    """Markdown that is ours or already escaped."""

    __slots__ = ()


def markdown(view: View, language: str = "en") -> str:
    """The report as Markdown (CommonMark with GitHub's tables)."""
    return _in(_markdown().get_template("report.md.j2"), view, language)


def html(view: View, language: str = "en") -> str:
    """The report as one self-contained HTML file without a script."""
    return _in(_html().get_template("report.html.j2"), view, language)


def _in(template: Template, view: View, language: str) -> str:
    words = say(language)
    return template.render(
        v=spoken(view, words),
        say=words,
        ours=lambda text: Source(words(text)),  # for a template's own text, which Markdown shall not escape
        language="zh-CN" if language == "zh" else language,
    )


@cache
def _html() -> Environment:
    """Every value passes `inert` first (controls, bidi), then Jinja's autoescape."""
    return Environment(
        loader=FileSystemLoader(FOLDERS),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else inert(value, LIMIT),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _markdown() -> Environment:
    """Every value passes `escape`, as no autoescape for Markdown exists; only `code` and `fence` say otherwise."""
    env = Environment(
        loader=FileSystemLoader(FOLDERS),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        finalize=lambda value: value if isinstance(value, Source) else escape(value),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(code=code, fence=fence)
    return env


_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~$&])")
_AUTOLINK = re.compile(r":(?=//)|(?<=www)\.|(?<=mailto):|(?<=xmpp):", re.IGNORECASE)
_LEADING = re.compile(r"^(?:[-+=:](?![0-9A-Za-z])|\d{1,9}(?=[.)](?:\s|$)))")


def escape(value: object) -> Source:
    r"""Text that Markdown shows as it is, on one line, in a paragraph, list item, heading or table cell.

    Punctuation with a meaning is backslash-escaped (CommonMark 0.31.2, section 2.4). A link that GitHub would make
    of bare text (`https:`, `www.`, a mail address, a mention) is broken: by a backslash, or by putting the @ in code.
    """
    text = inert(value, LIMIT).strip(" ")
    text = _SPECIAL.sub(r"\\\1", text)
    text = _AUTOLINK.sub(r"\\\g<0>", text)
    text = re.sub(r"@+", r"`\g<0>`", text)
    return Source(_LEADING.sub(_lead, text) or "–")


def _lead(match: re.Match[str]) -> str:
    return match[0] + "\\" if match[0].isdigit() else "\\" + match[0]


def code(value: object) -> Source:
    r"""Text as a code span in a table cell. A pipe is written \|, which only a table's parser takes back."""
    text = inert(value, LIMIT).replace("|", r"\|").strip(" ")
    if not text:
        return Source("–")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return Source(f"{fence}{pad}{text}{pad}{fence}")


def fence(lines: tuple[str, ...]) -> Source:
    """Lines for a fenced block; none of them can end it."""
    return Source("\n".join(inert(line).replace("`", "'") for line in lines))


def run(case: Case) -> StepEnd:
    """Write report.md and report.html into the incident's folder and journal their hashes."""
    return write(case, Step.REPORT)


def files(language: str) -> tuple[str, str]:
    """The names of the two files in that language.

    Raises:
        ConfigError: there is no such language.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"write the report in {inert(language, 20)!r}", do=f"name one of {', '.join(LANGUAGES)}")
    mark = "" if language == LANGUAGES[0] else f".{language}"
    return f"report{mark}.md", f"report{mark}.html"


def write(case: Case, step: Step | None = None, language: str = LANGUAGES[0]) -> StepEnd:
    """The same at any time, also for an unfinished incident; `step` None is a person's wish outside the run.

    Raises:
        ConfigError: there is no such language.
    """
    names, shown = files(language), view(case.state, case.journal.head)
    made = dict(zip(names, (markdown(shown, language).encode(), html(shown, language).encode()), strict=True))
    for name, data in made.items():
        write_once(case.folder / name, data)
    hashes = {name: hexdigest(data) for name, data in made.items()}
    case.record("report.written", files=hashes, head=case.journal.head, step=step)
    return StepEnd(Step.REPORT, Outcome.DONE, f"written: {case.folder / 'report.html'}")


def refresh(case: Case) -> None:
    """Write the report anew where there is one: it must not go on telling of changes that were taken back since.

    A report that cannot be written now (a full disk) undoes nothing; `hemostat report` writes it later.
    """
    with suppress(OSError, HemostatError):
        for language in LANGUAGES:
            if files(language)[1] in case.state.reports:
                write(case, language=language)
