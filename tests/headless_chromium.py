"""A real Chromium, headless, driven by Debian's chromedriver; and axe, where npm has brought it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
AXE_VARIABLE = "MLING_EMBED_AXE"  # where axe.min.js is: npm pack axe-core
WITHOUT = "needs Chromium and its driver: apt-get install chromium chromium-driver"


def axe_source() -> str | None:
    """Return the source of axe-core, if it is there."""
    path = Path(os.environ.get(AXE_VARIABLE, "node_modules/axe-core/axe.min.js"))
    return path.read_text(encoding="utf-8") if path.is_file() else None


@contextmanager
def chromium(*, width: int = 1100, height: int = 900, dark: bool = False, scale: int = 1) -> Iterator[Any]:
    """Give a browser with a window of a certain size, as a person with a certain taste would have it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--lang=en", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.set_script_timeout(60)
        yield browser
    finally:
        browser.quit()
