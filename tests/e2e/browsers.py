"""A real browser, headless, for tests of pages."""

import shutil

import pytest

from gyre import eventually


def chromium(folder, *more_flags):
    """For a fixture: `yield from chromium(...)`."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not shutil.which("chromedriver") or not shutil.which("chromium"):
        pytest.skip("no chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                 "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                 "--window-size=1000,700", "--lang=en-US", f"--user-data-dir={folder}", *more_flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(service=webdriver.chrome.service.Service(shutil.which("chromedriver")), options=options)
    made.set_page_load_timeout(60)
    yield made
    made.quit()


def log_in(browser, gyre):
    """By the link that works once, with no password set."""
    from selenium.webdriver.common.by import By
    browser.delete_all_cookies()
    browser.get(gyre.said["console"])
    eventually(lambda: browser.find_element(By.ID, "login-form").is_displayed(), 10, what="the page to log in")
    browser.find_element(By.CSS_SELECTOR, "#login-form button").click()
    eventually(lambda: browser.find_element(By.ID, "pods").is_displayed(), 10, what="being logged in")
