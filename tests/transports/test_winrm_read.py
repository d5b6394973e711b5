"""What signed.ps1 answers, read without a host: what it could not look at is told in words that do not move."""

from __future__ import annotations

import json

from tasks.transports.winrm_frame import shipped
from tasks.transports.winrm_read import NO_TIME, signed


def test_the_files_that_time_left_out_are_told_without_a_name() -> None:
    """Another one is the first of them at each look, and a second look that tells other words than the first proves nothing clean."""
    assert NO_TIME in shipped("signed").decode()
    dark = [{"path": f"C:\\{name}.exe", "why": NO_TIME} for name in "ab"]
    rows, unseen = signed(json.dumps([*dark, {"path": "C:\\c.exe", "why": "it is in use"}]).encode())
    assert len(rows) == 3
    assert [u.why for u in unseen] == [f"2 file(s): {NO_TIME}", "1 file(s), first C:\\c.exe: it is in use"]
