"""A real Jupyter in a pod, used in a real browser as people do."""

import secrets

from gyre import eventually, image

CREATE = """const [token, done] = arguments;
  fetch('/api/contents/work.ipynb', {method: 'PUT', headers: {Authorization: 'token ' + token}, body: JSON.stringify(
    {type: 'notebook', content: {cells: [], metadata: {kernelspec: {name: 'python3', display_name: 'Python 3', language: 'python'}},
     nbformat: 4, nbformat_minor: 4}})}).then(answer => done(answer.status), problem => done(String(problem)))"""
CONNECTED = "return !!(window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected())"
# What the keyboard would do, without the editor closing brackets by itself.
RUN = """const cell = Jupyter.notebook.insert_cell_at_bottom('code'); cell.set_text(arguments[0]); cell.execute();
  return Jupyter.notebook.get_cells().length - 1"""
OUTPUT = "return Jupyter.notebook.get_cell(arguments[0]).element.find('.output_text, .output_error').text()"
ASKED = "return Jupyter.notebook.get_cell(arguments[0]).element.find('input.raw_input').length"


class Notebook:
    """A pod with Jupyter, an empty notebook in it, and the browser on its page with a kernel connected."""

    def __init__(self, api, browser):
        self.browser = browser
        token = secrets.token_hex(16)
        pod = api.run(image("jupyter"), ports=["8888/http"], env={"JUPYTER_TOKEN": token})
        self.pod, self.url = pod["id"], pod["proxyUrls"]["8888"]
        api.until_logged(self.pod, "is running at", timeout=120)
        eventually(lambda: self.opens(f"/tree?token={token}"), 120, 1, "Jupyter's first page")
        browser.set_script_timeout(60)
        assert browser.execute_async_script(CREATE, token) == 201
        browser.get(f"{self.url}/notebooks/work.ipynb")
        eventually(lambda: browser.execute_script(CONNECTED), 120, what="a kernel, over a WebSocket")

    def opens(self, path):
        self.browser.get(self.url + path)
        return self.browser.find_elements("id", "notebook_list")

    def run(self, code):
        return self.browser.execute_script(RUN, code)

    def until(self, cell, text, timeout=120):
        return eventually(lambda: text in (said := self.browser.execute_script(OUTPUT, cell)) and said, timeout,
                          what=f"{text!r} under the cell")

    def answer(self, cell, text):
        """What the cell's input() asks for."""
        eventually(lambda: self.browser.execute_script(ASKED, cell), 60, what="the cell asking")
        self.browser.find_element("css selector", "input.raw_input").send_keys(text + "\n")

    def works(self):
        self.until(self.run("print(6 * 7, '한글')"), "42 한글")
        asking = self.run("print('said ' + input('what? ')[::-1])")
        self.answer(asking, "olleh")
        self.until(asking, "said hello")
        large = self.run("print('x' * 300_000 + 'end')")
        assert self.until(large, "end").count("x") == 300_000
        self.until(self.run("1 / 0"), "ZeroDivisionError")
        refused = [line["message"] for line in self.browser.get_log("browser") if "WebSocket connection to" in line["message"]]
        assert not refused, refused
