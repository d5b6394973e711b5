"""Several incidents at one device at once: one session at a time, and every entry arrives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.firewalls import cases
from tests.firewalls.conftest import rig
from tests.firewalls.test_platforms import ready

pytestmark = pytest.mark.lab
MANY = 20


@pytest.mark.parametrize("platform", cases.names())
def test_incidents_at_once_end_with_exactly_their_entries(platform: str, tmp_path: Path) -> None:
    """Each run blocks its own remote at the same moment; none overwrites another's, and nothing else has changed."""
    case, remotes = cases.load(platform), [f"203.0.113.{100 + n}" for n in range(MANY)]
    with rig(case, tmp_path, ready(case)) as device:
        before = device.box.config()

        def one(remote: str) -> None:
            with device.session() as session:
                device.block(session, remote)

        with ThreadPoolExecutor(len(remotes)) as pool:
            list(pool.map(one, remotes))
        with device.session() as session:
            assert all(device.look(session, remote).present for remote in remotes)
            for remote in remotes:
                device.unblock(session, remote)
        assert device.box.config() == before
