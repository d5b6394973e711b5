"""The ways to one and the same host, for tests of what they do alike: this machine itself, and over SSH with each shell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tasks.settings import Policy, Site
from tasks.transports import reach
from tasks.transports.hands import Hands
from tasks.transports.local import LocalHands
from tests.transports.sshd import SHELLS, Server

WAYS = ("local", *SHELLS)
NOWHERE = Site("", {}, Policy(), {})


def no_secret(reference: str) -> str:
    """A login that needs none."""
    raise AssertionError(f"nobody should ask for {reference!r}")


@contextmanager
def by(request: pytest.FixtureRequest, way: str, root: Path) -> Iterator[Hands]:
    """The hands for this machine, fenced to the root, by that way."""
    if way == "local":
        yield LocalHands(str(root))
        return
    server: Server = request.getfixturevalue("servers")(way)
    with closing(reach(server.host(root=str(root)), NOWHERE, no_secret)) as hands:
        yield hands
