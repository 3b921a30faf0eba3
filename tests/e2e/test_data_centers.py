"""Two hosts in two data centres: pods and network volumes keep to theirs."""

import subprocess

import pytest
import requests
from gyre import Docker, eventually, image, stranger_key


@pytest.fixture(scope="module")
def two(gyre, engine, tmp_path_factory):
    """A second host, in KR-1, with network volumes of its own; the first is in LOCAL."""
    folder = tmp_path_factory.mktemp("second")
    gyre.cli("data-center", "add", "KR-1", "--name", "Seoul 1", "--location", "Seoul", "--country", "KR")
    token = gyre.cli("host", "token", "--data-center", "KR-1", "-o", "json").json()["token"]
    gyre.cli("agent", "join", "--server", gyre.said["url"], "--data", folder / "agent", env={"GYRE_AGENT_TOKEN": token})
    with open(folder / "agent.log", "wb") as log:
        agent = subprocess.Popen([str(gyre.binary), "agent", "run", "--data", str(folder / "agent"), "--engine", str(engine),
                                  "--simulate-gpus", "NVIDIA L4:2", "--listen-address", "127.0.0.1",
                                  "--network-volumes", str(gyre.home / "shared")],
                                 stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=gyre.environment())
    try:
        def there():
            return next((one for one in gyre.api.get("/v1/hosts") if one["dataCenterId"] == "KR-1" and one["gpus"]
                         and one["online"] and one["engine"]["reachable"]), None)
        host = eventually(there, 90, what="the second host being there")
        yield gyre, host["id"]
    finally:
        agent.terminate()
        agent.wait(60)
        for host in gyre.api.get("/v1/hosts"):
            if host["dataCenterId"] == "KR-1":
                Docker(engine).remove_all(f"gyre.host={host['id']}")


def center_of(api, pod):
    return api.get(f"/v1/pods/{pod}?includeMachine=true")["machine"]["dataCenterId"]


def test_a_pod_is_where_it_asks_to_be(two):
    gyre, host = two
    api = gyre.api
    there = api.create(image("hello"), dataCenterIds=["KR-1"], gpuTypeIds=[])["id"]
    by_country = api.create(image("hello"), countryCodes=["KR"], gpuTypeIds=[])["id"]
    here = api.create(image("hello"), dataCenterIds=["LOCAL"], gpuTypeIds=[])["id"]
    for pod, center in ((there, "KR-1"), (by_country, "KR-1"), (here, "LOCAL")):
        api.until(pod, "running", timeout=120)
        assert center_of(api, pod) == center
        (container,) = Docker(gyre.engine).containers(f"gyre.pod={pod}")
        environment = Docker(gyre.engine).inspect(container["Id"])["Config"]["Env"]
        assert f"RUNPOD_DC_ID={center}" in environment
    assert {pod["id"] for pod in api.get("/v1/pods?dataCenterId=KR-1")} == {there, by_country}
    refused = api.call("PATCH", f"/v1/hosts/{host}", json={"dataCenterId": "LOCAL"})
    assert refused.json()["code"] == "host_keeps_pods", refused.text
    # Full, though the other has room.
    waits = api.create(image("hello"), dataCenterIds=["KR-1"], gpuTypeIds=[])["id"]
    reasons = {one["id"]: one["reason"]["code"] for one in api.until(waits, "queued")["queue"]["hosts"]}
    assert reasons == {host: "gpu_too_few", gyre.said["hostId"]: "host_in_other_data_center"}
    for pod in (there, by_country, here, waits):
        api.call("DELETE", f"/v1/pods/{pod}")
    for pod in (there, by_country, here, waits):
        api.gone(pod)


def test_a_volume_keeps_its_pod_where_it_is(two):
    gyre, _ = two
    api = gyre.api
    volume = api.post("/v1/networkvolumes", {"name": "data", "size": 10, "dataCenterId": "LOCAL"})["id"]
    eventually(lambda: api.get(f"/v1/networkvolumes/{volume}")["ready"], 60, what="the volume being there")
    body = {"imageName": image("hello"), "networkVolumeId": volume}
    refused = api.call("POST", "/v1/pods", json=body | {"dataCenterIds": ["KR-1"]})
    assert refused.status_code == 400 and refused.json()["field"] == "networkVolumeId", refused.text
    pod = api.run(image("hello"), networkVolumeId=volume, gpuTypeIds=[])["id"]
    assert center_of(api, pod) == "LOCAL"
    # The other host has the GPU, and network volumes, too: not this one.
    elsewhere = api.post("/v1/pods?dryRun=true", body | {"gpuTypeIds": ["NVIDIA L4"]}, expect=(200,))
    assert elsewhere["fits"] is False
    assert {one["reason"]["code"] for one in elsewhere["hosts"]} == {"gpu_type_absent", "host_in_other_data_center"}
    api.call("DELETE", f"/v1/pods/{pod}")
    api.gone(pod)


def test_the_catalogue_says_what_is_free_in_each(two):
    gyre, _ = two
    api = gyre.api
    centers = {one["id"]: one for one in api.get("/v1/catalog/datacenters")}
    assert list(centers) == ["LOCAL", "KR-1"] and centers["KR-1"]["location"] == "Seoul"
    asked = {"query": "{ dataCenters { id name location } }"}
    said = api.post("/graphql", asked)["data"]["dataCenters"]
    assert said == [{"id": "LOCAL", "name": "LOCAL", "location": ""}, {"id": "KR-1", "name": "Seoul 1", "location": "Seoul"}]
    assert api.get("/v2/catalog/datacenters/KR-1")["region"] == "KR"
    assert [one["id"] for one in gyre.cli("data-center", "list", "-o", "json").json()] == ["LOCAL", "KR-1"]


def test_what_nobody_has_is_refused_by_name_and_others_see_nothing(two):
    gyre, host = two
    api = gyre.api
    for body, field in (({"dataCenterIds": ["SE-1"]}, "dataCenterIds[0]"), ({"countryCodes": ["SE"]}, "countryCodes[0]")):
        refused = api.call("POST", "/v1/pods", json={"imageName": image("hello")} | body)
        assert refused.status_code == 400 and refused.json()["field"] == field, refused.text
    refused = api.call("POST", "/v1/hosts/tokens", json={"dataCenterId": "SE-1"})
    assert refused.status_code == 400 and "SE-1" in refused.text and "KR-1" in refused.text
    stranger = {"Authorization": f"Bearer {stranger_key(gyre)}"}
    url = gyre.said["url"]
    for method, path in (("POST", "/v1/catalog/datacenters"), ("PATCH", "/v1/catalog/datacenters/KR-1"), ("PATCH", f"/v1/hosts/{host}")):
        assert requests.request(method, url + path, json={"id": "X"}, headers=stranger, timeout=30).status_code == 403
    assert requests.get(url + "/v1/pods?dataCenterId=KR-1", headers=stranger, timeout=30).json() == []
