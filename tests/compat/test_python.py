"""The Python package `runpod`, unmodified, against a real server with real containers. Tests are named after the rows of
the contract's checklist; every one that makes something also asks as a stranger, who must see nothing of it."""

import contextlib

import pytest

from clients import PythonClient, Refused
from gyre import eventually, image, stranger_key

ENDPOINT_KEYS = {"aiKey", "gpuIds", "id", "idleTimeout", "name", "networkVolumeId", "locations", "scalerType", "scalerValue",
                 "templateId", "type", "userId", "version", "workersMax", "workersMin", "workersStandby", "gpuCount", "env",
                 "createdAt", "networkVolume"}


@pytest.fixture(scope="module", params=["1.7.7", "1.12.0"])
def runpod(request, gyre):
    return PythonClient(request.param, gyre)


@pytest.fixture(scope="module")
def stranger(runpod, gyre):
    return PythonClient(runpod.version, gyre, key=stranger_key(gyre))


@pytest.fixture(autouse=True)
def no_pod_is_left(api):
    """Whatever a test made is gone after it."""


@contextlib.contextmanager
def refused(kind, words):
    with pytest.raises(Refused) as found:
        yield
    assert found.value.kind == kind and words in found.value.words, found.value


def test_c24_the_version_that_was_asked_for(runpod):
    assert runpod.run("answer = runpod.__version__") == runpod.version


def test_c25_a_wrong_key_shows_at_the_first_call(runpod, gyre):
    nobody = PythonClient(runpod.version, gyre, key="rpa_" + "X" * 40)
    assert nobody.run("answer = 'no request yet'") == "no request yet"
    with refused("AuthenticationError", "Unauthorized request"):
        nobody.call("get_pods")


def test_c27_c28_c29_templates_and_endpoints(runpod, stranger):
    assert runpod.call("get_endpoints") == []
    template = runpod.call("create_template", name=f"pods-{runpod.version}", image_name="runpod/base:0.1.0")
    assert template == {"id": template["id"], "name": f"pods-{runpod.version}", "imageName": "runpod/base:0.1.0", "dockerArgs": "",
                        "containerDiskInGb": 10, "volumeInGb": 0, "volumeMountPath": "/workspace", "ports": "", "env": [],
                        "isServerless": False}
    with refused("QueryError", f"pods-{runpod.version}"):
        runpod.call("create_template", name=f"pods-{runpod.version}", image_name="runpod/base:0.1.0")
    workers = runpod.call("create_template", name=f"workers-{runpod.version}", image_name="runpod/base:0.4.4", is_serverless=True)
    endpoint = runpod.call("create_endpoint", name="test", template_id=workers["id"], gpu_ids="AMPERE_16", workers_min=0,
                           workers_max=1)
    assert endpoint["name"] == "test" and endpoint["gpuIds"] == "AMPERE_16" and endpoint["workersMax"] == 1
    listed = runpod.call("get_endpoints")
    assert [one["id"] for one in listed] == [endpoint["id"]] and set(listed[0]) == ENDPOINT_KEYS
    assert stranger.call("get_endpoints") == []
    with refused("QueryError", "no template"):
        stranger.call("create_endpoint", name="theirs", template_id=workers["id"], gpu_ids="AMPERE_16")
    other = runpod.call("create_template", name=f"others-{runpod.version}", image_name="runpod/base:0.5.0", is_serverless=True)
    changed = runpod.call("update_endpoint_template", endpoint_id=endpoint["id"], template_id=other["id"])  # C52's definition
    assert changed == {"id": endpoint["id"], "templateId": other["id"]}
    assert runpod.call("get_endpoints")[0]["version"] == listed[0]["version"] + 1
    runpod.gyre.api.call("DELETE", f"/v1/endpoints/{endpoint['id']}")


def test_c30_an_endpoint_with_an_unknown_template(runpod):
    with refused("QueryError", "no template nonsense"):
        runpod.call("create_endpoint", name="test", template_id="nonsense", gpu_ids="AMPERE_16")


def test_c31_the_gpu_types(runpod):
    types = runpod.call("get_gpus")
    assert len(types) >= 30 and all(set(one) == {"id", "displayName", "memoryInGb"} for one in types)
    assert {"NVIDIA A40", "NVIDIA A100 80GB PCIe", "NVIDIA H100 80GB HBM3"} <= {one["id"] for one in types}


def test_c32_one_gpu_type(runpod):
    one = runpod.call("get_gpu", "NVIDIA A100 80GB PCIe")
    assert one["id"] == "NVIDIA A100 80GB PCIe" and one["memoryInGb"] == 80 and set(one["lowestPrice"]) == {
        "minimumBidPrice", "uninterruptablePrice"}
    assert runpod.call("get_gpu", "NVIDIA A40")["maxGpuCount"] == 0, "simulated GPUs are no stock unless the operator says so"


def test_c33_no_such_gpu_type(runpod):
    with refused("ValueError", "get_gpus()"):
        runpod.call("get_gpu", "nonsense")


def test_c48_a_pods_life(runpod, stranger, docker):
    made = runpod.call("create_pod", f"pod-{runpod.version}", image("hello"), "NVIDIA A40", container_disk_in_gb=1,
                       volume_in_gb=0, ports="8888/http,22/tcp", env={"A": "b=c"})
    assert made["imageName"] == image("hello") and "podHostId" in made["machine"]
    pod = eventually(lambda: (seen := runpod.call("get_pod", made["id"]))["runtime"] and seen, 60, what="the pod running")
    assert pod["name"] == f"pod-{runpod.version}" and pod["desiredStatus"] == "RUNNING" and pod["env"] == ["A=b=c"]
    assert pod["ports"] == "8888/http,22/tcp" and pod["machine"]["gpuDisplayName"] == "A40"
    assert {(port["privatePort"], port["type"], port["isIpPublic"]) for port in pod["runtime"]["ports"]} == {
        (8888, "http", False), (22, "tcp", True)}
    container = docker.inspect(pod["dockerId"])
    assert container["State"]["Running"] and "A=b=c" in container["Config"]["Env"]
    assert [one["id"] for one in runpod.call("get_pods")] == [made["id"]]
    assert stranger.call("get_pods") == [] and stranger.call("get_pod", made["id"]) is None
    with refused("QueryError", "no pod"):
        stranger.call("stop_pod", made["id"])
    assert runpod.call("stop_pod", made["id"]) == {"id": made["id"], "desiredStatus": "EXITED"}
    runpod.gyre.api.until(made["id"], "stopped")
    assert runpod.call("get_pod", made["id"])["runtime"] is None
    assert runpod.call("resume_pod", made["id"], 1)["desiredStatus"] == "RUNNING"
    runpod.gyre.api.until(made["id"], "running")
    assert runpod.call("terminate_pod", made["id"]) is None
    runpod.gyre.api.gone(made["id"])
    assert runpod.call("get_pods") == [] and runpod.call("get_pod", made["id"]) is None


def test_no_room_is_an_error_in_runpods_words_and_leaves_no_pod(runpod):
    with refused("QueryError", "There are no longer any instances available with the requested specifications."):
        runpod.call("create_pod", "many", image("hello"), "NVIDIA A40", gpu_count=64)
    assert runpod.call("get_pods") == []


def test_c50_the_public_key_of_the_account(runpod, stranger):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN me"
    assert runpod.call("update_user_settings", key)["pubKey"].strip() == key
    assert runpod.call("get_user")["pubKey"].strip() == key
    assert stranger.call("get_user")["pubKey"] == ""
    with refused("QueryError", "pubKey"):
        runpod.call("update_user_settings", "no key")


def test_registry_credentials_are_made_changed_and_deleted(runpod, stranger):
    made = runpod.call("create_container_registry_auth", f"mine-{runpod.version}", "user", "password")
    assert made["name"] == f"mine-{runpod.version}"
    assert runpod.call("update_container_registry_auth", made["id"], "user2", "password2") == made
    with refused("QueryError", "no registry credential"):
        stranger.call("update_container_registry_auth", made["id"], "user3", "password3")
    with refused("QueryError", "no registry credential"):
        stranger.call("delete_container_registry_auth", made["id"])
    assert runpod.call("delete_container_registry_auth", made["id"])
