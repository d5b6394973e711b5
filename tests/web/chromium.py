"""Debian's headless chromium, and a person before it: where they are, what they read, which keys they press."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tests.serve.house import wait

# A container's /dev/shm may be too small for several browsers, whose pages then crash.
SMALL = "--disable-dev-shm-usage"
SCREENS = {"desktop": (1280, 900), "phone": (360, 740)}


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """The browser, for one `with` block; skips where Debian's is not installed."""
    program, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and chromedriver):
        pytest.skip("needs chromium and chromium-driver: apt-get install chromium chromium-driver fonts-noto-cjk")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en", SMALL):
        options.add_argument(argument)
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield browser
    finally:
        browser.quit()


def body(driver: webdriver.Chrome) -> str:
    """What can be read now; nothing while one page gives way to the next."""
    with suppress(StaleElementReferenceException, NoSuchElementException):
        return driver.find_element(By.TAG_NAME, "body").text
    return ""


def ready(driver: webdriver.Chrome, field: str) -> None:
    """Wait until the page has put the focus there by itself: a browser does that a moment after it has the page."""
    assert wait(lambda: driver.switch_to.active_element.get_attribute("id") == field, 10), f"{field} gets no focus"


class Pages:
    """One person's browser at one server."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def log_in(self, token: str) -> None:
        """With the form, as a person does."""
        self.driver.get(f"{self.url}/login")
        self.driver.find_element(By.ID, "secret").send_keys(token)
        self.driver.find_element(By.CSS_SELECTOR, "button.primary").click()
        assert wait(lambda: "/incidents" in self.driver.current_url, 10), self.text

    def open(self, path: str, screen: str = "desktop", scheme: str = "light") -> None:
        """Go there, on that screen, with that colour scheme."""
        width, height = SCREENS[screen]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        wish = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)
        self.driver.get(f"{self.url}{path}")

    def click(self, by: str, what: str) -> None:
        """Click it; once more where the page has just looked again and drawn it anew."""

        def clicked() -> bool:
            with suppress(StaleElementReferenceException, NoSuchElementException):
                self.driver.find_element(by, what).click()
                return True
            return False

        assert wait(clicked, 10), f"nothing to click: {what}"

    @property
    def text(self) -> str:
        """What can be read on the page now."""
        return body(self.driver)

    def errors(self) -> list[str]:
        """What the browser complained of since the last call; its recommendations are none."""
        return [e["message"] for e in self.driver.get_log("browser") if e["source"] != "recommendation"]
