"""Makes docs/incident.png: a real drill that waits for its cleanup. `python -m tests.web.picture` after a change of the pages."""

from __future__ import annotations

import base64
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from flows import doors, runs
from flows.web.app import create
from lab.range import Range
from tasks.case import new_id
from tasks.model import Mode
from tests.cli.house import CODE
from tests.web.chromium import Pages, chromium
from tests.web.house import context
from tests.web.server import listening

PICTURE = CODE / "docs" / "incident.png"
MOST = 200_000
WIDTH, HEIGHT = 1100, 1075


def main() -> None:
    """Run the drill up to its question, and take the page's picture in a browser."""
    with tempfile.TemporaryDirectory(prefix="hemostat-") as name:
        folder = Path(name)
        incident = f"{new_id(datetime.now(UTC))}-drill"
        with Range(folder / "reports" / incident / "range", "keepalive", 0.4) as range_:
            os.environ.update(range_.environment)
            waiting(range_, folder, incident)
        made = context(folder)
        with listening(create(made)) as url, chromium() as driver:
            pages = Pages(driver, url)
            pages.log_in("a long token of ada")
            pages.open(f"/incidents/{incident}")
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            PICTURE.write_bytes(base64.b64decode(driver.get_screenshot_as_base64()))
        made.inbox.close()
    assert PICTURE.stat().st_size <= MOST, f"{PICTURE} is too large: {PICTURE.stat().st_size} bytes"


def waiting(range_: Range, site: Path, incident: str) -> None:
    """A real beacon is blocked on the range's firewall; the question before the cleanup stands. Its credentials are in the environment."""
    range_.write_site(site)
    known, (request,) = doors.by_alert(site, "suricata", range_.alert(), Mode.DRILL)
    options = runs.Options(site / "reports", yes=False, prefect=False, as_json=True)
    runs.respond_all(known, [replace(request, id=incident)], options)


if __name__ == "__main__":
    main()
