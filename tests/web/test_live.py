"""A real `hemostat serve`, a real browser, a laboratory's firewall: alert, card, approval, block, report, undo."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.serve.conftest import lab, office
from tests.serve.house import FAST, Office, Serve, alert, wait
from tests.web.chromium import Pages, chromium

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
    assert wait(lambda: "contained since" in pages.text, SOON), pages.text
    assert denied(office)
    incident = re.findall(r"/incidents/([^#]+)", driver.current_url)[0]
    given = [r.data for r in office.state(incident).records if r.kind == "approval.given"]
    assert [(g["by"], g["via"], g["reason"]) for g in given] == [("operator", "page", "seen on the wire")]
    assert wait(lambda: not serve.health()["worker"]["in work"] and "report" in pages.text, SOON)
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
    driver = pages.driver
    pages.click(By.XPATH, "//summary[starts-with(., 'Take back')]")
    for box in driver.find_elements(By.CSS_SELECTOR, "form[action$='/undo'] input[type=checkbox]"):
        if not box.is_selected():
            box.click()
    driver.find_element(By.ID, "why-undo").send_keys("it was our scanner")
    pages.click(By.XPATH, "//button[.='Take back']")
    assert wait(lambda: not denied(office), SOON), pages.text
    assert wait(lambda: "block taken back" in pages.text.lower(), SOON), pages.text


def _in_chinese(pages: Pages, incident: str) -> None:
    pages.click(By.LINK_TEXT, "中文")
    assert wait(lambda: "封锁已撤销" in pages.text, SOON)
    assert f"/incidents/{incident}" in pages.driver.current_url


def test_a_death_between_click_and_deed(office: Office, serve: Serve, driver: webdriver.Chrome) -> None:
    """An approval that the page has taken is followed once, by the next start, after a kill -9 right behind the click."""
    pages = Pages(driver, serve.url)
    pages.log_in(serve.token)
    before = office.denied().count(REMOTE)
    serve.post(alert(0))
    assert wait(lambda: "approval needed: block" in pages.text, SOON)
    pages.click(By.PARTIAL_LINK_TEXT, REMOTE)
    pages.click(By.CSS_SELECTOR, "#card button.primary")
    assert wait(lambda: "Orders" in pages.text, SOON)
    serve.kill()
    serve.start()
    assert wait(lambda: "contained since" in pages.text, SOON), "the page does not come back by itself"
    assert office.denied().count(REMOTE) == before + 1
