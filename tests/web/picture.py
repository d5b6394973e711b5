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
        incident = waiting(folder)
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


def waiting(folder: Path) -> str:
    """A real beacon on a range, blocked on its firewall, with the question before the cleanup; the incident's id."""
    incident = f"{new_id(datetime.now(UTC))}-drill"
    home = folder / "reports" / incident
    with Range(home / "range", "keepalive", 0.4) as range_:
        site = home / "range" / "site"
        range_.write_site(site)
        os.environ.update(range_.environment)
        known, (request,) = doors.by_alert(site, "suricata", range_.alert(), Mode.DRILL)
        options = runs.Options(folder / "reports", yes=False, prefect=False, as_json=True)
        runs.respond_all(known, [replace(request, id=incident)], options)
    return incident


if __name__ == "__main__":
    main()
