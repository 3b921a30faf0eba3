"""RunPod's MCP server from npm, unmodified, against a real server with real containers: what an assistant that has it can do.

It speaks JSON-RPC over its standard input and output, as the Model Context Protocol has it, and REST v2 to us.
"""

import json
import os
import subprocess

import pytest

from gyre import Api, eventually, image, stranger_key


class Assistant:
    """One session with the MCP server, which gets what `gyre compat` says of its version, and nothing else."""

    def __init__(self, modules, gyre, key):
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        told = gyre.compat("@runpod/mcp-server@4.0.0")["clients"][0]["environment"]
        self.process = subprocess.Popen(
            ["node", str(modules / "@runpod/mcp-server/dist/stdio.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
            env=kept | told | {"HOME": str(gyre.home), "RUNPOD_API_KEY": key})
        self.number = 0
        self.ask("initialize", protocolVersion="2024-11-05", capabilities={}, clientInfo={"name": "test", "version": "1"})
        self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def tell(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def ask(self, method, **params):
        self.number += 1
        self.tell({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.number:
                assert "result" in answer, answer
                return answer["result"]
        raise AssertionError("the MCP server has ended")

    def use(self, tool, **arguments):
        """What the tool says, as JSON where it is; LookupError when it says that something is wrong."""
        result = self.ask("tools/call", name=tool, arguments=arguments)
        text = "\n".join(part["text"] for part in result["content"])
        if result.get("isError"):
            raise LookupError(text)
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text


@pytest.fixture(scope="module")
def assistant(modules, gyre):
    key = stranger_key(gyre)
    with Assistant(modules, gyre, key) as made:
        made.api = Api(gyre.said["url"], key)
        yield made


@pytest.fixture(scope="module")
def stranger(modules, gyre):
    with Assistant(modules, gyre, stranger_key(gyre)) as made:
        yield made


def test_c129_a_pods_life(assistant, stranger):
    assert assistant.use("list-pods") == {"pods": []}
    made = assistant.use("create-pod", body={
        "name": "from an assistant", "image": image("hello"), "gpu": {"id": "NVIDIA A40", "count": 1}, "disk": 1,
        "env": {"A": "b"}, "ports": ["8888/http"]})
    pod = made["id"]
    assistant.api.until(pod, "running")
    seen = assistant.use("get-pod", id=pod)
    assert (seen["id"], seen["status"], seen["env"]["A"], seen["gpu"]["id"]) == (pod, "RUNNING", "b", "NVIDIA A40")
    assert [one["id"] for one in assistant.use("list-pods")["pods"]] == [pod]
    assert stranger.use("list-pods") == {"pods": []}
    for tool, more in (("get-pod", {}), ("pod-action", {"body": {"action": "stop"}}), ("delete-pod", {})):
        with pytest.raises(LookupError, match="404|not found"):
            stranger.use(tool, id=pod, **more)
    assistant.use("pod-action", id=pod, body={"action": "stop"})
    assistant.api.until(pod, "stopped")
    with pytest.raises(LookupError, match="409|stopped"):
        assistant.use("pod-action", id=pod, body={"action": "restart"})
    assistant.use("pod-action", id=pod, body={"action": "start"})
    assistant.api.until(pod, "running")
    assistant.use("update-pod", id=pod, body={"name": "renamed"})
    assert assistant.use("get-pod", id=pod)["name"] == "renamed"
    assistant.use("delete-pod", id=pod)
    eventually(lambda: assistant.use("list-pods") == {"pods": []}, 60, what="the pod leaving the list")


def test_c129_what_pods_are_made_from(assistant, stranger):
    template = assistant.use("create-template", body={"name": "by an assistant", "image": image("hello"), "disk": 1})["id"]
    volume = assistant.use("create-network-volume", body={"name": "v", "size": 10, "dataCenter": "LOCAL"})["id"]
    registry = assistant.use("create-registry", body={"name": "r", "username": "u", "password": "p"})["id"]
    for tool, kept, thing in (("list-templates", "templates", template), ("list-network-volumes", "networkVolumes", volume),
                              ("list-registries", "registries", registry)):
        assert thing in [one["id"] for one in assistant.use(tool)[kept]], tool
        assert thing not in [one["id"] for one in stranger.use(tool)[kept]], tool
    for tool, thing in (("delete-template", template), ("delete-network-volume", volume), ("delete-registry", registry)):
        with pytest.raises(LookupError, match="404|not found"):
            stranger.use(tool, id=thing)
        assistant.use(tool, id=thing)


def test_c129_an_endpoints_definition(assistant, stranger):
    made = assistant.use("create-endpoint", body={
        "name": "by an assistant", "type": "QUEUE", "image": image("hello"), "gpu": {"pools": ["AMPERE_48"], "count": 1},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}, "workers": {"min": 0, "max": 2}, "env": {"A": "b"}})
    endpoint = made["id"]
    assert (made["workers"]["max"], made["timeout"], made["flashboot"]) == (2, 300000, "OFF")
    assert [one["id"] for one in assistant.use("list-endpoints")["items"]] == [endpoint]
    assert stranger.use("list-endpoints")["items"] == []
    changed = assistant.use("update-endpoint", id=endpoint, body={"workers": {"max": 5}, "scaling": {
        "type": "REQUEST_COUNT", "requestCount": 2}})
    assert changed["workers"]["max"] == 5 and changed["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 2}
    fewer = assistant.use("update-endpoint", id=endpoint, body={"gpu": {"pools": ["AMPERE_48"], "excludedTypes": ["NVIDIA A40"]}})
    assert fewer["gpu"]["excludedTypes"] == ["NVIDIA A40"] and fewer["gpu"]["count"] == 1
    with pytest.raises(LookupError, match="422|pools"):
        assistant.use("update-endpoint", id=endpoint, body={"gpu": {"excludedTypes": ["NVIDIA A40"]}})
    for tool, more in (("get-endpoint", {}), ("update-endpoint", {"body": {"name": "theirs"}}), ("delete-endpoint", {})):
        with pytest.raises(LookupError, match="404|not found"):
            stranger.use(tool, id=endpoint, **more)
    assert assistant.use("get-endpoint", id=endpoint)["env"] == {"A": "b"}
    assistant.use("delete-endpoint", id=endpoint)
    assert assistant.use("list-endpoints")["items"] == []


def test_c129_what_there_is_to_run_on(assistant):
    assert "NVIDIA A40" in [gpu["id"] for gpu in assistant.use("list-gpu-types")["gpus"]]
    assert assistant.use("get-gpu-type", id="NVIDIA A40")["memory"] == 48
    assert "LOCAL" in [one["id"] for one in assistant.use("list-data-centers")["dataCenters"]]
    assert assistant.use("list-cpu-types")["cpus"]
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN me"
    assistant.use("update-ssh-keys", body={"keys": [key]})
    assert assistant.use("get-ssh-keys") == {"keys": [key]}


def test_c129_a_wrong_key_is_told(modules, gyre):
    with Assistant(modules, gyre, "rpa_" + "A" * 40) as nobody:
        with pytest.raises(LookupError, match="401"):
            nobody.use("list-pods")
