"""What the checklist asks with curl and in a pod's shell, word for word where it gives words."""

import json
import re
import subprocess

import pytest
import requests

from gyre import Api, eventually, image, stranger_key

# What every pod of REST v1 has (contract 8.2).
POD = {"id", "name", "machineId", "templateId", "endpointId", "networkVolumeId", "consumerUserId", "containerRegistryAuthId", "cpuFlavorId",
       "image", "imageName", "desiredStatus", "costPerHr", "adjustedCostPerHr", "gpu", "gpuCount", "vcpuCount", "memoryInGb",
       "containerDiskInGb", "volumeInGb", "volumeMountPath", "volumeEncrypted", "locked", "interruptible", "env", "ports", "publicIp",
       "portMappings", "dockerEntrypoint", "dockerStartCmd", "lastStartedAt", "lastStatusChange", "machine", "createdAt"}


def curl(gyre, method, path, body=None, key=None, *more):
    """The status and the JSON, by the real program."""
    command = ["curl", "-sS", "--max-time", "30", "-X", method, "-w", "\n%{http_code}", gyre.said["url"] + path, *more]
    key = gyre.said["apiKey"] if key is None else key
    if key:
        command += ["-H", f"Authorization: Bearer {key}"]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "-d", body if isinstance(body, str) else json.dumps(body)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(text) if text else None


@pytest.fixture(scope="module")
def stranger(gyre):
    return stranger_key(gyre)


@pytest.fixture
def api(gyre, stranger):
    yield gyre.api
    for one in (gyre.api, Api(gyre.said["url"], stranger)):
        for pod in one.get("/v1/pods?limit=1000"):
            one.call("DELETE", f"/v1/pods/{pod['id']}")
            one.gone(pod["id"])
    gyre.until_empty()


def wanted(**more):
    return {"imageName": image("hello"), "gpuTypeIds": ["NVIDIA A40"], "containerDiskInGb": 1, "volumeInGb": 0} | more


def test_c121_the_life_of_a_pod(gyre, api, stranger):
    status, pod = curl(gyre, "POST", "/v1/pods", wanted(name="mine", env={"A": "b"}, ports=["8888/http", "22/tcp"]))
    assert status == 201 and POD <= pod.keys(), POD - pod.keys()
    assert pod["image"] == pod["imageName"] == image("hello")
    assert type(pod["costPerHr"]) in (int, float) and type(pod["vcpuCount"]) is int and type(pod["ports"]) is list
    assert pod["machine"] == {} and pod["env"] == {"A": "b"}
    one = f"/v1/pods/{pod['id']}"
    for method, path, body in (("GET", one, None), ("PATCH", one, {"name": "theirs"}), ("POST", one + "/stop", None), ("DELETE", one, None)):
        assert curl(gyre, method, path, body, stranger)[0] == 404
    api.until(pod["id"], "running")
    status, seen = curl(gyre, "GET", one)
    assert (status, seen["desiredStatus"], seen["name"]) == (200, "RUNNING", "mine")
    assert curl(gyre, "GET", one + "?includeMachine=true")[1]["machine"]["gpuTypeId"] == "NVIDIA A40"
    status, seen = curl(gyre, "PATCH", one, {"name": "renamed"})
    assert (status, seen["name"]) == (200, "renamed")
    status, seen = curl(gyre, "POST", one + "/stop")
    assert (status, seen["id"], seen["desiredStatus"]) == (200, pod["id"], "EXITED"), "the answer is a pod"
    assert curl(gyre, "DELETE", one) == (204, None)
    api.gone(pod["id"])
    assert curl(gyre, "GET", one)[0] == 404


def test_c122_an_endpoint_without_a_template(gyre):
    status, problem = curl(gyre, "POST", "/v1/endpoints", {"name": "e"})
    assert status == 400 and "templateId" in problem["detail"], problem


def test_c123_pods_are_filtered(gyre, api, stranger):
    stopped, runs = (api.run(image("hello"), name=name)["id"] for name in ("a", "b"))
    api.post(f"/v1/pods/{stopped}/stop")
    api.until(stopped, "stopped")

    def found(query, key=None):
        status, pods = curl(gyre, "GET", "/v1/pods?" + query, None, key)
        assert status == 200, pods
        return {pod["id"] for pod in pods}
    assert found("desiredStatus=EXITED&gpuTypeId=NVIDIA%20L4&gpuTypeId=NVIDIA%20A40") == {stopped}
    assert found("desiredStatus=EXITED&gpuTypeId=NVIDIA%20L4") == set()
    assert found("desiredStatus=RUNNING") == {runs}
    assert found("gpuTypeId=NVIDIA%20A40") == {stopped, runs}
    assert found("name=a") == {stopped} and found("computeType=CPU") == set()
    assert found("desiredStatus=EXITED", stranger) == set()
    status, problem = curl(gyre, "GET", "/v1/pods?desiredStatus=SLEEPING")
    assert status == 400 and "desiredStatus" in problem["detail"]


def test_c126_without_a_key(gyre):
    status, answer = curl(gyre, "POST", "/graphql", {"query": "{ gpuTypes { id displayName memoryInGb } }"}, "")
    assert status == 200 and len(answer["data"]["gpuTypes"]) >= 30
    for document in ("{ myself { id } }", "mutation { podTerminate(input: {podId: \"x\"}) }"):
        status, answer = curl(gyre, "POST", "/graphql", {"query": document}, "")
        assert status == 401, answer


@pytest.mark.parametrize("document, words", [
    ("{ gpuTypes { id ", "line 1"),
    ("{\n  gpuTypes {\n    id\n    colour\n  }\n}", "colour"),
    ("{ gpuTypes(input: {id: 7}) { id } }", "non string value: 7 (line 1, column 24)"),
    ("mutation {\n podStop(input: {podId: true}) { id } }", "non string value: true (line 2, "),
    ("", ""),
])
def test_c127_what_is_wrong_with_a_document_is_told_with_its_place(gyre, document, words):
    status, answer = curl(gyre, "POST", "/graphql", {"query": document})
    assert status in (200, 400), answer
    error = answer["errors"][0]
    assert words in error["message"], error
    if document:  # clients show the message and nothing else
        assert re.search(r"\(line \d+, column \d+\)$", error["message"]), error
    assert curl(gyre, "POST", "/graphql", "{")[0] == 400
    assert curl(gyre, "POST", "/graphql", {"query": 5})[0] == 400


def test_c119_a_page_of_another_origin_asks_first(gyre):
    url = gyre.said["url"] + "/v1/pods"
    asked = requests.options(url, timeout=10, headers={
        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type"})
    assert asked.status_code in (200, 204)
    assert asked.headers["Access-Control-Allow-Origin"] in ("*", "https://elsewhere.example")
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= {name.strip().lower() for name in asked.headers["Access-Control-Allow-Headers"].split(",")}
    assert "Access-Control-Allow-Credentials" not in asked.headers, "a cookie is nobody's elsewhere"
    answer = requests.get(url, timeout=10, headers={"Origin": "https://elsewhere.example", "Authorization": f"Bearer {gyre.said['apiKey']}"})
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] in ("*", "https://elsewhere.example")


def test_c54_c59_a_pod_from_what_was_chosen(gyre, api):
    """The steps of the deploy page as requests: a type with room, a template, variables, ports, disks, a command."""
    types = requests.get(gyre.said["url"] + "/v1/catalog/gputypes", timeout=10, headers=api.session.headers).json()
    assert any(one["id"] == "NVIDIA A40" for one in types)
    status, template = curl(gyre, "POST", "/v1/templates", {
        "name": "c59", "imageName": image("hello"), "containerDiskInGb": 2, "volumeInGb": 0, "env": {"OF": "template", "BOTH": "template"},
        "ports": ["9000/http"], "dockerStartCmd": ["sh", "-c", "echo \"I am $OF and $BOTH\"; exec sleep 1000"]})
    assert status in (200, 201), template
    status, pod = curl(gyre, "POST", "/v1/pods", {"templateId": template["id"], "gpuTypeIds": ["NVIDIA A40"], "env": {"BOTH": "mine"},
                                                  "volumeInGb": 1, "volumeMountPath": "/data"})
    assert status == 201, pod
    assert (pod["containerDiskInGb"], pod["volumeInGb"], pod["volumeMountPath"], pod["ports"]) == (2, 1, "/data", ["9000/http"])
    api.until(pod["id"], "running")
    api.until_logged(pod["id"], "I am template and mine")
    assert " /data " in gyre.cli("pod", "exec", pod["id"], "--", "cat", "/proc/mounts").stdout
    api.call("DELETE", f"/v1/pods/{pod['id']}")
    api.gone(pod["id"])
    assert curl(gyre, "DELETE", f"/v1/templates/{template['id']}")[0] == 204


def test_c6_a_pod_stops_itself_with_the_key_that_it_was_given(gyre, api):
    """What `runpodctl stop pod $RUNPOD_POD_ID` does inside: RUNPOD_API_KEY in the address, and only that pod is reached."""
    mine, other = (api.run(image("hello"), dockerStartCmd=["sleep", "1000"])["id"] for _ in range(2))
    inside = gyre.cli("pod", "exec", mine, "--", "sh", "-c", "echo $RUNPOD_POD_ID $RUNPOD_API_KEY").stdout.split()
    assert inside[0] == mine

    def stop(pod):
        return requests.post(f"{gyre.said['url']}/graphql?api_key={inside[1]}", timeout=10, json={
            "query": "mutation stopPod($podId: String!) { podStop(input: {podId: $podId}) { id desiredStatus lastStatusChange } }",
            "variables": {"podId": pod}}).json()
    refused = stop(other)
    assert refused["errors"] and api.pod(other)["desiredStatus"] == "RUNNING"
    assert stop(mine)["data"]["podStop"]["desiredStatus"] == "EXITED"
    api.until(mine, "stopped")


def test_c76_a_command_that_exits_at_once_is_shown_with_its_code_and_its_last_lines(api):
    pod = api.create(image("hello"), dockerStartCmd=["sh", "-c", "echo first; echo the last words; exit 7"])["id"]
    seen = eventually(lambda: (p := api.pod(pod))["reason"] and "7" in p["reason"]["text"] and p, 60, what="the exit code in words")
    assert seen["desiredStatus"] == "RUNNING" and seen["reason"]["code"] == "container_exited", "not silently initialising"
    restarted = eventually(lambda: (c := api.pod(pod)["containers"][0])["restarts"] >= 1 and c, 60, what="a restart that is counted")
    assert restarted["exitCode"] in (7, None)
    api.until_logged(pod, "the last words")


def test_stop_after_and_terminate_after(gyre, api):
    """Both forms of GraphQL's stopAfter and terminateAfter (contract 2.3): a span, and a time."""
    def deploy(more):
        status, answer = curl(gyre, "POST", "/graphql", {"query": (
            "mutation { podFindAndDeployOnDemand(input: { imageName: \"%s\", gpuTypeId: \"NVIDIA A40\", gpuCount: 1, containerDiskInGb: 1, "
            "volumeInGb: 0, minVcpuCount: 1, minMemoryInGb: 1, %s }) { id desiredStatus } }" % (image("hello"), more))})
        assert status == 200, answer
        return answer
    stops = deploy('stopAfter: "8s"')["data"]["podFindAndDeployOnDemand"]["id"]
    ends = deploy('terminateAfter: "8s"')["data"]["podFindAndDeployOnDemand"]["id"]
    assert re.fullmatch(r"\d{4}-.*Z", api.pod(stops)["stopAt"])
    assert api.until(stops, "stopped")["reason"]["code"] == "stopped_in_time"
    api.gone(ends)
    refused = deploy('stopAfter: "2020-01-01T00:00:00Z"')
    assert refused["errors"][0]["message"].startswith("stopAfter: "), refused
    assert [pod["id"] for pod in api.get("/v1/pods")] == [stops]
