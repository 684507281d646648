"""The page in a real browser: what a person sees, by keyboard, in any script, on any screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_chromium import BROWSER, DRIVER, WITHOUT, axe_source, chromium
from running_server import running

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not (BROWSER and DRIVER), reason=WITHOUT)]


@pytest.fixture(scope="module")
def address(filled_index: Path) -> Iterator[str]:
    with running(index=filled_index, model_name="tiny") as (host, port):
        yield f"http://{host}:{port}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def wait(browser: Any, script: str) -> Any:
    """Wait until a script of the page gives something."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20).until(lambda opened: opened.execute_script(f"return {script}"))


def open_page(browser: Any, address: str, state: str = "") -> None:
    browser.get("about:blank")
    browser.get(f"{address}#{state}")
    wait(browser, "document.getElementById('served').textContent")


def shown(browser: Any) -> list[dict[str, str]]:
    """Return the hits that are shown: text, language, direction, name of the language."""
    script = """return [...document.querySelectorAll("#hits .text")].map((text) => ({text: text.textContent,
        lang: text.lang, dir: getComputedStyle(text).direction,
        name: text.parentElement.querySelector(".name").textContent}))"""
    hits: list[dict[str, str]] = browser.execute_script(script)
    return hits


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_person_types_and_sees_hits_in_their_scripts(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By

    open_page(browser, address)
    assert browser.execute_script("return document.activeElement.id") == "query"
    browser.switch_to.active_element.send_keys("Where is the station?")
    wait(browser, "document.querySelectorAll('#hits > li').length === 10")
    hits = shown(browser)
    english = {"text": "Where is the station?", "lang": "en", "dir": "ltr", "name": "English"}
    assert hits[0] == english
    assert {"text": "أين المحطة؟", "lang": "ar", "dir": "rtl", "name": "Arabic"} in hits
    assert {"text": "车站在哪里？", "lang": "zh", "dir": "ltr", "name": "Chinese"} in hits
    assert browser.find_element(By.CSS_SELECTOR, "#hits .score").text == "score 1.000"
    assert browser.execute_script("return document.querySelector('.fill').style.width") == "100%"
    assert browser.find_element(By.ID, "status").text.startswith("10 hits in ")
    assert "q=Where+is+the+station" in browser.current_url
    assert complaints(browser) == []


def test_languages_are_filtered_with_their_counts_and_kept_in_the_address(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By

    open_page(browser, address, "q=station&k=5")
    chips = browser.find_elements(By.CSS_SELECTOR, "#languages label")
    assert [chip.text.split() for chip in chips][:2] == [["Arabic", "2"], ["German", "2"]]
    chips[0].click()
    wait(browser, "document.querySelectorAll('#hits > li').length === 2")
    assert {hit["lang"] for hit in shown(browser)} == {"ar"}
    assert browser.current_url.endswith("#q=station&lang=ar&k=5")
    browser.back()
    wait(browser, "document.querySelectorAll('#hits > li').length === 5")
    browser.get(f"{address}#q=station&lang=zh&lang=ar")
    wait(browser, "document.querySelectorAll('#hits > li').length === 4")
    assert {hit["lang"] for hit in shown(browser)} == {"ar", "zh"}


def test_translations_are_grouped(browser: Any, address: str) -> None:
    open_page(browser, address, "q=Where+is+the+station%3F&group=1")
    wait(browser, "document.querySelectorAll('#hits > li').length === 2")
    assert browser.execute_script("return document.querySelectorAll('#hits > li:first-child .others > li').length") == 4


def test_languages_are_balanced(browser: Any, address: str) -> None:
    open_page(browser, address, "q=Where+is+the+station%3F&k=5&balance=1")
    wait(browser, "document.querySelectorAll('#hits > li').length === 5")
    assert {hit["lang"] for hit in shown(browser)} == {"de", "en", "ar", "zh", "hi"}


def test_hits_are_reached_and_searched_for_by_keyboard(browser: Any, address: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    open_page(browser, address, "q=house")
    wait(browser, "document.querySelectorAll('#hits > li').length === 10")
    texts = [hit["text"] for hit in shown(browser)]
    keys = ActionChains(browser)
    keys.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER).perform()
    wait(browser, "document.querySelector('#hits .score').textContent.includes('1.000')")
    assert browser.execute_script("return document.getElementById('query').value") == texts[1]
    ActionChains(browser).send_keys(Keys.ARROW_DOWN, Keys.ESCAPE).perform()
    assert browser.execute_script("return document.activeElement.id") == "query"
    browser.execute_script("document.activeElement.blur()")
    ActionChains(browser).send_keys("/").perform()
    assert browser.execute_script("return document.activeElement.id") == "query"


def test_a_query_that_was_cut_off_and_an_error_are_told(browser: Any, address: str) -> None:
    open_page(browser, address, "q=" + "station+" * 60)
    wait(browser, "!document.getElementById('cut-off').hidden")
    told = browser.execute_script("return document.getElementById('cut-off').textContent")
    assert told == "Your query is longer than the model reads: only its first 48 tokens were searched for."
    open_page(browser, address, "q=" + "x" * 40_000)
    wait(browser, "document.querySelector('#status.bad')")
    assert "40,000 characters" in browser.execute_script("return document.getElementById('status').textContent")


def test_markup_in_a_query_stays_text(browser: Any, address: str) -> None:
    open_page(browser, address, "q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")
    wait(browser, "document.querySelectorAll('#hits > li').length === 10")
    assert browser.execute_script("return document.images.length") == 0


def test_sentences_are_aligned_as_a_picture(browser: Any, address: str) -> None:
    left, right = "The+house+is+red.%0AWhere+is+the+station%3F", "Where+is+the+station%3F%0AThe+house+is+red."
    open_page(browser, address, f"view=align&left={left}&right={right}")
    wait(browser, "document.querySelectorAll('#matrix td[data-place]').length === 4")
    script = "[...document.querySelectorAll('#matrix td.best')].map((cell) => [cell.dataset.place, cell.textContent])"
    assert wait(browser, script) == [["0,1", "1.00"], ["1,0", "1.00"]]
    colors = browser.execute_script(
        "return [...document.querySelectorAll('#matrix td[data-place]')].map((cell) => cell.style.backgroundColor)"
    )
    assert (colors[1], colors[2]) == ("rgb(8, 72, 148)", "rgb(8, 72, 148)")
    browser.execute_script("document.querySelector('[data-place=\"0,1\"]').focus()")
    pair = "return [...document.querySelectorAll('#pair p')].map((line) => line.textContent)"
    assert browser.execute_script(pair) == ["The house is red.", "The house is red.", "cosine 1.000"]
    told = "2 × 2 sentences, 2 pairs of mutual nearest."
    assert browser.execute_script("return document.getElementById('align-status').textContent") == told


def test_the_page_asks_for_the_key(browser: Any, filled_index: Path) -> None:
    from selenium.webdriver.common.by import By

    with running(index=filled_index, api_key="secret") as (host, port):
        browser.get(f"http://{host}:{port}/#q=station")
        wait(browser, "!document.getElementById('key-form').hidden")
        browser.find_element(By.ID, "key").send_keys("secret\n")
        wait(browser, "document.querySelectorAll('#hits > li').length === 10")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_axe_finds_nothing_and_nothing_is_cut_off(address: str, width: int, dark: bool) -> None:
    axe = axe_source()
    with chromium(width=width, dark=dark) as opened:
        for state, ready in (
            ("", "document.getElementById('served').textContent"),
            ("q=" + "station+" * 60 + "&group=1&lang=ar&lang=de", "document.querySelector('#hits > li')"),
            ("view=align&left=a%0Ab&right=c", "document.querySelector('#matrix td[data-place]')"),
        ):
            open_page(opened, address, state)
            wait(opened, ready)
            overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert opened.execute_script(overflow) == 0
            if axe is None:
                continue
            opened.execute_script(axe)
            found = opened.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    if axe is None:
        pytest.skip("axe-core is not there: npm pack axe-core, and name its axe.min.js in MLING_EMBED_AXE")
