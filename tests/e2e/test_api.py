"""The edges of the API: who may, what is wrong, and asking twice."""

import concurrent.futures
import hashlib
import json
import re
import secrets
import sqlite3
import time
import uuid

import pytest
import requests

from gyre import Api, image


@pytest.mark.parametrize("body, field", [
    ({"ports": ["8888/http", "99999/tcp"]}, "ports[1]"),
    ({"ports": ["8888/http", "22/tcp", "22/quic"]}, "ports[2]"),
    ({"gpuCount": -1}, "gpuCount"),
    ({"gpuCount": "two"}, "gpuCount"),
    ({"env": {"A": 1}}, "env.A"),
    ({"containers": [{"name": "x"}]}, "containers[0].imageName"),
    ({"nonsense": 1}, "nonsense"),
    ({"volumeMountPath": "relative"}, "volumeMountPath"),
    ({"restartPolicy": "sometimes"}, "restartPolicy"),
])
def test_a_wrong_field_is_named(api, body, field):
    answer = api.call("POST", "/v1/pods", json={"imageName": image("hello")} | body)
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert problem["field"] == field and field.split("[")[0] in problem["detail"]
    assert problem["requestId"] and problem["error"] and problem["message"] and problem["fix"]


@pytest.mark.parametrize("call", [
    lambda api, **more: api.call("POST", "/v1/pods", json={"imageName": image("hello"), "ports": ["x"]}, **more),
    lambda api, **more: api.call("POST", "/v1/pods", json={"imageName": image("hello"), "gpuCount": "two"}, **more),
    lambda api, **more: api.call("POST", "/v1/pods", json={"imageName": "UPPER:1"}, **more),
    lambda api, **more: api.call("POST", "/v1/pods", json={"imageName": "a:1", "env": {"1A": "x"}}, **more),
    lambda api, **more: api.call("POST", "/v1/pods", json={"imageName": "a:1", "dockerArgs": "'open"}, **more),
    lambda api, **more: api.call("POST", "/v1/pods", data="{", **more),
    lambda api, **more: api.call("GET", "/v1/pods?limit=0", **more),
    lambda api, **more: api.call("GET", "/v1/pods?sort=size", **more),
    lambda api, **more: api.call("GET", "/v1/pods?name=%FF", **more),
], ids=["ports", "integer", "image", "variable", "quote", "json", "page", "sort", "query"])
def test_a_korean_reader_meets_no_english_words(api, call):
    said = {language: call(api, headers={"Accept-Language": language}).json() for language in ("ko", "en")}
    assert said["ko"]["code"] == said["en"]["code"]
    assert said["en"]["args"]["detail"] not in json.dumps(said["ko"], ensure_ascii=False)
    assert re.search("[가-힣]", said["ko"]["args"]["detail"]), said["ko"]
    assert not [name for name in said["ko"]["args"] if ":" in name]


def test_what_is_not_json_is_said_to_be_so(api):
    answer = api.call("POST", "/v1/pods", data="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_json"


def test_problems_are_worded_in_the_callers_language(api):
    words = {}
    for language in ("ko-KR,ko;q=0.9", "en"):
        words[language] = api.call("GET", "/v1/pods/nosuchpod00000", headers={"Accept-Language": language}).json()
    assert words["ko-KR,ko;q=0.9"]["code"] == words["en"]["code"] == "pod_not_found"
    assert "파드" in words["ko-KR,ko;q=0.9"]["detail"] and "파드" not in words["en"]["detail"]


@pytest.mark.parametrize("send", [
    lambda key: {"headers": {"Authorization": f"Bearer {key}"}},
    lambda key: {"headers": {"Authorization": key}},
    lambda key: {"params": {"api_key": key}},
], ids=["bearer", "raw", "query"])
def test_a_key_may_come_in_three_ways(gyre, send):
    url = gyre.said["url"] + "/v1/pods"
    assert requests.get(url, timeout=10, **send(gyre.said["apiKey"])).status_code == 200
    assert requests.get(url, timeout=10, **send("rpa_WRONG")).status_code == 401
    assert requests.get(url, timeout=10).status_code == 401


def test_a_key_in_the_address_is_not_in_the_log(gyre):
    requests.get(gyre.said["url"] + "/v1/pods", params={"api_key": gyre.said["apiKey"]}, timeout=10)
    log = (gyre.data / "server.log").read_text()
    assert gyre.said["apiKey"] not in log


def test_a_read_only_key_reads_and_does_not_write(gyre, api):
    pod = api.create(image("hello"))["id"]
    made = api.post("/v1/apikeys", {"name": "reader", "scope": "READ"})
    secret = made.get("key") or made.get("secret")
    assert secret.startswith("rpa_")
    reader = Api(gyre.said["url"], secret)
    assert reader.pod(pod)["id"] == pod
    for method, path in (("POST", "/v1/pods"), ("DELETE", f"/v1/pods/{pod}"), ("POST", f"/v1/pods/{pod}/stop")):
        refused = reader.call(method, path, json={"imageName": image("hello")})
        assert refused.status_code == 403, f"{method} {path}: {refused.text}"
    assert api.call("PATCH", f"/v1/apikeys/{made['id']}", json={"enabled": False}).status_code == 200
    assert reader.call("GET", "/v1/pods").status_code == 401
    assert secret not in api.call("GET", "/v1/apikeys").text


@pytest.fixture
def stranger(gyre):
    """A key of another workspace. This version has no way to invite anybody, so the rows are written by hand."""
    secret = "rpa_" + secrets.token_hex(20).upper()
    name = "x" + secrets.token_hex(6)
    now = int(time.time() * 1000)
    with sqlite3.connect(gyre.data / "gyre.db", timeout=20) as db:
        db.execute("INSERT INTO accounts (id, name, is_operator, status, created_at) VALUES (?, 'stranger', 0, 'active', ?)", (name, now))
        db.execute("INSERT INTO workspaces (id, kind, name, created_at) VALUES (?, 'personal', 'elsewhere', ?)", (name, now))
        db.execute("INSERT INTO memberships (workspace, account, role, created_at) VALUES (?, ?, 'admin', ?)", (name, name, now))
        db.execute("INSERT INTO api_keys (id, workspace, account, name, digest, last_characters, scope, enabled, created_at)"
                   " VALUES (?, ?, ?, 'k', ?, ?, 'read_write', 1, ?)",
                   (name, name, name, hashlib.sha256(secret.encode()).hexdigest(), secret[-4:], now))
    return Api(gyre.said["url"], secret)


def test_another_workspace_sees_nothing_and_cannot_tell_that_it_exists(api, stranger, gyre):
    pod = api.run(image("hello"))["id"]
    assert stranger.get("/v1/pods") == []
    nowhere = stranger.call("GET", "/v1/pods/nosuchpod00000")
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/stop"), ("POST", "/restart"), ("GET", "/logs"), ("GET", "/events")):
        answer = stranger.call(method, f"/v1/pods/{pod}{path}", json=None if method == "GET" else {})
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        assert answer.json()["code"] == nowhere.json()["code"]
    assert api.pod(pod)["status"] == "running"
    # Hosts belong to the operator.
    assert stranger.call("GET", "/v1/hosts").status_code in (200, 403)
    assert stranger.call("GET", f"/v1/hosts/{gyre.said['hostId']}").status_code in (403, 404)
    assert stranger.call("POST", "/v1/hosts/tokens", json={}).status_code == 403


def test_a_repeated_request_with_one_key_makes_one_pod(api):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"imageName": image("hello"), "name": "once", "gpuCount": 1, "gpuTypeIds": ["NVIDIA A40"]}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.post(f"{api.url}/v1/pods", json=body, timeout=30,
                                                        headers=key | {"Authorization": f"Bearer {api.key}"}), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.get("/v1/pods?name=once")) == 1
    other = api.call("POST", "/v1/pods", json=body | {"name": "another"}, headers=key)
    assert other.status_code == 409 and other.json()["code"] == "idempotency_key_reused"


def test_an_update_with_an_old_etag_is_refused(api):
    pod = api.create(image("hello"), gpuTypeIds=["NVIDIA H100 80GB HBM3"])["id"]  # queued: nothing else changes it
    tag = api.call("GET", f"/v1/pods/{pod}").headers["ETag"]
    assert api.call("PATCH", f"/v1/pods/{pod}", json={"name": "new"}, headers={"If-Match": tag}).status_code == 200
    stale = api.call("PATCH", f"/v1/pods/{pod}", json={"name": "newer"}, headers={"If-Match": tag})
    assert stale.status_code == 412 and api.pod(pod)["name"] == "new"


def test_lists_come_in_pages(api):
    made = {api.create(image("hello"), name=f"p{n}", gpuTypeIds=["NVIDIA H100 80GB HBM3"])["id"] for n in range(5)}
    seen, target = [], "/v1/pods?limit=2"
    while target:
        answer = api.call("GET", target)
        assert answer.status_code == 200 and len(answer.json()) <= 2
        seen += [pod["id"] for pod in answer.json()]
        following = answer.links.get("next", {}).get("url")
        target = following and following.removeprefix(api.url)
    assert sorted(seen) == sorted(made) and len(set(seen)) == 5
    wrong = api.call("GET", "/v1/pods?cursor=nonsense")
    assert wrong.status_code == 400 and wrong.json()["code"] == "bad_cursor"


def test_filters_and_sorting(api):
    for name in ("나", "b", "a"):
        api.create(image("hello"), name=name, gpuTypeIds=["NVIDIA H100 80GB HBM3"])
    assert [pod["name"] for pod in api.get("/v1/pods?sort=name")][:2] == ["a", "b"]
    assert [pod["name"] for pod in api.get("/v1/pods?name=나")] == ["나"]
    assert len(api.get("/v1/pods?status=queued")) == 3 and api.get("/v1/pods?status=running") == []
    assert len(api.get("/v1/pods?desiredStatus=RUNNING")) == 3


def test_system_routes_answer_without_a_key(gyre):
    url = gyre.said["url"]
    assert requests.get(url + "/healthz", timeout=10).status_code == 200
    assert requests.get(url + "/readyz", timeout=10).status_code == 200
    metrics = requests.get(url + "/metrics", timeout=10)
    assert metrics.status_code == 200 and "gyre_" in metrics.text
    for line in ('gyre_pods{state="running"} ', 'gyre_pods{state="queued"} ', 'gyre_hosts{online="true",state="listed"} 1',
                 'gyre_placement_queue{pool="NVIDIA A40"} ', 'gyre_placement_queue{pool="CPU"} ',
                 'gyre_placement_seconds_count '):
        assert "\n" + line in metrics.text, metrics.text
    document = requests.get(url + "/openapi.json", timeout=10).json()
    assert document["openapi"].startswith("3.1")
    for path in ("/v1/pods", "/v1/pods/{id}", "/v1/hosts", "/v1/events", "/v1/auth/one-time", "/v1/apikeys"):
        assert path in document["paths"]


def test_what_is_nowhere_is_404_and_a_wrong_method_405(api):
    assert api.call("GET", "/v1/nothing").json()["code"] == "route_not_found"
    answer = api.call("PUT", "/v1/pods")
    assert answer.status_code == 405 and "POST" in answer.headers["Allow"]


def test_a_body_over_the_limit_is_413(api):
    answer = api.call("POST", "/v1/pods", data=b"x" * (8 << 20), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_the_one_time_log_in_works_once_and_for_browsers_only_with_the_csrf_header(fresh_gyre):
    said = fresh_gyre.said
    token = said["console"].split("token=")[1]
    browser = requests.Session()
    ours = {"X-Gyre-CSRF": "1"}
    entered = browser.post(said["url"] + "/v1/auth/one-time", json={"token": token}, headers=ours, timeout=10)
    assert entered.status_code in (200, 204), entered.text
    assert browser.get(said["url"] + "/v1/me", timeout=10).status_code == 200
    again = requests.post(said["url"] + "/v1/auth/one-time", json={"token": token}, headers=ours, timeout=10)
    assert again.status_code == 401
    foreign = browser.post(said["url"] + "/v1/pods", json={}, headers={"Origin": "https://evil.example"}, timeout=10)
    assert foreign.status_code == 403
    assert browser.post(said["url"] + "/v1/auth/logout", headers=ours, timeout=10).status_code in (200, 204)
    assert browser.get(said["url"] + "/v1/me", timeout=10).status_code == 401


def test_the_landing_page_speaks_for_itself(gyre):
    for path in ("/", "/login?token=x"):
        page = requests.get(gyre.said["url"] + path, timeout=10)
        assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    for asset, kind in (("page.js", "text/javascript"), ("pods.js", "text/javascript"), ("pages.css", "text/css"), ("logo.svg", "image/svg+xml")):
        answer = requests.get(f"{gyre.said['url']}/assets/{asset}", timeout=10)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith(kind)
