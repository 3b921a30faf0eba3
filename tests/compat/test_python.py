"""The Python package `runpod`, unmodified, against a real server with real containers. Tests are named after the rows of
the contract's checklist. Each version has an account of its own, and every test that makes something also asks with
another account, which must see nothing of it."""

import contextlib
import json
import os
import subprocess

import pytest

from clients import PythonClient, Refused
from gyre import Api, eventually, image, stranger_key
from pypi import KEPT

PIP = "PyPI cannot be reached"
OLD, MIDDLE, NEW = "1.6.1", "1.7.7", "1.12.0"
ENDPOINT_KEYS = {"aiKey", "gpuIds", "id", "idleTimeout", "name", "networkVolumeId", "locations", "scalerType", "scalerValue",
                 "templateId", "type", "userId", "version", "workersMax", "workersMin", "workersStandby", "gpuCount", "env",
                 "createdAt", "networkVolume"}
POD_KEYS = {"id", "containerDiskInGb", "costPerHr", "desiredStatus", "dockerArgs", "dockerId", "env", "gpuCount", "imageName",
            "lastStatusChange", "machineId", "memoryInGb", "name", "podType", "port", "ports", "uptimeSeconds", "vcpuCount",
            "volumeInGb", "volumeMountPath", "runtime", "machine"}
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN me"

# How the guide's programs begin.
BEGIN = """
import json
import os
import runpod

runpod.api_key = os.getenv("RUNPOD_API_KEY")
"""


@pytest.fixture(scope="module", params=[OLD, MIDDLE, NEW])
def runpod(request, gyre):
    with PythonClient(request.param, gyre, key=stranger_key(gyre)) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(runpod, gyre):
    with PythonClient(runpod.version, gyre, key=stranger_key(gyre)) as client:
        yield client


@pytest.fixture
def api(runpod):
    """The same account over REST. What a test made there is gone after it."""
    api = Api(runpod.gyre.said["url"], runpod.key)
    yield api
    pods = [pod["id"] for pod in api.get("/v1/pods")]
    for pod in pods:
        api.call("DELETE", f"/v1/pods/{pod}")
    for pod in pods:
        api.gone(pod)
    for kind in ("endpoints", "templates", "containerregistryauth", "networkvolumes"):
        for one in api.get(f"/v1/{kind}"):
            assert api.call("DELETE", f"/v1/{kind}/{one['id']}").status_code == 204


@pytest.fixture(autouse=True)
def nothing_is_held(gyre):
    """What the test before has deleted has its GPUs and vCPUs until its containers are gone."""
    gyre.until_empty()


@contextlib.contextmanager
def refused(kind, words):
    with pytest.raises(Refused) as found:
        yield
    assert found.value.kind == kind and words in found.value.words, found.value


def requests_seen(gyre):
    return gyre.logs()["server"].count('"message":"request"')


def running(client, pod):
    return eventually(lambda: (seen := client.call("get_pod", pod))["runtime"] and seen, 60, what="the pod running")


def test_c23_c24_installed_as_the_guide_says(gyre, tmp_path):
    """Typed as it stands there; a constraint in the environment pins what today's install gives."""
    (tmp_path / "pinned.txt").write_text(f"runpod=={NEW}\n")
    typed = """python3 -m venv env
source env/bin/activate
python -m pip install runpod
pip show runpod
"""
    done = subprocess.run(["bash", "-e", "-c", typed], cwd=tmp_path, capture_output=True, text=True, timeout=900, env={
        **os.environ, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_CONSTRAINT": str(tmp_path / "pinned.txt"),
        "PIP_CACHE_DIR": str(KEPT / "pip"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    if done.returncode != 0 and "No matching distribution" in done.stderr + done.stdout:
        pytest.skip(f"{PIP}: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert "Name: runpod\n" in done.stdout and f"Version: {NEW}\n" in done.stdout


def test_c24_the_version_that_was_asked_for(runpod):
    assert runpod.run("answer = runpod.__version__") == runpod.version


def test_c25_a_wrong_key_shows_at_the_first_call(runpod, gyre):
    before = requests_seen(gyre)
    with PythonClient(runpod.version, gyre, key="rpa_" + "X" * 40) as nobody:
        nobody.type(BEGIN)
        assert requests_seen(gyre) == before, "no request yet"
        with refused("AuthenticationError", "Unauthorized request"):
            nobody.call("get_pods")
    assert requests_seen(gyre) == before + 1


def test_c26_the_endpoints_printed(runpod, stranger, api):
    typed = BEGIN + "print(json.dumps(runpod.get_endpoints(), indent=2))\n"
    assert json.loads(runpod.type(typed)) == []
    template = runpod.call("create_template", name="test", image_name="runpod/base:0.4.4", is_serverless=True)
    endpoint = runpod.call("create_endpoint", name="test", template_id=template["id"], gpu_ids="AMPERE_16", workers_min=0,
                           workers_max=1)
    listed = json.loads(runpod.type(typed))
    assert [one["id"] for one in listed] == [endpoint["id"]] and set(listed[0]) == ENDPOINT_KEYS
    assert listed[0]["templateId"] == template["id"] and listed[0]["workersMax"] == 1
    assert json.loads(stranger.type(typed)) == []


def test_c27_a_template_for_pods(runpod, stranger, api):
    template = runpod.run('answer = runpod.create_template(name="test", image_name="runpod/base:0.1.0")')
    assert template == {"id": template["id"], "name": "test", "imageName": "runpod/base:0.1.0", "dockerArgs": "",
                        "containerDiskInGb": 10, "volumeInGb": 0, "volumeMountPath": "/workspace", "ports": "", "env": [],
                        "isServerless": False}
    theirs = Api(runpod.gyre.said["url"], stranger.key)
    assert theirs.get("/v1/templates") == [] and theirs.call("GET", f"/v1/templates/{template['id']}").status_code == 404


def test_c28_the_same_template_twice(runpod, stranger, api):
    typed = BEGIN + """
try:
    new_template = runpod.create_template(name="test", image_name="runpod/base:0.1.0")
    print("made")
except runpod.error.QueryError as err:
    print(err)
    print(err.query)
"""
    assert runpod.type(typed) == "made\n"
    again = runpod.type(typed)
    assert "test" in again.splitlines()[0] and "saveTemplate" in again
    assert stranger.type(typed) == "made\n", "names are an account's own"
    theirs = Api(runpod.gyre.said["url"], stranger.key)
    for one in theirs.get("/v1/templates"):
        theirs.call("DELETE", f"/v1/templates/{one['id']}")


def test_c29_an_endpoint_with_its_template(runpod, stranger, api):
    runpod.run('answer = runpod.create_template(name="test", image_name="runpod/base:0.1.0")')  # C27 was run before
    typed = BEGIN + """
try:
    new_template = runpod.create_template(
        name="test", image_name="runpod/base:0.4.4", is_serverless=True
    )
    print(json.dumps(new_template))

    new_endpoint = runpod.create_endpoint(
        name="test",
        template_id=new_template["id"],
        gpu_ids="AMPERE_16",
        workers_min=0,
        workers_max=1,
    )
    print(json.dumps(new_endpoint))
except runpod.error.QueryError as err:
    print(err)
    print(err.query)
"""
    template, endpoint = map(json.loads, runpod.type(typed).splitlines())
    assert template["isServerless"] is True and template["name"] == "test"
    assert endpoint["name"] == "test" and endpoint["gpuIds"] == "AMPERE_16" and endpoint["workersMax"] == 1
    assert [one["id"] for one in runpod.call("get_endpoints")] == [endpoint["id"]]
    assert stranger.call("get_endpoints") == []
    with refused("QueryError", "no template"):
        stranger.call("create_endpoint", name="theirs", template_id=template["id"], gpu_ids="AMPERE_16")


def test_c30_an_endpoint_with_an_unknown_template(runpod, api):
    with refused("QueryError", "no template nonsense"):
        runpod.call("create_endpoint", name="test", template_id="nonsense", gpu_ids="AMPERE_16")


def test_c31_the_gpu_types(runpod):
    types = json.loads(runpod.type(BEGIN + "gpus = runpod.get_gpus()\nprint(json.dumps(gpus, indent=2))\n"))
    assert len(types) >= 30 and all(set(one) == {"id", "displayName", "memoryInGb"} for one in types)
    assert {"NVIDIA A40", "NVIDIA A100 80GB PCIe", "NVIDIA H100 80GB HBM3", "AMD Instinct MI300X OAM", "NVIDIA RTX A2000",
            "Tesla V100-SXM2-32GB", "NVIDIA GeForce RTX 4090"} <= {one["id"] for one in types}


def test_c32_one_gpu_type(runpod):
    typed = BEGIN + 'gpus = runpod.get_gpu("NVIDIA A100 80GB PCIe")\nprint(json.dumps(gpus, indent=2))\n'
    one = json.loads(runpod.type(typed))
    assert one["id"] == "NVIDIA A100 80GB PCIe" and one["memoryInGb"] == 80
    assert set(one) == {"maxGpuCount", "id", "displayName", "manufacturer", "memoryInGb", "cudaCores", "secureCloud",
                        "communityCloud", "securePrice", "communityPrice", "oneMonthPrice", "threeMonthPrice", "oneWeekPrice",
                        "communitySpotPrice", "secureSpotPrice", "lowestPrice"}
    assert set(one["lowestPrice"]) == {"minimumBidPrice", "uninterruptablePrice"}
    assert runpod.call("get_gpu", "NVIDIA A40")["maxGpuCount"] == 0, "simulated GPUs are no stock unless the operator says so"


def test_c33_no_such_gpu_type(runpod):
    with refused("ValueError", "get_gpus()"):
        runpod.call("get_gpu", "nonsense")


def test_c34_an_endpoint_object_asks_nothing(runpod, gyre):
    before = requests_seen(gyre)
    assert runpod.type(BEGIN + 'endpoint = runpod.Endpoint("YOUR_ENDPOINT_ID")\nprint(endpoint.endpoint_id)\n') == "YOUR_ENDPOINT_ID\n"
    assert requests_seen(gyre) == before


def test_c48_a_pods_life(runpod, stranger, api, docker):
    made = runpod.call("create_pod", "mine", image("hello"), "NVIDIA A40", container_disk_in_gb=1, volume_in_gb=0,
                       ports="8888/http,22/tcp", env={"A": "b=c"})
    assert made["imageName"] == image("hello") and "podHostId" in made["machine"]
    pod = running(runpod, made["id"])
    assert set(pod) == POD_KEYS and pod["name"] == "mine" and pod["desiredStatus"] == "RUNNING" and pod["env"] == ["A=b=c"]
    assert pod["ports"] == "8888/http,22/tcp" and pod["machine"]["gpuDisplayName"] == "A40"
    assert {(port["privatePort"], port["type"], port["isIpPublic"]) for port in pod["runtime"]["ports"]} == {
        (8888, "http", False), (22, "tcp", True)}
    container = docker.inspect(pod["dockerId"])
    assert container["State"]["Running"] and "A=b=c" in container["Config"]["Env"]
    assert [one["id"] for one in runpod.call("get_pods")] == [made["id"]]
    assert stranger.call("get_pods") == []
    assert runpod.call("stop_pod", made["id"]) == {"id": made["id"], "desiredStatus": "EXITED"}
    assert runpod.call("stop_pod", made["id"])["desiredStatus"] == "EXITED", "a stopped pod may be stopped"
    api.until(made["id"], "stopped")
    assert runpod.call("get_pod", made["id"])["runtime"] is None
    assert runpod.call("resume_pod", made["id"], 1)["desiredStatus"] == "RUNNING"
    api.until(made["id"], "running")
    assert runpod.call("terminate_pod", made["id"]) is None
    api.gone(made["id"])
    assert runpod.call("get_pods") == [] and runpod.call("get_pod", made["id"]) is None


RENT = """
mutation {
  podRentInterruptable(
    input: {
      bidPerGpu: %s
      cloudType: ALL
      gpuCount: 4
      volumeInGb: 1
      containerDiskInGb: 1
      minVcpuCount: 1
      minMemoryInGb: 1
      gpuTypeId: "NVIDIA A40"
      name: "RunPod Pytorch"
      imageName: "%s"
      dockerArgs: ""
      ports: "8888/http"
      volumeMountPath: "/workspace"
      env: [{ key: "JUPYTER_PASSWORD", value: "rns1hunbsstltcpad22d" }]
    }
  ) {
    id
    imageName
    env
    machineId
    machine {
      podHostId
    }
  }
}
"""


def ask(client, document):
    """What the package's own way to raw GraphQL answers; no function of it knows spot pods."""
    return client.run("from runpod.api.graphql import run_graphql_query\n"
                      f"answer = run_graphql_query({document!r})['data']")


def test_c73_a_spot_pod_displaced_by_an_on_demand_one_and_resumed_with_a_bid(runpod, stranger, api, docker):
    made = ask(runpod, RENT % ("0.2", image("stubborn")))["podRentInterruptable"]
    assert made["imageName"] == image("stubborn") and made["env"] == ["JUPYTER_PASSWORD=rns1hunbsstltcpad22d"]
    spot = made["id"]
    eventually(lambda: runpod.call("get_pod", spot)["runtime"], 60, what="the spot pod running")
    seen = runpod.call("get_pod", spot)
    assert seen["podType"] == "INTERRUPTABLE" and seen["costPerHr"] == 0.8 and seen["desiredStatus"] == "RUNNING"
    with refused("QueryError", "There are no instances available with the request specifications. Please try again later."):
        ask(runpod, RENT % ("0.2", image("hello")))  # who bids the same has no precedence
    with refused("QueryError", "no pod"):
        ask(stranger, 'mutation { podBidResume(input: {podId: "%s", bidPerGpu: 9}) { id } }' % spot)

    taker = runpod.call("create_pod", "mine", image("hello"), "NVIDIA A40", container_disk_in_gb=1, volume_in_gb=0)["id"]
    assert runpod.call("get_pod", spot)["desiredStatus"] == "EXITED"
    eventually(lambda: runpod.call("get_pod", taker)["runtime"], 60, what="the pod on demand running")
    api.until(spot, "stopped")
    gone = runpod.call("get_pod", spot)
    assert gone["desiredStatus"] == "EXITED" and gone["runtime"] is None
    assert "an on-demand pod needed its GPUs" in gone["lastStatusChange"]
    assert docker.volumes(f"gyre.pod={spot}"), "its volume stays"

    with refused("QueryError", "Cannot resume a spot pod as an on demand pod."):
        runpod.call("resume_pod", spot, 4)
    bid = ('mutation Mutation { podBidResume(input: {podId: "%s", bidPerGpu: 0.25}) '
           "{ id costPerHr desiredStatus lastStatusChange } }" % spot)
    with refused("QueryError", "There are not enough free GPUs on the host machine to start this pod."):
        ask(runpod, bid)
    runpod.call("terminate_pod", taker)
    runpod.gyre.until_free(4)
    resumed = ask(runpod, bid)["podBidResume"]
    assert resumed["desiredStatus"] == "RUNNING" and resumed["costPerHr"] == 1
    api.until(spot, "running")


def test_c48_no_room_is_an_error_in_runpods_words_and_leaves_no_pod(runpod, api):
    with refused("QueryError", "There are no longer any instances available with the requested specifications."):
        runpod.call("create_pod", "many", image("hello"), "NVIDIA A40", gpu_count=64)
    assert runpod.call("get_pods") == []


def test_c49_a_network_volume_brings_the_pod_to_its_data_centre(runpod, stranger, api):
    volume = api.post("/v1/networkvolumes", {"name": "data", "size": 1, "dataCenterId": "LOCAL"})["id"]
    assert runpod.call("get_user")["networkVolumes"] == [{"id": volume, "name": "data", "size": 1, "dataCenterId": "LOCAL"}]
    made = runpod.call("create_pod", "there", image("hello"), "NVIDIA A40", network_volume_id=volume, container_disk_in_gb=1,
                       volume_mount_path="/workspace")
    running(runpod, made["id"])
    pod = api.get(f"/v1/pods/{made['id']}?includeMachine=true&includeNetworkVolume=true")
    assert pod["networkVolumeId"] == volume and pod["machine"]["dataCenterId"] == "LOCAL"
    told = runpod.gyre.cli("pod", "exec", made["id"], "--server", api.url, "--api-key", api.key, "--", "sh", "-c",
                           "echo kept > /workspace/file && cat /workspace/file")
    assert told.stdout == "kept\n"
    assert stranger.call("get_user")["networkVolumes"] == []
    with refused("QueryError", "no network volume"):
        stranger.run(f"""
from runpod.api.graphql import run_graphql_query
run_graphql_query('mutation {{ podFindAndDeployOnDemand(input: {{ name: "x", imageName: "x:1", gpuTypeId: "NVIDIA A40", '
                  'networkVolumeId: "{volume}" }}) {{ id }} }}')""")


def test_c50_the_public_key_of_the_account_is_in_new_pods(runpod, stranger, api, docker):
    assert runpod.call("update_user_settings", SSH_KEY)["pubKey"].strip() == SSH_KEY
    assert runpod.call("get_user")["pubKey"].strip() == SSH_KEY
    assert stranger.call("get_user")["pubKey"] == ""
    with refused("QueryError", "pubKey"):
        runpod.call("update_user_settings", "no key")
    for client, has in ((runpod, True), (stranger, False)):
        made = client.call("create_pod", "keyed", image("hello"), "NVIDIA A40", container_disk_in_gb=1)
        environment = docker.inspect(running(client, made["id"])["dockerId"])["Config"]["Env"]
        assert (f"PUBLIC_KEY={SSH_KEY}" in environment) == has, environment
        client.call("terminate_pod", made["id"])


def test_c51_a_private_image_with_a_stored_credential(runpod, stranger, api):
    user, password = os.environ["GYRE_TEST_PRIVATE_LOGIN"].split(":", 1)
    private = os.environ["GYRE_TEST_PRIVATE_REGISTRY"] + "/gyre/private:1"
    made = runpod.call("create_container_registry_auth", "mine", user, password if runpod.version == OLD else "wrong")
    assert made == {"id": made["id"], "name": "mine"}
    if runpod.version != OLD:  # which can make them and nothing more
        assert runpod.call("update_container_registry_auth", made["id"], user, password) == made
        for function, more in (("update_container_registry_auth", (user, password)), ("delete_container_registry_auth", ())):
            with refused("QueryError", "no registry credential"):
                stranger.call(function, made["id"], *more)
    template = runpod.call("create_template", name="private", image_name=private, registry_auth_id=made["id"],
                           container_disk_in_gb=1)
    with refused("QueryError", "no registry credential"):
        stranger.call("create_template", name="private", image_name=private, registry_auth_id=made["id"])
    pod = runpod.call("create_pod", "private", private, "NVIDIA A40", template_id=template["id"])
    assert running(runpod, pod["id"])["imageName"] == private
    runpod.call("terminate_pod", pod["id"])
    api.gone(pod["id"])
    api.call("DELETE", f"/v1/templates/{template['id']}")
    if runpod.version != OLD:
        assert runpod.call("delete_container_registry_auth", made["id"])
        assert api.get("/v1/containerregistryauth") == []


def test_c52_the_definition_of_another_template(runpod, stranger, api):
    first = runpod.call("create_template", name="first", image_name="runpod/base:0.4.4", is_serverless=True)
    second = runpod.call("create_template", name="second", image_name="runpod/base:0.5.0", is_serverless=True)
    endpoint = runpod.call("create_endpoint", name="test", template_id=first["id"], gpu_ids="AMPERE_16")
    version = runpod.call("get_endpoints")[0]["version"]
    changed = runpod.call("update_endpoint_template", endpoint_id=endpoint["id"], template_id=second["id"])
    assert changed == {"id": endpoint["id"], "templateId": second["id"]}
    assert runpod.call("get_endpoints")[0]["version"] == version + 1
    with refused("QueryError", "no endpoint"):
        stranger.call("update_endpoint_template", endpoint_id=endpoint["id"], template_id=first["id"])


@pytest.fixture
def keys(gyre):
    """Makes keys of the administrator's workspace, which the command line of that Gyre may manage."""
    made = []

    def make(*options):
        name = f"compat-{len(made)}"
        key = gyre.cli("key", "create", name, *options, "-o", "json").json()
        made.append(key["id"])
        return name, key["key"]
    yield make
    for one in made:
        gyre.cli("key", "delete", one, "--yes", expect=None)


def test_c64_keys_that_read_are_disabled_and_revoked(runpod, stranger, gyre, keys):
    (_, reads), (name, writes) = keys("--read-only"), keys()
    with PythonClient(runpod.version, gyre, key=reads) as reader, PythonClient(runpod.version, gyre, key=writes) as writer:
        made = writer.call("create_pod", "keyed", image("hello"), "NVIDIA A40", container_disk_in_gb=1)
        assert [pod["id"] for pod in reader.call("get_pods")] == [made["id"]] and stranger.call("get_pods") == []
        for function in ("stop_pod", "terminate_pod"):
            with refused("QueryError", "READ_WRITE"):
                reader.call(function, made["id"])
        with refused("QueryError", "READ_WRITE"):
            reader.call("create_pod", "another", image("hello"), "NVIDIA A40")
        gyre.cli("key", "disable", name)
        with refused("AuthenticationError", "Unauthorized request"):
            writer.call("get_pods")
        gyre.cli("key", "enable", name)
        assert writer.call("terminate_pod", made["id"]) is None
        gyre.api.gone(made["id"])


def test_c65_a_leaked_key_is_disabled_then_revoked(runpod, gyre, keys):
    name, leaked = keys()
    with PythonClient(runpod.version, gyre, key=leaked) as thief:
        assert thief.call("get_pods") == []
        for verb, more in (("disable", ()), ("delete", ("--yes",))):
            gyre.cli("key", verb, name, *more)
            for function, arguments in (("get_pods", ()), ("get_user", ()), ("terminate_pod", ("x",))):
                with refused("AuthenticationError", "Unauthorized request"):
                    thief.call(function, *arguments)


def test_c78_two_variables_are_all_that_is_set(runpod, gyre):
    """Of the versions that read them; the tests above passed with nothing else."""
    machine = runpod.machine
    if runpod.version == OLD:
        assert set(machine.environment) == {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} and machine.hosts
        return
    url = gyre.said["url"]
    assert machine.environment == {"RUNPOD_API_BASE_URL": url, "RUNPOD_ENDPOINT_BASE_URL": url + "/v2"}
    assert machine.hosts is None and not [name for name in machine.variables() if name.startswith("GYRE_")]
    assert runpod.run("answer = runpod.endpoint_url_base") == url + "/v2"


def test_c79_the_key_as_it_is_sent_is_in_no_log(runpod, gyre):
    before = len(gyre.logs()["server"])
    assert runpod.call("get_pods") == []
    line = eventually(lambda: next((line for line in gyre.logs()["server"][before:].splitlines() if "/graphql" in line), None),
                      what="the request in the log")
    assert ("api_key=%2A%2A%2A" in line) == (runpod.version != NEW), line  # the newest sends it as Bearer
    for name, text in gyre.logs().items():
        assert runpod.key not in text, f"{name}.log tells a key"


def test_c130_nothing_of_another_account_is_there(runpod, stranger, api):
    pod = runpod.call("create_pod", "mine", image("hello"), "NVIDIA A40", container_disk_in_gb=1)["id"]
    template = runpod.call("create_template", name="mine", image_name="x:1", is_serverless=True)["id"]
    endpoint = runpod.call("create_endpoint", name="mine", template_id=template, gpu_ids="AMPERE_16")["id"]
    before = (api.pod(pod)["generation"], api.get(f"/v1/endpoints/{endpoint}"))
    assert stranger.call("get_pod", pod) is None and stranger.call("get_pods") == [] and stranger.call("get_endpoints") == []
    never = "x" * 14  # what never was is answered alike
    for function, more in (("stop_pod", ()), ("resume_pod", (1,)), ("terminate_pod", ())):
        for one in (pod, never):
            with refused("QueryError", f"no pod {one}"):
                stranger.call(function, one, *more)
    for one in (endpoint, never):
        with refused("QueryError", f"no endpoint {one}"):
            stranger.call("update_endpoint_template", endpoint_id=one, template_id=template)
    assert (api.pod(pod)["generation"], api.get(f"/v1/endpoints/{endpoint}")) == before
