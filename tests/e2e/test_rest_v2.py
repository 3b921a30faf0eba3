"""RunPod's REST v2 with a real server and real containers: its lists, its refusals, its logs, and whose they are (C125)."""

import json
import re
import threading

import pytest
import requests

from gyre import Api, eventually, image, stranger_key

LINES = 400


def body(name="hello", **more):
    return {"name": "v2", "image": image(name), "gpu": {"id": "NVIDIA A40", "count": 1, "minRamPerGpu": 0,
                                                      "minVcpuCountPerGpu": 0}, "disk": 1} | more


def until(api, pod, *statuses):
    def look():
        seen = api.get(f"/v2/pods/{pod}")
        assert "ERROR" in statuses or seen["status"] != "ERROR", seen["reason"]
        return seen if seen["status"] in statuses else None
    return eventually(look, 90, what=f"pod {pod} being {' or '.join(statuses)}")


@pytest.fixture
def pod(api):
    made = api.post("/v2/pods", body(), expect=(201,))["id"]
    yield until(api, made, "RUNNING")
    api.call("DELETE", f"/v2/pods/{made}")


def events(answer):
    """(id, data) of each event, as they come."""
    seen = {}
    for line in answer.iter_lines(chunk_size=1):
        if not line and "data" in seen:
            yield seen["id"], seen["data"]
            seen = {}
        elif line and not line.startswith(b":"):
            name, _, value = line.partition(b": ")
            seen[name.decode()] = json.loads(value) if name == b"data" else value.decode()


def follow(api, pod, enough, last=None, **query):
    """The events of a log until enough(events) says so."""
    headers = {"Last-Event-ID": last} if last else {}
    found = []
    with api.session.get(f"{api.url}/v2/pods/{pod}/logs", params=query, headers=headers, stream=True, timeout=90) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream"
        for event in events(answer):
            found.append(event)
            if enough(found):
                return found
    return found


# ---- lists and refusals ----

def test_a_list_is_wrapped_and_a_pod_says_what_may_be_done_with_it(api, pod):
    listed = api.get("/v2/pods")
    assert set(listed) == {"pods"} and pod["id"] in [one["id"] for one in listed["pods"]]
    assert pod["actions"] == ["restart", "stop", "terminate"] and pod["gpu"]["count"] == 1 and pod["mounts"] == {}
    assert pod["image"] == image("hello") and pod["disk"] == 1 and pod["runtime"]["uptime"] >= 0
    assert api.pod(pod["id"])["status"] == "running", "it is another pod over /v1"
    act = f"/v2/pods/{pod['id']}/action"
    refused = api.call("POST", act, json={"action": "start"})
    assert refused.status_code == 409 and refused.json()["code"] == "pod_transition_refused"
    assert api.post(act, {"action": "stop"})["status"] == "EXITED"
    eventually(lambda: api.get(f"/v2/pods/{pod['id']}")["actions"] == ["start", "terminate"], 60, what="the pod being stopped")
    assert api.get(f"/v2/pods/{pod['id']}")["cost"] == 0
    api.post(act, {"action": "start"})
    until(api, pod["id"], "RUNNING")
    answer = api.call("POST", act, json={"action": "terminate"})
    assert answer.status_code == 204 and not answer.content
    eventually(lambda: api.call("GET", f"/v2/pods/{pod['id']}").status_code == 404, 60, what="the pod being gone")


@pytest.mark.parametrize("method, path, more, status, detail, code", [
    ("GET", "/v2/pods", {"headers": {"Authorization": "Bearer nonsense"}}, 401, "missing bearer token", "not_logged_in"),
    ("GET", "/v2/pods/aaaaaaaaaaaaaa", {}, 404, "resource not found", "pod_not_found"),
    ("GET", "/v2/nothing", {}, 404, "resource not found", "route_not_found"),
    ("PUT", "/v2/pods", {}, 405, "The requested method is not allowed for this path.", "method_not_allowed"),
    ("PROPFIND", "/v2/pods", {}, 405, "The requested method is not allowed for this path.", "method_not_allowed"),
    ("POST", "/v2/pods", {"json": {"name": "n", "nonsense": 1}}, 422, "Request validation failed.", "unknown_field"),
    ("POST", "/v2/pods", {"data": "{", "headers": {"Content-Type": "application/json"}}, 400, None, "invalid_json"),
    ("POST", "/v2/pods", {"data": "x=1", "headers": {"Content-Type": "text/plain"}}, 415, None, "unsupported_media_type"),
    ("POST", "/v2/pods", {"data": "x" * 9_000_000}, 413, None, "body_too_large"),
    ("GET", "/v2/pods?name=%FF", {}, 400, None, "bad_request"),
    ("GET", "/v2/pods", {"headers": {"X-Large": "x" * 60_000}}, None, None, "headers_too_large"),
])
def test_a_refusal_below_v2_has_its_form(gyre, api, method, path, more, status, detail, code):
    answer = api.call(method, path, **more)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (status is None or answer.status_code == status) and problem["code"] == code, answer.text
    assert {"title", "status", "detail", "errors"} <= set(problem) and problem["status"] == answer.status_code
    assert "error" not in problem and len(problem["errors"]) == 1
    assert detail is None or problem["detail"] == detail
    assert re.fullmatch(r"[\w .\-:/,()%{}\"']+", problem["errors"][0]), problem


def test_a_refusal_is_told_in_the_readers_language(api):
    said = api.call("GET", "/v2/pods/aaaaaaaaaaaaaa", headers={"Accept-Language": "ko"}).json()
    assert re.search("[가-힣]", said["detail"]) and said["errors"] == [said["detail"]]


def test_who_asks_too_much_is_told_how_long_to_wait(fresh_gyre):
    """One key floods; its refusals have v2's form and headers."""
    url, key = fresh_gyre.said["url"], fresh_gyre.said["apiKey"]
    found, stop = [], threading.Event()

    def flood():
        with requests.Session() as session:
            for _ in range(3_000):
                if stop.is_set():
                    return
                answer = session.get(url + "/v2/catalog/datacenters", headers={"Authorization": f"Bearer {key}"}, timeout=60)
                if answer.status_code == 429:
                    found.append(answer)
                    stop.set()
    fresh_gyre.down()
    fresh_gyre.settings |= {"GYRE_LIMITS_REQUESTS_PER_SECOND": "2", "GYRE_LIMITS_REQUESTS_AT_ONCE": "5"}
    fresh_gyre.up()
    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = found[0]
    assert answer.json()["title"] == "Too Many Requests" and answer.json()["code"] == "too_many_requests"
    wait = int(answer.headers["Retry-After"])
    assert answer.headers["RateLimit"] == f'"requests";r=0;t={wait}'
    assert re.fullmatch(r'"requests";q=5;w=3', answer.headers["RateLimit-Policy"])


# ---- logs ----

def test_a_log_is_resumed_without_loss_and_without_doubling(api):
    """Both outputs, as fast as a shell writes; the reader comes back again and again with the last id it saw."""
    script = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo out $i; echo err $i >&2; done; echo the end; sleep 1000"
    made = api.post("/v2/pods", body(args=json.dumps({"entrypoint": ["sh", "-c"], "cmd": [script]})), expect=(201,))["id"]
    until(api, made, "RUNNING")
    whole = follow(api, made, lambda seen: len(seen) == 2 * LINES + 1, tail=5000)
    assert len({identity for identity, _ in whole}) == len(whole), "an id is there twice"
    assert sorted(data["line"] for _, data in whole) == sorted(
        [f"{which} {n}" for which in ("out", "err") for n in range(1, LINES + 1)] + ["the end"])
    assert all(identity.startswith(data["ts"][:10]) and data["source"] == "container" for identity, data in whole)
    # From the beginning, in pieces.
    pieces, last = [], None
    while len(pieces) < len(whole):
        more = follow(api, made, lambda seen: len(seen) == 97 or len(pieces) + len(seen) == len(whole), last=last, tail=5000)
        pieces += more
        last = more[-1][0]
    assert [data["line"] for _, data in pieces] == [data["line"] for _, data in whole]
    assert [identity for identity, _ in pieces] == [identity for identity, _ in whole]
    assert len(follow(api, made, lambda seen: len(seen) == 3, tail=3)) == 3
    since = whole[0][1]["ts"]
    assert follow(api, made, lambda seen: True, since=since)[0][1]["line"] == whole[0][1]["line"]
    api.call("DELETE", f"/v2/pods/{made}")


def test_a_log_goes_on_in_the_pods_next_life(api, pod):
    first = follow(api, pod["id"], lambda seen: any(data["line"] == "hello from gyre" for _, data in seen))
    api.post(f"/v2/pods/{pod['id']}/action", {"action": "restart"})
    until(api, pod["id"], "STARTING", "RUNNING")
    again = follow(api, pod["id"], lambda seen: any(data["line"] == "hello from gyre" for _, data in seen), last=first[-1][0])
    assert not {identity for identity, _ in first} & {identity for identity, _ in again}


def test_what_happened_to_a_pod_is_a_log_too(api, pod):
    seen = follow(api, pod["id"], lambda seen: seen[-1][1]["kind"] == "pod.running", source="system")
    assert {data["source"] for _, data in seen} == {"system"} and len(seen) >= 3
    rest = follow(api, pod["id"], lambda found: len(found) == len(seen) - 1, source="system", last=seen[0][0])
    assert rest == seen[1:]
    assert api.call("GET", f"/v2/pods/{pod['id']}/logs?source=both").status_code == 422
    assert api.call("GET", f"/v2/pods/{pod['id']}/logs", headers={"Last-Event-ID": "nonsense"}).json()["field"] == "Last-Event-ID"


# ---- the rest ----

def test_templates_volumes_registries_and_keys_are_those_of_v1(api):
    template = api.post("/v2/templates", {"name": "of v2", "image": image("hello"), "args": "sh -c 'sleep 9'", "public": False},
                        expect=(201,))
    assert api.get(f"/v1/templates/{template['id']}")["dockerStartCmd"] == ["sh", "-c", "sleep 9"]
    volume = api.post("/v2/network-volumes", {"name": "of v2", "size": 10, "dataCenter": "LOCAL"}, expect=(201,))
    assert [one["size"] for one in api.get("/v2/network-volumes")["networkVolumes"] if one["id"] == volume["id"]] == [10]
    registry = api.post("/v2/registries", {"name": "of v2", "username": "u", "password": "p"}, expect=(201,))
    assert registry in api.get("/v2/registries")["registries"]
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@example.com"
    assert api.call("PUT", "/v2/account/ssh-keys", json={"keys": [key]}).json() == {"keys": [key]}
    assert api.get("/v1/me/settings")["pubKey"] == key
    assert api.call("PUT", "/v2/account/ssh-keys", json={"keys": []}).json() == {"keys": []}
    for path in (f"/v2/templates/{template['id']}", f"/v2/network-volumes/{volume['id']}", f"/v2/registries/{registry['id']}"):
        assert api.call("DELETE", path).status_code == 204
        assert api.call("GET", path).status_code == 404
    offered = api.get("/v2/catalog/gpus/NVIDIA%20A40?include=AVAILABILITY&product=POD")
    assert offered["memory"] == 48 and offered["availability"] in ("NONE", "LOW", "MEDIUM", "HIGH")
    assert {"gpus"} == set(api.get("/v2/catalog/gpus")) and {"cpus"} == set(api.get("/v2/catalog/cpus"))


def test_an_endpoint_says_where_its_jobs_will_be_sent(gyre, api):
    made = api.post("/v2/serverless", {"name": "e", "type": "QUEUE", "image": image("hello"), "gpu": {"pools": ["AMPERE_48"]},
                                       "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}})
    base = f"{gyre.said['url']}/v2/{made['id']}"
    assert made["requestUrls"]["run"] == base + "/run" and made["requestUrls"]["health"] == base + "/health"
    assert [one["id"] for one in api.get("/v2/serverless")["endpoints"]] == [made["id"]]
    assert api.get(f"/v1/endpoints/{made['id']}")["imageName"] == image("hello")
    assert api.call("DELETE", f"/v2/serverless/{made['id']}").status_code == 204


def test_the_description_is_of_v2_alone(gyre, api):
    document = requests.get(gyre.said["url"] + "/v2/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.1") and len(document["paths"]) >= 15
    assert all(path.startswith("/v2/") for path in document["paths"]), "other paths are in it"
    assert "ProblemV2" in document["components"]["schemas"] and "Problem" not in document["components"]["schemas"]
    whole = requests.get(gyre.said["url"] + "/openapi.json", timeout=30).json()
    assert set(document["paths"]) <= set(whole["paths"])


def test_nothing_of_one_account_is_visible_to_another(gyre, api, pod):
    stranger = Api(gyre.said["url"], stranger_key(gyre))
    things = [f"/v2/pods/{pod['id']}"]
    for path, made in (("/v2/templates", {"name": "mine", "image": image("hello")}),
                       ("/v2/network-volumes", {"name": "mine", "size": 10, "dataCenter": "LOCAL"}),
                       ("/v2/registries", {"name": "mine", "username": "u", "password": "p"})):
        things.append(f"{path}/" + api.post(path, made, expect=(201,))["id"])
    for thing in things:
        for method in ("GET", "DELETE"):
            assert stranger.call(method, thing).status_code == 404, f"{method} {thing}"
        assert thing.rsplit("/", 1)[1] not in stranger.call("GET", thing.rsplit("/", 1)[0]).text
    for path in ("/logs", "/logs?source=system"):
        nowhere = "a" * len(pod["id"])
        theirs, none = (stranger.call("GET", f"/v2/pods/{one}{path}") for one in (pod["id"], nowhere))
        assert theirs.status_code == none.status_code == 404
        assert theirs.json()["errors"][0].replace(pod["id"], nowhere) == none.json()["errors"][0]
    assert stranger.call("POST", f"/v2/pods/{pod['id']}/action", json={"action": "stop"}).status_code == 404
    assert api.get(things[0])["status"] == "RUNNING"
    for thing in things[1:]:
        assert api.call("DELETE", thing).status_code == 204
