"""The terminal in a browser: a real one, headless."""

import pytest
from browsers import chromium, log_in
from gyre import eventually, image

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("chromium"))


@pytest.fixture
def page(fresh_gyre, browser):
    """A browser that is logged in, and a pod."""
    gyre, api = fresh_gyre, fresh_gyre.api
    log_in(browser, gyre)
    pod = api.run(image("web"), name="in-the-browser")["id"]
    browser.get(f"{gyre.said['url']}/pods/{pod}/terminal")
    browser.execute_script("localStorage.clear(); sessionStorage.clear(); localStorage.setItem('screen-reader', '1')")
    browser.refresh()
    yield Page(browser)


class Page:
    def __init__(self, browser):
        self.browser = browser

    def start(self):
        button = eventually(lambda: (found := self.browser.find_element(By.ID, "start")).is_displayed() and found, 10)
        assert not self.browser.find_elements(By.CSS_SELECTOR, ".xterm"), "it is off until it is asked for"
        button.click()
        self.live()

    def live(self, timeout=20):
        eventually(lambda: "Connected" in self.browser.find_element(By.ID, "status").text, timeout, what="a connection")

    def type(self, text):
        self.browser.find_element(By.CSS_SELECTOR, ".xterm textarea").send_keys(text)

    def text(self):
        """What a screen reader is given: the rows."""
        rows = self.browser.execute_script(
            "return [...document.querySelectorAll('.xterm-accessibility-tree > *')].map(e => e.textContent)")
        return "\n".join(row.rstrip() for row in rows).replace("\u00a0", " ")

    def until(self, text, timeout=15):
        return eventually(lambda: text in (seen := self.text()) and seen, timeout, what=f"{text!r} on the screen")


def test_hangul_resize_reload_and_a_killed_server(page, fresh_gyre):
    page.start()
    page.type("echo 한글$((6*7))" + Keys.ENTER)
    page.until("한글42")

    # The window's size is the terminal's.
    def size(marker):
        page.type(f"echo {marker} $(stty size)" + Keys.ENTER)
        seen = eventually(lambda: [line for line in page.text().splitlines() if line.startswith(f"{marker} ") and line[-1].isdigit()], 10,
                          what="the size")
        return [int(number) for number in seen[-1].split()[1:]]
    before = size("s1")
    page.browser.set_window_size(700, 500)
    eventually(lambda: page.browser.execute_script("return innerWidth") < 800, 5)
    eventually(lambda: (now := size("s2")) and now[0] < before[0] and now[1] < before[1], 15, 0.5, "a smaller terminal")

    # A reload resumes the same shell, with what was on the screen.
    page.type("MARK=kept; echo se$((1))en" + Keys.ENTER)
    page.until("se1en")
    page.browser.refresh()
    page.live()
    page.until("se1en")
    page.type("echo $MARK-1" + Keys.ENTER)
    page.until("kept-1")

    # So does a server that was killed.
    fresh_gyre.kill("server")
    eventually(lambda: "lost" in page.browser.find_element(By.ID, "status").text, 15, what="the loss being shown")
    fresh_gyre.up()
    page.live(timeout=30)
    page.type("echo $MARK-2" + Keys.ENTER)
    page.until("kept-2")
    page.type("exit 3" + Keys.ENTER)
    eventually(lambda: "exit code 3" in page.browser.find_element(By.ID, "status").text, 10, what="the exit code")
    errors = [line["message"] for line in page.browser.get_log("browser") if "Content Security Policy" in line["message"]]
    assert not errors, errors


def test_many_lines_are_not_pasted_unasked(page):
    page.start()
    paste = """const data = new DataTransfer(); data.setData('text/plain', arguments[0]);
      document.querySelector('.xterm textarea').dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))"""
    page.browser.execute_script(paste, "echo on$((1))e\necho tw$((2))o\n")
    dialog = eventually(lambda: (found := page.browser.find_element(By.ID, "paste")).is_displayed() and found, 5)
    assert "2" in dialog.find_element(By.ID, "paste-title").text
    dialog.find_element(By.ID, "paste-no").click()
    page.type("echo af$((3))ter" + Keys.ENTER)
    assert "on1e" not in page.until("af3ter")
    page.browser.execute_script(paste, "echo on$((1))e\necho tw$((2))o\n")
    page.browser.find_element(By.ID, "paste-yes").click()
    page.until("tw2o")


def test_both_languages(page):
    page.browser.find_element(By.ID, "language").click()
    assert page.browser.find_element(By.ID, "start").text == "터미널 시작"
    assert page.browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ko"
