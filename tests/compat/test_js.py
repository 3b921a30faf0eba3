"""RunPod's JavaScript SDK from npm, unmodified, in a page of another origin in a real browser: what it may ask and read (C119).

Jobs are not run yet, so that the answer is a refusal; a page that could not read it would only know of a network error.
"""

import functools
import http.server
import json
import pathlib
import threading

import pytest

from browsers import chromium
from gyre import eventually, stranger_key

# What a bundler would bring: the SDK asks Node's `module` for its own package.json.
SHIM = """import package_json from '/runpod-sdk/package.json' with { type: 'json' };
export const createRequire = () => () => package_json;"""
PAGE = """<!doctype html><title>elsewhere</title>
<script type="importmap">{"imports": {"runpod-sdk": "/runpod-sdk/dist/src/index.js", "xior": "/xior/dist/index.mjs",
"ramda": "/ramda/es/index.js", "tiny-lru": "/tiny-lru/dist/tiny-lru.js", "ts-deepmerge": "/ts-deepmerge/esm/index.js",
"module": "/shim.js"}}</script>
<script type="module">import makeSdk from 'runpod-sdk'; window.makeSdk = makeSdk;</script>"""


class Elsewhere(http.server.SimpleHTTPRequestHandler):
    """The page, a shim and the packages, as their owner's own site would serve them."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".js": "text/javascript",
                                                                           ".json": "application/json"}

    def do_GET(self):
        made = {"/": ("text/html", PAGE), "/shim.js": ("text/javascript", SHIM)}.get(self.path)
        if not made:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", made[0])
        self.end_headers()
        self.wfile.write(made[1].encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def elsewhere(modules):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Elsewhere, directory=pathlib.Path(modules)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def page(elsewhere, tmp_path_factory):
    for browser in chromium(tmp_path_factory.mktemp("browser")):
        browser.get(elsewhere)
        eventually(lambda: browser.execute_script("return typeof window.makeSdk") == "function", 30, what="the SDK in the page")
        yield browser


def asked(page, gyre, key, call):
    """What the page learns when it calls the SDK."""
    page.set_script_timeout(30)
    return page.execute_async_script("""
        const [base, key, call, done] = arguments;
        const endpoint = window.makeSdk(key, {baseUrl: base + '/v2'}).endpoint('4f0kx1m2a9c3de');
        const made = {run: () => endpoint.run({input: {a: 1}}), health: () => endpoint.health()}[call]();
        made.then(done, problem => done({failed: String(problem), status: problem.response && problem.response.status}));
        """, gyre.said["url"], key, call)


def test_c119_a_page_of_another_origin_asks_with_a_key_of_its_own(page, gyre):
    key = stranger_key(gyre)
    for call in ("run", "health"):
        told = asked(page, gyre, key, call)
        assert told.get("status") == 404, told
        wrong = asked(page, gyre, "rpa_" + "A" * 40, call)
        assert wrong.get("status") in (401, 404) and "Failed to fetch" not in json.dumps(wrong), wrong


def test_c119_what_a_page_reads_over_rest(page, gyre):
    """The same page without the SDK: its own fetch with the same headers."""
    read = page.execute_async_script("""
        const [base, key, done] = arguments;
        fetch(base + '/v1/pods', {headers: {Authorization: 'Bearer ' + key, 'content-type': 'application/json', 'X-Request-Id': 'mine'}})
          .then(answer => answer.json().then(pods => done([answer.status, pods])), problem => done([0, String(problem)]));
        """, gyre.said["url"], stranger_key(gyre))
    assert read == [200, []]
