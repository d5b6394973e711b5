"""The HTML report in a real browser: both colour schemes, desktop and phone, harmless and hostile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.chrome.service import Service

from tasks import report
from tests.report.stories import HOSTILE, STORIES
from tests.report.story import Story
from tests.web.chromium import SMALL

pytestmark = pytest.mark.browser
PAGES = {
    "whole": ("whole", {}),
    "resumed": ("resumed", {}),
    "hostile": (
        "undone",
        {
            "process": " ".join(HOSTILE[k] for k in HOSTILE if k != "long")[:480],
            "path": "/tmp/" + HOSTILE["long"],
            "signature": HOSTILE["script"] + HOSTILE["chinese"],
        },
    ),
    "attributes": (
        "whole",
        {"process": HOSTILE["attribute"], "path": HOSTILE["style"], "signature": HOSTILE["image"]},
    ),
}
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """Debian's headless chromium."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("needs chromium and chromium-driver: apt-get install chromium chromium-driver fonts-noto-cjk")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", SMALL):
        options.add_argument(argument)
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield browser
    browser.quit()


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One report as a file."""
    name, evil = PAGES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    story = Story(folder, evil)
    STORIES[name](story)
    target = folder / "report.html"
    target.write_text(report.html(report.view(*story.end())), encoding="utf-8")
    return target


def show(driver: webdriver.Chrome, page: Path, screen: str, scheme: str) -> None:
    width, height = SCREENS[screen]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    driver.get(page.as_uri())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("screen", SCREENS)
def test_fits_and_obeys_the_scheme(driver: webdriver.Chrome, page: Path, screen: str, scheme: str) -> None:
    """The page never scrolls sideways, whatever stands in it, and follows the reader's colour scheme."""
    show(driver, page, screen, scheme)
    width = driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= SCREENS[screen][0], "something is wider than the page: let it wrap, or scroll within itself"
    colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert colour == SCHEMES[scheme]
    assert driver.save_screenshot(str(page.with_name(f"{screen}-{scheme}.png")))


def test_nothing_runs_and_nothing_is_fetched(driver: webdriver.Chrome, page: Path) -> None:
    """No dialog, no script, no request, and nothing that the page's own policy had to stop."""
    show(driver, page, "desktop", "light")
    with pytest.raises(NoAlertPresentException):
        _ = driver.switch_to.alert.text
    assert driver.execute_script("return window.pwned") is None
    assert driver.execute_script("return document.querySelectorAll('script,img,iframe,object,link').length") == 0
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert driver.get_log("browser") == []


def test_picture_labels_do_not_overlap(driver: webdriver.Chrome, page: Path) -> None:
    """As the browser's own font draws them, no two texts of the picture meet and none is cut."""
    show(driver, page, "desktop", "light")
    boxes = driver.execute_script(
        "const svg = document.querySelector('svg'), v = svg.viewBox.baseVal;"
        "return [[v.width, v.height], [...svg.querySelectorAll('text')].map(t => { const b = t.getBBox();"
        " return [b.x, b.y, b.width, b.height, t.textContent]; })]"
    )
    (width, height), texts = boxes
    for x, y, w, h, text in texts:
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height, f"{text} is cut"
    for (ax, ay, aw, ah, one), (bx, by, bw, bh, other) in combinations(texts, 2):
        beside = ax + aw <= bx or bx + bw <= ax
        apart = ay + ah <= by + 2 or by + bh <= ay + 2  # a box holds the font's air above and below, too
        assert beside or apart, f"{one} lies on {other}"


def test_chinese_has_glyphs(driver: webdriver.Chrome, page: Path) -> None:
    """Chinese text is drawn with a font that has it: two different signs do not look the same."""
    show(driver, page, "desktop", "light")
    same = driver.execute_script(
        "const draw = c => { const k = document.createElement('canvas').getContext('2d');"
        " k.font = '32px ' + getComputedStyle(document.body).fontFamily; k.fillText(c, 4, 40);"
        " return k.getImageData(0, 0, 60, 60).data.join(); };"
        "return draw('王') === draw('明')"
    )
    assert not same, "no font with Chinese signs: apt-get install fonts-noto-cjk"
