"""Image checks (G-4 to G-13, R-60) against real registries: an open one, one behind a log-in, and one with token server."""

import base64
import http.server
import json
import os
import threading
import urllib.parse

import pytest
import requests

from fixtures import started
from gyre import EXIT_NOT_FOUND, image, stranger_key

REGISTRY = os.environ.get("GYRE_TEST_REGISTRY", "")
PRIVATE = os.environ.get("GYRE_TEST_PRIVATE_REGISTRY", "")


@pytest.fixture(scope="module")
def token_registry():
    """The open registry behind the token scheme that Docker Hub, NGC, GitHub, Quay and Hugging Face use."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            here = f"http://127.0.0.1:{self.server.server_port}"
            if self.path.startswith("/token"):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                scope, login = query["scope"][0], self.headers.get("Authorization", "")
                if "private" in scope and login != "Basic " + base64.b64encode(b"ann:pw").decode():
                    return self.say(401, {"details": "incorrect username or password"})
                return self.say(200, {"token": f"for {scope}"})
            repository = self.path.split("/v2/", 1)[1].rsplit("/", 2)[0]
            if self.headers.get("Authorization") != f"Bearer for repository:{repository}:pull":
                return self.say(401, {"errors": [{"message": "authentication required"}]}, {
                    "WWW-Authenticate": f'Bearer realm="{here}/token",service="test",scope="repository:{repository}:pull"'})
            answer = requests.get(f"http://{REGISTRY}{self.path.replace('/team/private/', '/gyre/web/')}", timeout=10,
                                  headers={"Accept": self.headers.get("Accept", "*/*")})
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def say(self, status, body, headers=()):
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def gyre(engine, token_registry, tmp_path_factory):
    yield from started(tmp_path_factory.mktemp("gyre"), engine=engine, settings={
        "GYRE_IMAGES_TRUSTED_REGISTRIES": ",".join(filter(None, [REGISTRY, PRIVATE, token_registry]))})


def checked(api, name, expect=200, **more):
    answer = api.call("POST", "/v1/images/check", json={"image": name} | more)
    assert answer.status_code == expect, answer.text
    return answer.json()


def test_an_image_of_an_open_registry_is_found_with_its_port(api):
    seen = checked(api, image("web"))
    assert seen["port"] == 8888 and seen["ports"] == ["8888/tcp"] and seen["platform"] == "linux/amd64"
    assert seen["digest"].startswith("sha256:") and seen["bytes"] > 0 and seen["command"] == ["/bin/web"]
    assert checked(api, image("hello"))["port"] is None
    # By its digest it is the same; of several platforms ours is found.
    repository = image("web").rsplit(":", 1)[0]
    assert checked(api, f"{repository}@{seen['digest']}")["digest"] == seen["digest"]
    assert checked(api, image("multi"))["platform"] == "linux/amd64"


def test_what_cannot_run_is_refused_in_words(api):
    assert checked(api, image("web")[:-1] + "none", 404)["code"] == "image_not_found"
    assert checked(api, image("no-such"), 404)["code"] == "image_not_found"
    assert checked(api, image("arm"), 409)["code"] == "image_wrong_platform"
    assert checked(api, image("arm-list"), 409)["code"] == "image_wrong_platform"
    assert checked(api, image("windows"), 409)["code"] == "image_for_windows"
    assert checked(api, "127.0.0.1:1/gyre/web:1", 503)["code"] == "registry_unreachable"
    refused = checked(api, "UPPER/case", 400)
    assert refused["code"] == "image_name_invalid" and refused["field"] == "image"
    assert checked(api, "nvcr.io/nvidia/cuda:12", 400, registry="QUAY")["code"] == "image_other_registry"


def test_a_private_image_needs_its_login(api, token_registry):
    for registry, name, user, password in (
            (PRIVATE, "gyre/private:1", *os.environ["GYRE_TEST_PRIVATE_LOGIN"].split(":", 1)),
            (token_registry, "team/private:1", "ann", "pw")):
        assert checked(api, f"{registry}/{name}", 403)["code"] == "image_access_denied"
        right = api.post("/v1/containerregistryauth", {"name": f"r-{user}", "username": user, "password": password})["id"]
        wrong = api.post("/v1/containerregistryauth", {"name": f"w-{user}", "username": user, "password": "no"})["id"]
        assert checked(api, f"{registry}/{name}", containerRegistryAuthId=right)["digest"].startswith("sha256:")
        assert checked(api, f"{registry}/{name}", 403, containerRegistryAuthId=wrong)["code"] == "image_access_denied"
        for made in (right, wrong):
            api.call("DELETE", f"/v1/containerregistryauth/{made}")
    assert checked(api, f"{token_registry}/gyre/web:1")["port"] == 8888, "a token without a login for a public one"


def test_a_login_is_its_workspaces_and_inner_addresses_are_nobodys(gyre, api):
    auth = api.post("/v1/containerregistryauth", {"name": "mine", "username": "ann", "password": "pw"})["id"]
    theirs = type(api)(api.url, stranger_key(gyre))
    assert checked(theirs, image("web"), 404, containerRegistryAuthId=auth)["code"] == "registry_auth_not_found"
    # Not one that the operator trusts, on an address inside: Gyre's own API is not to be reached this way.
    port = gyre.said["url"].rsplit(":", 1)[1]
    for name in (f"127.0.0.1:{port}", f"localhost:{port}", "169.254.169.254", "10.0.0.1"):
        assert checked(api, f"{name}/a/b:1", 503)["code"] == "registry_unreachable"
    log = gyre.logs()["server"]
    assert "/v2/a/b" not in log, "nothing was sent"


def test_the_command_line_checks_an_image(gyre):
    facts = gyre.cli("image", "check", image("hello"), "-o", "json").json()
    assert facts["digest"].startswith("sha256:") and facts["platform"] == "linux/amd64"
    assert "linux/amd64" in gyre.cli("image", "check", image("hello")).stdout
    assert "image_not_found" in gyre.cli("image", "check", image("nothing"), expect=EXIT_NOT_FOUND).stderr
