"""The pages in a real Chromium: readable by everybody (axe-core), by keyboard alone, on a phone, and nothing of an attacker's runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.base import AXE_SCRIPT
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from flows.web.app import create
from flows.web.context import Context
from tests.serve.house import wait
from tests.web.chromium import SCREENS, Pages, body, chromium, ready
from tests.web.house import context
from tests.web.server import listening

pytestmark = pytest.mark.browser
PATHS = {
    "list": "/incidents",
    "filtered": "/incidents?host=nobody",
    "waiting": "/incidents/waiting",
    "evil": "/incidents/evil",
    "undone": "/incidents/undone",
    "failed": "/incidents/failed",
    "verify": "/incidents/whole/verify",
    "compare": "/compare?id=whole&id=dirty",
    "pick": "/compare",
    "metrics": "/metrics?drills=1",
    "search": "/search?q=cron",
    "missing": "/incidents/none",
    "damaged": "/incidents/damaged",
}


@pytest.fixture(scope="module")
def served(told: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Context]]:
    """The told incidents behind a real server, with a worker that does not run."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "reports").symlink_to(told / "reports")
    made = context(folder)
    with listening(create(made)) as url:
        yield url, made
    made.inbox.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """One browser for all of these."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(driver: webdriver.Chrome, served: tuple[str, Context]) -> Pages:
    """An approver who has logged in."""
    made = Pages(driver, served[0])
    made.log_in("a long token of ada")
    return made


def serious(driver: webdriver.Chrome) -> list[str]:
    """What axe-core finds that keeps somebody out: serious or critical."""
    driver.execute_script(AXE_SCRIPT)
    found = driver.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
    assert len(found["passes"]) > 10, "axe-core has not looked"
    return [
        f"{v['impact']}: {v['help']}: {[n['html'][:150] for n in v['nodes'][:3]]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PATHS)
def test_everybody_can_read_it(pages: Pages, name: str) -> None:
    """In both colour schemes axe-core finds nothing serious, the browser complains of nothing, and no dialog stands."""
    for screen, scheme in (("desktop", "light"), ("phone", "dark")):
        pages.open(PATHS[name], screen, scheme)
        for summary in pages.driver.find_elements(By.CSS_SELECTOR, "details:not([open]) > summary"):
            if summary.is_displayed():
                summary.click()
        assert serious(pages.driver) == [], f"{name}, {scheme}"
        width = pages.driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= SCREENS[screen][0], f"{name}: something is wider than the {screen}"
    with pytest.raises(NoAlertPresentException):
        _ = pages.driver.switch_to.alert.text
    assert pages.driver.execute_script("return window.pwned") is None
    assert [e for e in pages.errors() if "status of 4" not in e] == []


def test_the_login_page_too(driver: webdriver.Chrome, served: tuple[str, Context]) -> None:
    """The page before all others, in Chinese, after a wrong token."""
    with chromium() as fresh:
        fresh.get(f"{served[0]}/language/zh?back=%2Flogin")
        fresh.find_element(By.ID, "secret").send_keys("wrong", Keys.ENTER)
        assert wait(lambda: "没有人使用这个令牌" in body(fresh), 10)
        assert serious(fresh) == []


def test_the_report_opens_in_its_sandbox(pages: Pages) -> None:
    """It is drawn in full, with its own style, and has no script to stop."""
    pages.open("/incidents/evil/report")
    assert "called home" in pages.driver.title
    assert pages.errors() == []


def test_in_chinese_on_a_phone(pages: Pages) -> None:
    """The other language fits as well and has no fault of its own."""
    pages.open("/language/zh?back=%2Fincidents%2Fwaiting", "phone")
    try:
        assert "批准清除" in pages.text
        assert serious(pages.driver) == []
        assert pages.driver.execute_script("return document.documentElement.scrollWidth") <= SCREENS["phone"][0]
    finally:
        pages.open("/language/en")


def test_a_page_that_may_be_old_says_so(pages: Pages) -> None:
    """While nothing answers the page keeps what it shows, and tells; once there is an answer again it no longer does."""
    pages.open("/incidents/waiting")
    pages.driver.execute_cdp_cmd("Network.enable", {})
    online = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    try:
        pages.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**online, "offline": True})
        assert wait(lambda: "may be old" in pages.text, 30)
        assert "Approve cleanup?" in pages.text
    finally:
        pages.driver.execute_cdp_cmd("Network.emulateNetworkConditions", online)
    assert wait(lambda: "may be old" not in pages.text, 40)
    pages.errors()


def press(driver: webdriver.Chrome, until: str, most: int = 80) -> None:
    """Tab on until the element with that text, id or address has the focus."""
    for _ in range(most):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        here = driver.switch_to.active_element
        if until in (here.text, here.get_attribute("id"), here.get_attribute("href")):
            return
    raise AssertionError(f"Tab does not come to {until!r}")


def test_by_keyboard_alone(served: tuple[str, Context], told: Path) -> None:
    """Log in, open the incident, approve with a reason, see it ordered, see the answer come by itself. Tab, Enter and letters alone."""
    url, made = served
    with chromium() as driver:
        driver.get(url)
        ready(driver, "secret")
        ActionChains(driver).send_keys("a long token of ada", Keys.ENTER).perform()
        assert wait(lambda: "/incidents/waiting" in driver.page_source, 10)
        press(driver, f"{url}/incidents/waiting")
        ActionChains(driver).send_keys(Keys.ENTER).perform()
        assert wait(lambda: bool(driver.find_elements(By.ID, "yes-1")), 10)
        press(driver, "yes-1")
        ActionChains(driver).send_keys("seen with the owner", Keys.TAB).perform()
        assert driver.switch_to.active_element.text == "Approve"
        ActionChains(driver).send_keys(Keys.ENTER).perform()
        assert wait(lambda: "will be applied" in body(driver), 5)
        assert "“seen with the owner”" in body(driver)
        (order,) = made.inbox.orders("waiting")
        made.inbox.done(order.id, "approved by the test")
        assert wait(lambda: "approved by the test" in body(driver), 8), "the page does not look again by itself"


def test_what_is_being_typed_stays(served: tuple[str, Context], told: Path, tmp_path: Path) -> None:
    """A page that looks again by itself leaves a field alone that somebody is typing in, and takes the rest over."""
    url, made = served
    with chromium() as driver:
        Pages(driver, url).log_in("a long token of ada")
        driver.get(f"{url}/incidents/dirty")
        driver.find_element(By.XPATH, "//summary[starts-with(., 'Skip')]").click()
        field = driver.find_element(By.ID, "why-skip")
        field.send_keys("half a sen")
        order = made.inbox.order("dirty", "resume", {"reason": "from another window"}, "rosa")
        assert wait(lambda: "from another window" in body(driver), 8)
        assert field.get_attribute("value") == "half a sen"
        made.inbox.done(order, "goes on")


def test_without_javascript(served: tuple[str, Context]) -> None:
    """Everything but the looking again works with scripts switched off."""
    url, made = served
    with chromium() as driver:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        Pages(driver, url).log_in("a long token of ada")
        driver.get(f"{url}/incidents/declined")
        driver.find_element(By.XPATH, "//summary[starts-with(., 'Do a step anew')]").click()
        driver.find_element(By.ID, "why-redo").send_keys("the owner agrees now")
        driver.find_element(By.XPATH, "//button[.='Do a step anew']").click()
        assert wait(lambda: "will be applied" in body(driver), 10)
        assert [o.arguments["step"] for o in made.inbox.orders("declined")] == ["cleanup"]
