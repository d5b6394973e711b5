"""The laboratory devices do what they say: a blocked remote gets no new connection, everyone else does, and the counter tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.device import Flow
from tasks.model import parse_address
from tests.firewalls import cases
from tests.firewalls.conftest import rig
from tests.firewalls.test_platforms import BYSTANDER, ready

pytestmark = pytest.mark.lab


def _flow(target: str) -> Flow:
    there = parse_address(target)
    here = parse_address("192.0.2.66" if there.version == 4 else "2001:db8:1::66")
    return Flow(here, 40000, there, 8443)


@pytest.mark.parametrize("platform", cases.names())
def test_a_blocked_remote_gets_no_new_connection(platform: str, tmp_path: Path) -> None:
    """Let in before, denied and counted while it is blocked, let in again after; a bystander passes all the while."""
    case = cases.load(platform)
    remote = case.remotes[0]
    with rig(case, tmp_path, ready(case)) as device, device.session() as session:
        admit = device.box.admit
        assert admit(_flow(remote))
        assert admit(_flow(BYSTANDER[4]))
        device.block(session, remote)
        before = device.look(session, remote)
        assert not admit(_flow(remote))
        assert admit(_flow(BYSTANDER[4]))
        after = device.look(session, remote)
        assert before.hits is None or after.hits == before.hits + 1, (before, after)
        device.unblock(session, remote)
        assert admit(_flow(remote))
