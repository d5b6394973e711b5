"""A real `hemostat serve`, a real browser, a laboratory's firewall: alert, card, approval, block, report, undo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from lab.range import Range
from tests.serve.conftest import lab, office
from tests.serve.house import FAST, Office, Serve, alert, wait
from tests.web.chromium import Pages, chromium, ready
from tests.web.picture import waiting
from tests.web.test_browser import press

pytestmark = [pytest.mark.browser, pytest.mark.lab]
__all__ = ["lab", "office"]
REMOTE = "203.0.113.1"
SOON = 20.0


@pytest.fixture
def serve(office: Office) -> Iterator[Serve]:
    """It asks before every block."""
    office.write("playbooks/beacon.yaml", {**FAST, "approvals": {"block": "ask", "cleanup": "ask"}})
    with Serve(office) as running:
        yield running


@pytest.fixture
def driver() -> Iterator[webdriver.Chrome]:
    """A browser of its own."""
    with chromium() as browser:
        yield browser


def denied(office: Office) -> bool:
    """The firewall's configuration denies the remote now."""
    return f"host {REMOTE}" in str(office.lab.device_state())


def test_alert_card_approve_report_undo(office: Office, serve: Serve, driver: webdriver.Chrome) -> None:
    """Nothing is denied before the yes; the yes is in the journal with its name; the undo opens the way again."""
    pages = Pages(driver, serve.url)
    pages.log_in(serve.token)
    said = serve.post(alert(0))
    assert said.status_code == 202, said.text
    assert wait(lambda: "approval needed: block" in pages.text, SOON), "the list does not look again by itself"
    assert not denied(office)
    pages.click(By.PARTIAL_LINK_TEXT, REMOTE)
    assert wait(lambda: bool(driver.find_elements(By.ID, "card")), SOON)
    card = driver.find_element(By.ID, "card").text
    assert [
        w for w in ("Approve block? 1 action(s)", "asa", REMOTE, "h001, h002", "can be undone") if w not in card
    ] == []
    driver.find_element(By.ID, "yes-1").send_keys("seen on the wire")
    pages.click(By.CSS_SELECTOR, "#card button.primary")
    assert wait(lambda: "Orders" in pages.text, SOON)
    serve.kill()  # kill -9 right behind the click: what was taken is followed at the next start, once
    serve.start()
    assert wait(lambda: "contained since" in pages.text, SOON), "the page does not come back by itself"
    assert denied(office)
    assert office.denied().count(REMOTE) == 1
    incident = re.findall(r"/incidents/([^#]+)", driver.current_url)[0]
    given = [r.data for r in office.state(incident).records if r.kind == "approval.given"]
    assert [(g["by"], g["via"], g["reason"]) for g in given] == [("operator", "page", "seen on the wire")]
    assert serve.idle(SOON), "what is taken back below must not be drawn anew meanwhile"
    _the_report(pages, incident)
    _undo(pages, office, incident)
    _in_chinese(pages, incident)


def _the_report(pages: Pages, incident: str) -> None:
    pages.open(f"/incidents/{incident}/report")
    assert "called home" in pages.driver.title
    assert "seen on the wire" in pages.text
    pages.open(f"/incidents/{incident}/verify")
    assert "as written." in pages.text


def _undo(pages: Pages, office: Office, incident: str) -> None:
    pages.open(f"/incidents/{incident}")
    _take_back(pages)
    assert wait(lambda: not denied(office), SOON), pages.text
    assert wait(lambda: "block taken back" in pages.text.lower(), SOON), pages.text


def _take_back(pages: Pages) -> None:
    """Everything that is offered, with every guard that stands before it lifted by name."""
    driver = pages.driver
    pages.click(By.XPATH, "//summary[starts-with(., 'Take back')]")
    for box in driver.find_elements(By.CSS_SELECTOR, "form[action$='/undo'] input[type=checkbox]"):
        if not box.is_selected():
            box.click()
    driver.find_element(By.ID, "why-undo").send_keys("it was our scanner")
    pages.click(By.XPATH, "//button[.='Take back']")


def _in_chinese(pages: Pages, incident: str) -> None:
    pages.click(By.LINK_TEXT, "中文")
    assert wait(lambda: "封锁已撤销" in pages.text, SOON)
    assert f"/incidents/{incident}" in pages.driver.current_url


@pytest.fixture
def drilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A range with a real beacon, and one drill on it that waits for its cleanup."""
    site = tmp_path / "site"
    with Range(site / "reports" / "drilled" / "range", "keepalive", 0.2) as range_:
        for name, value in range_.environment.items():
            monkeypatch.setenv(name, value)
        waiting(range_, site, "drilled")
        yield Office(site, range_)


def test_a_cleanup_is_approved_and_taken_back(drilled: Office, driver: webdriver.Chrome) -> None:
    """A real beacon ends after the yes, the report says so, and the way back is open: all from the page."""
    with Serve(drilled) as serve:
        pages = Pages(driver, serve.url)
        pages.log_in(serve.token)
        pages.open("/incidents/drilled")
        card = driver.find_element(By.ID, "card").text
        assert [
            w for w in ("process.kill", "file.quarantine", "cannot be undone", ".profile, line") if w not in card
        ] == []
        assert drilled.lab.beacons()
        pages.click(By.CSS_SELECTOR, "#card button.primary")
        assert wait(lambda: "Orders" in pages.text, SOON)
        assert wait(lambda: "contained and verified" in pages.text, SOON), pages.text
        assert serve.idle(SOON) and drilled.lab.beacons() == []
        pages.open("/incidents/drilled/report")
        assert "Contained and verified" in pages.text
        pages.open("/incidents/drilled")
        _take_back(pages)
        assert wait(lambda: "block taken back" in pages.text.lower(), SOON), pages.text
        assert all(act.step != "cleanup" for act in drilled.state("drilled").standing if act.action.undo)


def test_the_whole_way_in_chinese_by_keyboard_alone(office: Office, serve: Serve, driver: webdriver.Chrome) -> None:
    """Card, approval, report and undo: Tab, Enter, Space and letters, at the other language's pages."""
    driver.get(f"{serve.url}/language/zh?back=%2Flogin")
    ready(driver, "secret")
    _type(driver, serve.token, Keys.ENTER)
    incident = serve.post(alert(0)).json()["incidents"][0]["id"]
    pages, here = Pages(driver, serve.url), f"{serve.url}/incidents/{incident}"
    assert wait(lambda: f"/incidents/{incident}" in driver.page_source and serve.idle(1), SOON)
    driver.get(here)
    press(driver, "yes-1")
    _type(driver, "seen", Keys.ENTER)
    assert wait(lambda: denied(office) and serve.idle(1), SOON), pages.text
    driver.get(here)
    press(driver, f"{here}/report")
    _type(driver, Keys.ENTER)
    assert wait(lambda: "外联" in driver.title, SOON)
    driver.get(here)
    press(driver, "撤销改动")
    _type(driver, Keys.ENTER)
    for _ in range(8):
        _type(driver, Keys.TAB)
        field = driver.switch_to.active_element
        if field.get_attribute("id") == "why-undo":
            break
        if field.get_attribute("type") == "checkbox" and not field.is_selected():
            _type(driver, Keys.SPACE)
    _type(driver, "our scanner", Keys.ENTER)
    assert wait(lambda: not denied(office), SOON), pages.text
    assert wait(lambda: "封锁已撤销" in pages.text, SOON), pages.text


def _type(driver: webdriver.Chrome, *keys: str) -> None:
    ActionChains(driver).send_keys(*keys).perform()
