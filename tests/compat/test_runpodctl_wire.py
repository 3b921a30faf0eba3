"""What `runpodctl` 1.6 to 2.7 sends, byte for byte as the contract has it (sections 1.4, 2 and 6), and what it makes of the
answers: it decodes numbers into whole ones, panics without a `machine`, and looks at the words of a refusal.

The program itself is not run here: its modules cannot be had from the Go proxy that this suite was made with. These tests
say that a request like its own gets an answer that it can read, and no more.
"""

import json

import pytest
import requests

from gyre import Api, eventually, image, stranger_key

V1 = {"User-Agent": "RunPod-CLI/v1.14.4 (linux; amd64)", "Content-Type": "application/json"}
V2 = {"User-Agent": "runpod-cli/v2.7.2 (linux; amd64)", "Content-Type": "application/json"}
CREATE = ("mutation createPod($input: PodFindAndDeployOnDemandInput!) { podFindAndDeployOnDemand(input: $input) "
          "{ id costPerHr desiredStatus lastStatusChange } }")
MY_PODS = ("query myPods { myself { pods { id containerDiskInGb costPerHr desiredStatus dockerArgs dockerId env gpuCount imageName "
           "lastStatusChange machineId memoryInGb name podType port ports uptimeSeconds vcpuCount volumeInGb volumeMountPath "
           "runtime { ports { ip isIpPublic privatePort publicPort PortType: type } } machine { gpuDisplayName location } } } }")
LOWEST = ("query LowestPrice($input: GpuLowestPriceInput!) { gpuTypes { lowestPrice(input: $input) { gpuName gpuTypeId "
          "minimumBidPrice uninterruptablePrice minMemory minVcpu } } }")
WHOLE = ("containerDiskInGb", "gpuCount", "memoryInGb", "uptimeSeconds", "vcpuCount", "volumeInGb")


class Ctl:
    """The two ways in which its versions ask."""

    def __init__(self, gyre, key):
        self.gyre, self.key = gyre, key

    def post(self, document, variables=None, path="/graphql", new=False):
        """Old ones have the key in the address, and null where there are no variables."""
        where = {} if new else {"api_key": self.key}
        headers = V2 | {"Authorization": f"Bearer {self.key}"} if new else V1
        return requests.post(self.gyre.said["url"] + path, params=where, headers=headers, timeout=10,
                             json={"query": document, "variables": variables})

    def ask(self, document, variables=None, **more):
        """The data; a refusal is in `errors`, with 200: of any other status these clients tell the number alone."""
        answer = self.post(document, variables, **more)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        if body.get("errors"):
            raise LookupError(body["errors"][0]["message"])
        return body["data"]

    def rest(self, method, path, body=None):
        answer = requests.request(method, f"{self.gyre.said['url']}/v1{path}", timeout=30, headers=V2 | {
            "Authorization": f"Bearer {self.key}"}, data=None if body is None else json.dumps(body))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def pods(self):
        found = self.ask(MY_PODS)["myself"]["pods"]
        for pod in found:
            assert all(type(pod[name]) is int for name in WHOLE), pod
            assert type(pod["costPerHr"]) in (int, float) and pod["machine"] is not None
            assert type(pod["env"]) is list and type(pod["ports"]) is str
        return found

    def create(self, **more):
        wanted = {"cloudType": "COMMUNITY", "containerDiskInGb": 1, "dockerArgs": "", "dataCenterId": "", "env": [], "gpuCount": 1,
                  "gpuTypeId": "NVIDIA A40", "imageName": image("hello"), "minMemoryInGb": 1, "minVcpuCount": 1,
                  "name": "hello-world", "networkVolumeId": "", "ports": "", "supportPublicIp": False, "startSsh": False,
                  "templateId": "", "volumeInGb": 1, "volumeMountPath": "/runpod"}
        made = self.ask(CREATE, {"input": wanted | more})["podFindAndDeployOnDemand"]
        assert made["desiredStatus"] == "RUNNING", "the client indexes past the end of a list"
        assert type(made["costPerHr"]) in (int, float), "it is printed with three decimals"
        return made["id"]


@pytest.fixture(scope="module")
def ctl(gyre):
    return Ctl(gyre, stranger_key(gyre))


@pytest.fixture(scope="module")
def other(gyre):
    return Ctl(gyre, stranger_key(gyre))


@pytest.fixture
def api(ctl):
    made = Api(ctl.gyre.said["url"], ctl.key)
    yield made
    for pod in made.get("/v1/pods?limit=1000"):
        made.call("DELETE", f"/v1/pods/{pod['id']}")
        made.gone(pod["id"])
    ctl.gyre.until_empty()


def test_c1_its_key_is_uploaded_and_kept_beside_the_others(gyre):
    """`config` of 1.14: it reads the keys of the account, twice, and writes them back with its own at the end."""
    one = Ctl(gyre, stranger_key(gyre))
    keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN first",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qM RunPod-Key-Go"]
    for key in keys:
        before = [one.ask("query myself { myself { id pubKey } }")["myself"]["pubKey"] for _ in range(2)]
        assert before[0] == before[1]
        saved = one.ask("mutation Mutation($input: UpdateUserSettingsInput) { updateUserSettings(input: $input) { id } }",
                        {"input": {"pubKey": (before[0] or "") + "\n\n" + key}})
        assert saved["updateUserSettings"]["id"]
    after = one.ask("query myself { myself { id pubKey } }")["myself"]["pubKey"]
    assert [line for line in after.splitlines() if line.strip()] == keys


def test_c2_a_wrong_key_is_401(gyre):
    wrong = Ctl(gyre, "rpa_" + "A" * 40)
    for path in ("/graphql", "/v1"):
        assert wrong.post("query myself { myself { id pubKey } }", path=path).status_code == 401
        assert wrong.post("query myself { myself { id pubKey } }", path=path, new=True).status_code == 401


def test_c3_c7_c8_c10_c11_the_life_of_a_pod(ctl, other, api):
    assert ctl.pods() == []
    pod = ctl.create(dockerArgs="sh -c 'mkdir /testdir1 && exec sleep 1000'")
    seen = ctl.pods()[0]
    assert (seen["id"], seen["name"], seen["gpuCount"], seen["volumeMountPath"]) == (pod, "hello-world", 1, "/runpod")
    assert seen["machine"]["gpuDisplayName"] == "A40" and seen["podType"] == "RESERVED"
    api.until(pod, "running")
    assert other.pods() == []
    stop = "mutation stopPod($podId: String!) { podStop(input: {podId: $podId}) { id desiredStatus lastStatusChange } }"
    with pytest.raises(LookupError):
        other.ask(stop, {"podId": pod})
    for _ in range(2):
        assert ctl.ask(stop, {"podId": pod})["podStop"]["desiredStatus"] == "EXITED"
    api.until(pod, "stopped")
    resumed = ctl.ask("mutation podResume($podId: String!) { podResume(input: {podId: $podId}) { id costPerHr desiredStatus "
                      "lastStatusChange } }", {"podId": pod})["podResume"]
    assert resumed["desiredStatus"] == "RUNNING" and type(resumed["costPerHr"]) in (int, float)
    api.until(pod, "running")
    gone = ctl.ask("mutation terminatePod($podId: String!) { podTerminate(input: {podId: $podId}) }", {"podId": pod})
    assert gone == {"podTerminate": None}
    eventually(lambda: ctl.pods() == [], 60, what="the pod leaving the list")


def test_c4_c5_no_room_is_in_the_words_by_which_it_tries_the_next_type(ctl, api):
    for of_old in ({"gpuCount": 64}, {"gpuTypeId": "NVIDIA L4"}, {"gpuCount": 64, "deployCost": 0}):
        with pytest.raises(LookupError, match="no longer any instances available"):
            ctl.create(**of_old)
    assert ctl.pods() == []
    ctl.create(gpuTypeId="NVIDIA A40")


def test_c9_the_gpus_are_taken(ctl, gyre, api):
    pod = ctl.create(gpuCount=4)
    api.until(pod, "running")
    api.call("POST", f"/v1/pods/{pod}/stop")
    api.until(pod, "stopped")
    gyre.until_free(4)
    ctl.create(gpuCount=4)
    with pytest.raises(LookupError, match="There are not enough free GPUs on the host machine to start this pod."):
        ctl.ask("mutation podResume($podId: String!) { podResume(input: {podId: $podId}) { id costPerHr desiredStatus "
                "lastStatusChange } }", {"podId": pod})


def test_c12_all_columns_of_all_pods_and_of_one(ctl, api):
    """`-a` shows ports as ip:public->private (pub,tcp); `get pod ID` takes the whole list and looks itself."""
    first, second = ctl.create(name="a", imageName=image("web"), ports="8888/tcp"), ctl.create(name="b", gpuCount=2)
    for pod in (first, second):
        api.until(pod, "running")
    seen = {pod["id"]: pod for pod in ctl.pods()}
    assert seen.keys() == {first, second}
    assert f"{seen[second]['gpuCount']} {seen[second]['machine']['gpuDisplayName']}" == "2 A40"
    port, = seen[first]["runtime"]["ports"]
    assert (port["privatePort"], port["isIpPublic"], port["PortType"]) == (8888, True, "tcp")
    assert port["ip"] and type(port["publicPort"]) is int
    assert seen[first]["vcpuCount"] > 0 and seen[first]["memoryInGb"] > 0


def test_c13_get_cloud(ctl):
    for asked in ({"gpuCount": 1, "secureCloud": None},
                  {"gpuCount": 2, "secureCloud": True, "minMemoryInGb": 32, "minVcpuCount": 1, "totalDisk": 20}):
        for row in ctl.ask(LOWEST, {"input": asked})["gpuTypes"]:
            price = row["lowestPrice"]
            assert price["minMemory"] is None or (type(price["gpuTypeId"]) is str and type(price["minMemory"]) is int)


def test_c14_start_with_a_bid(ctl, api):
    rent = ("mutation { podRentInterruptable(input: { bidPerGpu: 0.1, gpuTypeId: \"NVIDIA A40\", imageName: \"%s\", "
            "containerDiskInGb: 1, volumeInGb: 1, minVcpuCount: 1, minMemoryInGb: 1 }) { id } }" % image("hello"))
    pod = ctl.ask(rent)["podRentInterruptable"]["id"]
    api.until(pod, "running")
    api.call("POST", f"/v1/pods/{pod}/stop")
    api.until(pod, "stopped")
    for more, variables in (("", {}), (", $gpuCount: Int!", {"gpuCount": 1})):  # the second from 1.14.5 on
        given = ", gpuCount: $gpuCount" if more else ""
        answer = ctl.ask("mutation Mutation($podId: String!, $bidPerGpu: Float!%s) { podBidResume(input: {podId: $podId, bidPerGpu: "
                         "$bidPerGpu%s}) { id costPerHr desiredStatus lastStatusChange } }" % (more, given),
                         {"podId": pod, "bidPerGpu": 0.2} | variables)["podBidResume"]
        assert (answer["costPerHr"], answer["desiredStatus"]) == (0.2, "RUNNING")


def test_c15_keys_are_added_and_listed(ctl):
    save = "mutation Mutation($input: UpdateUserSettingsInput) { updateUserSettings(input: $input) { id } }"
    keys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN a\n\n"
    assert ctl.ask(save, {"input": {"pubKey": keys}})["updateUserSettings"]["id"]
    me = ctl.ask("query myself { myself { id pubKey } }")["myself"]
    assert "AAAAIFD1ZCzDPmHVTKRq8hKJxYQFvVyuYy7Sg1BGP1jVT3qN" in me["pubKey"]
    assert ctl.ask(save, {"input": {"pubKey": ""}})


def test_c106_c111_c112_what_the_new_commands_ask(ctl):
    def ask(document, variables=None):
        return ctl.ask(document, variables or {}, new=True)
    me = ask("query { myself { id email clientBalance currentSpendPerHr spendLimit notifyPodsStale notifyPodsGeneral "
             "notifyLowBalance } }")["myself"]
    assert type(me["id"]) is str and type(me["currentSpendPerHr"]) in (int, float)
    gpus = ask("query { gpuTypes { id displayName memoryInGb secureCloud communityCloud } }")["gpuTypes"]
    assert len(gpus) >= 30 and all(type(gpu["memoryInGb"]) is int for gpu in gpus)
    centres = ask("query { dataCenters { id name location gpuAvailability { gpuTypeId displayName stockStatus } } }")["dataCenters"]
    assert centres and all(type(centre["location"]) is str for centre in centres)
    pools = ask("query { serverlessGpuPools { id gpuTypeIds } }")["serverlessGpuPools"]
    assert "AMPERE_48" in [pool["id"] for pool in pools]
    for official in (True, False):
        templates = ("query PodTemplates($input: PodTemplateInput) { podTemplates(input: $input) { id name imageName isServerless "
                     "isPublic isRunpod category containerDiskInGb volumeInGb volumeMountPath } }")
        assert type(ask(templates, {"input": {"isRunpod": official}})["podTemplates"]) is list
    hub = ("query Listings($input: ListingsInput!) { listings(input: $input) { id title repoName repoOwner description category type "
           "tags stars views deploys language createdAt updatedAt } }")
    assert ask(hub, {"input": {"limit": 10, "orderBy": "stars", "orderDirection": "desc"}}) == {"listings": []}
    models = ("query myModels { myModels { id owner provider name status createdAt updatedAt users { userId credentialType "
              "credentialReference status updatedAt } versions { uuid hash status metadata createdAt updatedAt } } }")
    assert ask(models) == {"myModels": []}


def decoded(pod):
    """What Go's fixed types take."""
    for name in ("gpuCount", "memoryInGb", "vcpuCount", "containerDiskInGb", "volumeInGb"):
        assert type(pod[name]) is int, (name, pod[name])
    assert type(pod["costPerHr"]) in (int, float) and type(pod["env"]) is dict and type(pod["ports"]) is list
    assert pod["portMappings"] is None or all(type(port) is int for port in pod["portMappings"].values())
    return pod


def test_c107_a_pod_by_the_new_commands(ctl, other, api):
    create = ("mutation createPod($input: PodFindAndDeployOnDemandInput!) { podFindAndDeployOnDemand(input: $input) { id name imageName "
              "desiredStatus costPerHr containerDiskInGb volumeInGb volumeMountPath gpuCount memoryInGb vcpuCount ports "
              "lastStatusChange env machine { gpuDisplayName location } } }")
    pod = ctl.ask(create, {"input": {
        "cloudType": "SECURE", "containerDiskInGb": 2, "env": [{"key": "A", "value": "b & c"}], "gpuCount": 1,
        "gpuTypeId": "NVIDIA A40", "imageName": image("hello"), "name": "q", "ports": "8888/http,22/tcp", "startSsh": True,
        "volumeMountPath": "/workspace"}}, new=True)["podFindAndDeployOnDemand"]["id"]
    api.until(pod, "running")
    assert [decoded(one)["id"] for one in ctl.rest("GET", "/pods?computeType=GPU&name=q")] == [pod]
    assert decoded(ctl.rest("GET", f"/pods/{pod}"))["env"]["A"] == "b & c"
    assert decoded(ctl.rest("PATCH", f"/pods/{pod}", {"name": "r"}))["name"] == "r"
    for verb, status in (("stop", "stopped"), ("start", "running"), ("restart", "running"), ("reset", "running")):
        assert decoded(ctl.rest("POST", f"/pods/{pod}/{verb}"))["id"] == pod, "the answer must be a pod"
        api.until(pod, status)
    assert other.rest("GET", "/pods") == []
    assert ctl.rest("DELETE", f"/pods/{pod}") is None


def test_c108_a_cpu_pod_and_a_key_of_the_past(ctl, api):
    made = decoded(ctl.rest("POST", "/pods", {
        "imageName": image("hello"), "computeType": "CPU", "containerDiskInGb": 1, "volumeMountPath": "/workspace",
        "cloudType": "SECURE", "dockerArgs": "sleep 1000"}))
    assert made["computeType"] == "CPU" and made["gpuCount"] == 0 and made["dockerStartCmd"] == ["sleep", "1000"]


def test_c109_c110_endpoints_templates_volumes_and_credentials(ctl, other):
    template = ctl.rest("POST", "/templates", {"name": "ctl", "imageName": image("hello"), "containerDiskInGb": 20, "volumeInGb": 0,
                                               "isServerless": True})["id"]
    asked = ("query getTemplate($id: String!) { podTemplate(id: $id) { id name imageName isServerless isPublic isRunpod category ports "
             "portsConfig { port name } env { key value } containerDiskInGb containerRegistryAuthId volumeInGb volumeMountPath "
             "readme } }")
    assert ctl.ask(asked, {"id": template}, new=True)["podTemplate"]["isServerless"] is True
    assert other.ask(asked, {"id": template}, new=True)["podTemplate"] is None
    save = ("mutation SaveEndpoint($input: EndpointInput!) { saveEndpoint(input: $input) { id name templateId gpuIds instanceIds "
            "computeType networkVolumeId networkVolumeIds { networkVolumeId dataCenterId } locations idleTimeout scalerType "
            "scalerValue workersMin workersMax gpuCount minCudaVersion executionTimeoutMs flashBootType modelReferences } }")
    of_gpus = ctl.ask(save, {"input": {"name": "eeee", "templateId": template, "gpuIds": "AMPERE_48", "gpuCount": 1, "workersMax": 3,
                                       "flashBootType": "FLASHBOOT"}}, new=True)["saveEndpoint"]
    assert (of_gpus["gpuIds"], of_gpus["computeType"], of_gpus["instanceIds"]) == ("AMPERE_48", "GPU", [])
    of_cpus = ctl.ask(save, {"input": {"name": "cccc", "templateId": template, "instanceIds": ["cpu3g-4-16"], "workersMax": 3,
                                       "flashBootType": "FLASHBOOT"}}, new=True)["saveEndpoint"]
    assert (of_cpus["computeType"], of_cpus["instanceIds"]) == ("CPU", ["cpu3g-4-16"])
    with pytest.raises(LookupError, match="instanceIds"):
        ctl.ask(save, {"input": {"name": "dddd", "templateId": template, "instanceIds": ["cpu3g"]}}, new=True)
    old = ctl.rest("POST", "/endpoints", {"name": "e", "templateId": template, "computeType": "GPU", "gpuTypeIds": ["NVIDIA A40"],
                                          "gpuCount": 1, "workersMax": 3})
    assert ctl.rest("PATCH", f"/endpoints/{old['id']}", {"workersMax": 5})["workersMax"] == 5
    assert {one["id"] for one in ctl.rest("GET", "/endpoints")} == {of_gpus["id"], of_cpus["id"], old["id"]}
    assert other.rest("GET", "/endpoints") == []
    volume = ctl.rest("POST", "/networkvolumes", {"name": "v", "size": 1, "dataCenterId": "LOCAL"})
    assert ctl.ask("query getNetworkVolumes { myself { networkVolumes { id name size dataCenterId } } }")["myself"][
        "networkVolumes"] == [{"id": volume["id"], "name": "v", "size": 1, "dataCenterId": "LOCAL"}]
    auth = ctl.rest("POST", "/containerregistryauth", {"name": "n", "username": "u", "password": "p"})
    assert ctl.rest("GET", "/containerregistryauth") == [{"id": auth["id"], "name": "n"}]
    for path in (*(f"/endpoints/{one['id']}" for one in (of_gpus, of_cpus, old)), f"/templates/{template}",
                 f"/networkvolumes/{volume['id']}", f"/containerregistryauth/{auth['id']}"):
        assert ctl.rest("DELETE", path) is None


def test_c113_what_the_old_commands_of_the_new_version_send(ctl, other, api):
    """The documents of version 1 with the headers of version 2, and `location` of the machine."""
    pod = ctl.ask(CREATE, {"input": {
        "cloudType": "COMMUNITY", "containerDiskInGb": 1, "dockerArgs": "sh -c 'mkdir /testdir1 && exec sleep 1000'", "dataCenterId": "",
        "env": [], "gpuCount": 1, "gpuTypeId": "NVIDIA A40", "imageName": image("hello"), "minMemoryInGb": 1, "minVcpuCount": 1,
        "name": "hello-world", "networkVolumeId": "", "ports": "", "supportPublicIp": False, "startSsh": False, "templateId": "",
        "volumeInGb": 1, "volumeMountPath": "/runpod"}}, new=True)["podFindAndDeployOnDemand"]["id"]
    api.until(pod, "running")
    mine = ctl.ask(MY_PODS, new=True)["myself"]["pods"]
    assert [(one["id"], type(one["machine"]["location"])) for one in mine] == [(pod, str)]
    assert other.ask(MY_PODS, new=True)["myself"]["pods"] == []
    for document, field, status in (("mutation stopPod($podId: String!) { podStop(input: {podId: $podId}) { id desiredStatus "
                                     "lastStatusChange } }", "podStop", "EXITED"),
                                    ("mutation podResume($podId: String!) { podResume(input: {podId: $podId}) { id costPerHr "
                                     "desiredStatus lastStatusChange } }", "podResume", "RUNNING")):
        assert ctl.ask(document, {"podId": pod}, new=True)[field]["desiredStatus"] == status
        api.until(pod, "stopped" if status == "EXITED" else "running")
    ctl.ask("mutation terminatePod($podId: String!) { podTerminate(input: {podId: $podId}) }", {"podId": pod}, new=True)
    eventually(lambda: ctl.ask(MY_PODS, new=True)["myself"]["pods"] == [], 60, what="the pod leaving the list")


def test_c115_what_went_wrong_is_told_where_each_version_looks(ctl, gyre):
    """Old ones show the message of an error that came with 200, new ones the `error` or `message` of a REST body, too."""
    wrong = {"Authorization": "Bearer rpa_" + "A" * 40, "Content-Type": "application/json"}
    for path in ("/v1/pods", "/v1/pods/x"):
        answer = requests.get(gyre.said["url"] + path, headers=V2 | wrong, timeout=10)
        assert answer.status_code == 401 and answer.json()["error"]
    for new in (False, True):
        answer = ctl.post(CREATE, {"input": {"imageName": image("hello"), "gpuTypeId": "NVIDIA A40", "gpuCount": 64}}, new=new)
        assert answer.status_code == 200
        assert "no longer any instances available" in answer.json()["errors"][0]["message"]
    missing = requests.post(f"{gyre.said['url']}/v1/pods/nothere/stop", timeout=10, headers=V2 | {"Authorization": f"Bearer {ctl.key}"})
    assert missing.status_code == 404 and "nothere" in missing.json()["error"]


def test_c114_graphql_at_the_address_of_rest(ctl):
    """2.0 to 2.4 take RUNPOD_API_URL for both."""
    assert ctl.ask(MY_PODS, path="/v1")["myself"]["pods"] == []
    assert ctl.ask(MY_PODS, {}, path="/v1", new=True)["myself"]["pods"] == []
    assert ctl.rest("GET", "/pods") == []
