"""What the pages' tests share: a site whose incidents stories wrote, and people with a browser before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows.web.app import create
from flows.web.context import Context
from tests.report.scene import START
from tests.report.stories import HOSTILE
from tests.web.house import Reader, context, tell

TOLD = ("whole", "rejected", "unsure", "refused", "failed", "waiting", "declined", "dirty", "undone")


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's folder with one incident of each story, a day apart, and one whose every name an attacker chose. Read only."""
    folder = tmp_path_factory.mktemp("pages")
    for day, story in enumerate(TOLD):
        tell(folder / "reports", story, story, START + timedelta(days=day))
    evil = {"process": HOSTILE["script"] + HOSTILE["bidi"] + HOSTILE["ansi"], "path": "/tmp/" + HOSTILE["image"]}
    tell(folder / "reports", "waiting", "evil", None, **evil, signature=HOSTILE["attribute"] + HOSTILE["style"])
    (folder / "reports" / "damaged").mkdir()
    (folder / "reports" / "damaged" / "journal.jsonl").write_text("{}\n")
    return folder


@pytest.fixture
def house(told: Path, tmp_path: Path) -> Iterator[Context]:
    """A serve over those incidents with an inbox of its own."""
    (tmp_path / "reports").symlink_to(told / "reports")
    made = context(tmp_path)
    yield made
    made.inbox.close()


@pytest.fixture
def reader(house: Context) -> Reader:
    """A browser that nobody has logged in with."""
    return Reader(create(house))
