"""What pods are made from: a stored registry credential, a template, a secret and SSH keys, with a real private registry."""

import os

import pytest

from gyre import Gyre, eventually, image

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMHLjNwQyYgpxrSwlsb+njdTm2TBCGP+GhuuIW+YoCd6"
SECRET = "value-that-only-the-container-sees"


@pytest.mark.skipif("GYRE_TEST_PRIVATE_REGISTRY" not in os.environ, reason="no registry behind a log-in")
def test_a_templates_private_image_runs_with_its_secret_and_nothing_of_it_is_told(gyre, api):
    user, password = os.environ["GYRE_TEST_PRIVATE_LOGIN"].split(":", 1)
    auth = api.post("/v1/containerregistryauth", {"name": "e2e", "username": user, "password": password})
    assert set(auth) == {"id", "name"}
    secret = api.post("/v1/secrets", {"name": "token", "value": SECRET})
    made = api.post("/v1/templates", {
        "name": "e2e", "imageName": os.environ["GYRE_TEST_PRIVATE_REGISTRY"] + "/gyre/private:1",
        "containerRegistryAuthId": auth["id"], "env": {"TOKEN": "{{ RUNPOD_SECRET_token }}", "KIND": "template"},
        "containerDiskInGb": 1, "volumeInGb": 0})
    api.call("PATCH", "/v1/me/settings", json={"pubKey": KEY})

    pod = api.until(api.create(None, templateId=made["id"], env={"KIND": "own"})["id"], "running")
    assert pod["templateId"] == made["id"] and pod["containerRegistryAuthId"] == auth["id"]
    said = api.until_logged(pod["id"], f"TOKEN={SECRET}")
    assert "KIND=own" in said and f"PUBLIC_KEY={KEY}" in said

    # In the container, and nowhere else that we write.
    for answer in (api.call("GET", f"/v1/pods/{pod['id']}?includeMachine=true"), api.call("GET", "/v1/secrets"),
                   api.call("GET", f"/v1/pods/{pod['id']}/events"), api.call("GET", "/v1/containerregistryauth")):
        assert answer.status_code == 200 and SECRET not in answer.text and password not in answer.text
    for name, text in gyre.logs().items():
        assert text and SECRET not in text and password not in text, f"{name}.log tells a secret"
    for file in gyre.data.glob("gyre.db*"):
        kept = file.read_bytes()
        assert SECRET.encode() not in kept and password.encode() not in kept, f"{file.name} holds a secret in clear"

    for thing in (f"/v1/templates/{made['id']}", f"/v1/containerregistryauth/{auth['id']}"):
        refused = api.call("DELETE", thing)
        assert refused.status_code == 409 and refused.json()["code"].endswith("_in_use"), refused.text
    api.call("DELETE", f"/v1/pods/{pod['id']}")
    api.gone(pod["id"])
    for thing in (f"/v1/templates/{made['id']}", f"/v1/containerregistryauth/{auth['id']}", f"/v1/secrets/{secret['id']}"):
        assert api.call("DELETE", thing).status_code == 204, thing


@pytest.mark.parametrize("path, body, change", [
    ("/v1/templates", {"name": "etag", "imageName": "x:1"}, {"readme": "new"}),
    ("/v1/secrets", {"name": "etag", "value": "v"}, {"description": "new"}),
    ("/v1/networkvolumes", {"name": "etag", "size": 1, "dataCenterId": "LOCAL"}, {"size": 2}),
])
def test_an_update_of_what_has_changed_since_is_refused(api, path, body, change):
    thing = f"{path}/{api.post(path, body)['id']}"
    tag = api.call("GET", thing).headers["ETag"]
    assert api.call("PATCH", thing, json=change, headers={"If-Match": tag}).status_code == 200
    late = api.call("POST", f"{thing}/update", json=change, headers={"If-Match": tag})
    assert late.status_code == 412 and late.json()["code"] == "stale_version", late.text
    assert api.call("DELETE", thing).status_code == 204


def test_simulated_gpus_are_no_stock_unless_the_operator_says_so(api):
    shown = {gpu["id"]: gpu for gpu in api.get("/v1/catalog/gputypes")}
    assert len(shown) >= 30 and shown["NVIDIA A40"]["totalCount"] == 0 and shown["NVIDIA A40"]["stockStatus"] is None
    price = api.post("/v1/catalog/gputypes/NVIDIA%20A40/prices", {"securePrice": 0.44})
    assert price["securePrice"] == 0.44
    assert api.get("/v1/catalog/gputypes/NVIDIA%20A40")["securePrice"] == 0.44
    pod = api.create(image("hello"), gpuCount=2)
    assert pod["costPerHr"] == 0.88 and pod["adjustedCostPerHr"] == 0.88


@pytest.fixture
def sharing(engine, tmp_path, database):
    """A Gyre on either database, with storage for network volumes: (Gyre, the shared path)."""
    shared = tmp_path / "shared"
    shared.mkdir()
    gyre = Gyre(tmp_path / "gyre", engine=engine)
    gyre.settings |= database[1] | {"GYRE_VOLUMES_SHARED_PATHS": f"LOCAL={shared}"}
    try:
        gyre.up()
        yield gyre, shared
    finally:
        gyre.clean()


def test_endpoints_volumes_and_all_they_are_made_of_outlive_a_killed_server(sharing):
    """On either database: made, changed, read back after SIGKILL, and deleted in the one order that is allowed."""
    gyre, shared = sharing
    api = gyre.api
    volume = api.post("/v1/networkvolumes", {"name": "data", "size": 10, "dataCenterId": "LOCAL"})
    assert len(volume["id"]) == 10
    eventually(lambda: api.get(f"/v1/networkvolumes/{volume['id']}")["ready"], 60, what="the volume being ready")
    (shared / volume["id"] / "file").write_text("kept")
    assert api.call("PATCH", f"/v1/networkvolumes/{volume['id']}", json={"size": 9}).status_code == 400
    assert api.call("PATCH", f"/v1/networkvolumes/{volume['id']}", json={"size": 20}).json()["size"] == 20

    auth = api.post("/v1/containerregistryauth", {"name": "hub", "username": "u", "password": "registry-" + SECRET})
    secret = api.post("/v1/secrets", {"name": "token", "value": SECRET})
    template = api.post("/v1/templates", {"name": "t", "imageName": "x:1", "isServerless": True, "containerRegistryAuthId": auth["id"],
                                          "env": {"TOKEN": "{{ RUNPOD_SECRET_token }}"}})
    endpoint = api.post("/v1/endpoints", {"name": "e", "templateId": template["id"], "gpuTypeIds": ["NVIDIA A40"],
                                          "networkVolumeId": volume["id"], "workersMax": 2})
    path = f"/v1/endpoints/{endpoint['id']}"
    assert api.call("PATCH", path, json={"gpuCount": 2}).json()["version"] == 2
    assert api.call("PATCH", f"/v1/templates/{template['id']}", json={"imageName": "x:2"}).status_code == 200
    assert api.call("PATCH", "/v1/me/settings", json={"pubKey": KEY, "language": "ko"}).status_code == 200
    kept = {thing: api.get(thing) for thing in (
        path, path + "/versions", "/v1/templates", "/v1/secrets", "/v1/containerregistryauth", "/v1/me/settings")}
    assert kept[path]["version"] == 3 and kept[path]["imageName"] == "x:2"
    assert [one["gpuCount"] for one in kept[path + "/versions"]] == [2, 2, 1]

    gyre.kill("server")
    gyre.up()
    api = gyre.api
    for thing, before in kept.items():
        assert api.get(thing) == before, thing
    assert api.get(f"/v1/networkvolumes/{volume['id']}")["size"] == 20
    assert (shared / volume["id"] / "file").read_text() == "kept"

    for used in (f"/v1/networkvolumes/{volume['id']}", f"/v1/templates/{template['id']}", f"/v1/containerregistryauth/{auth['id']}"):
        refused = api.call("DELETE", used)
        assert refused.status_code == 409 and refused.json()["code"].endswith("_in_use"), refused.text
    for thing in (path, f"/v1/networkvolumes/{volume['id']}", f"/v1/templates/{template['id']}",
                  f"/v1/containerregistryauth/{auth['id']}", f"/v1/secrets/{secret['id']}"):
        assert api.call("DELETE", thing).status_code == 204, thing
        assert api.call("GET", thing).status_code == 404, thing
    eventually(lambda: not list(shared.iterdir()), 120, what="the volume's directory being gone")
    for name, text in gyre.logs().items():
        assert SECRET not in text, f"{name}.log tells a secret"


@pytest.mark.parametrize("path, body", [
    ("/v1/templates", {"imageName": "x:1"}), ("/v1/secrets", {"value": "v"}),
    ("/v1/containerregistryauth", {"username": "u", "password": "p"})])
def test_a_list_has_pages_that_leave_out_nothing(api, path, body):
    made = [api.post(path, body | {"name": f"page_{i}"})["id"] for i in (2, 0, 4, 1, 3)]
    seen, cursor = [], None
    while True:
        answer = api.call("GET", path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200 and len(answer.json()) <= 2
        seen += answer.json()
        cursor = answer.headers.get("X-Next-Cursor")
        if not cursor:
            break
    assert [one["name"] for one in seen if one["id"] in made] == [f"page_{i}" for i in range(5)]
    for one in made:
        assert api.call("DELETE", f"{path}/{one}").status_code == 204


def test_a_network_volume_is_shared_by_pods_and_outlives_them(sharing):
    gyre, shared = sharing
    api = gyre.api
    volume = api.post("/v1/networkvolumes", {"name": "data", "size": 10, "dataCenterId": "LOCAL"})
    eventually(lambda: api.get(f"/v1/networkvolumes/{volume['id']}")["ready"], 60, what="the volume being ready")

    def pod(script, **more):
        made = api.create(image("hello"), networkVolumeId=volume["id"], volumeInGb=20, dockerEntrypoint=[], **more,
                          dockerStartCmd=["sh", "-c", script + "; exec sleep 1000"])
        return api.until(made["id"], "running")

    first = pod("echo weights > /workspace/model; sync; env")
    assert first["networkVolumeId"] == volume["id"] and first["volumeInGb"] == 0 and first["volumeMountPath"] == "/workspace"
    api.until_logged(first["id"], f"RUNPOD_VOLUME_ID={volume['id']}")
    eventually((shared / volume["id"] / "model").exists, 60, what="the file on the shared storage")
    # A second one sees it, at the place that it chose; what it writes the first one sees.
    second = pod("cat /data/model; echo more > /data/added", volumeMountPath="/data")
    api.until_logged(second["id"], "weights")
    assert {one["id"] for one in api.get(f"/v1/pods?networkVolumeId={volume['id']}")} == {first["id"], second["id"]}
    api.post(f"/v1/pods/{first['id']}/stop")
    api.until(first["id"], "stopped")
    api.post(f"/v1/pods/{first['id']}/start")
    api.until(first["id"], "running")

    # In use it stays, and it stays when they are gone.
    refused = api.call("DELETE", f"/v1/networkvolumes/{volume['id']}")
    assert refused.status_code == 409 and refused.json()["code"] == "network_volume_in_use", refused.text
    for one in (first, second):
        api.call("DELETE", f"/v1/pods/{one['id']}")
        api.gone(one["id"])
    assert (shared / volume["id"] / "model").read_text() == "weights\n"
    assert (shared / volume["id"] / "added").read_text() == "more\n"
    assert api.call("DELETE", f"/v1/networkvolumes/{volume['id']}").status_code == 204
    eventually(lambda: not list(shared.iterdir()), 120, what="the volume's directory being gone")


def test_what_names_a_network_volume_is_told_when_it_cannot_be(sharing):
    gyre, _ = sharing
    api = gyre.api
    for body, field in (({"networkVolumeId": "0123456789"}, "networkVolumeId"),):
        refused = api.call("POST", "/v1/pods", json={"imageName": "x:1"} | body)
        assert refused.status_code == 400 and refused.json()["field"] == field, refused.text
    volume = api.post("/v1/networkvolumes", {"name": "data", "size": 10, "dataCenterId": "LOCAL"})["id"]
    pod = api.create("nobody/runs:1", gpuTypeIds=["NVIDIA H100 80GB HBM3"], networkVolumeId=volume)
    refused = api.call("PATCH", f"/v1/pods/{pod['id']}", json={"volumeInGb": 5})
    assert refused.status_code == 400 and refused.json()["field"] == "volumeInGb", refused.text


def test_a_network_volume_that_is_full_is_told_and_given_to_nobody_else(sharing):
    gyre, shared = sharing
    api = gyre.api
    volume = api.post("/v1/networkvolumes", {"name": "data", "size": 1, "dataCenterId": "LOCAL"})
    pod = api.until(api.create(image("hello"), networkVolumeId=volume["id"])["id"], "running")
    used = lambda: api.get(f"/v1/networkvolumes/{volume['id']}")["usedBytes"]  # noqa: E731
    eventually(lambda: used() is not None, 60, what="it being counted")
    assert used() < 1_000_000 and api.pod(pod["id"])["warnings"] == []

    def fill(size):
        with open(shared / volume["id"] / "model", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    fill(950_000_000)
    eventually(lambda: used() >= 950_000_000, 60, what="the file being counted")
    assert [one["code"] for one in api.pod(pod["id"])["warnings"]] == ["volume_nearly_full"]
    another = api.create("nobody/runs:1", gpuTypeIds=["NVIDIA H100 80GB HBM3"], networkVolumeId=volume["id"])
    fill(1_100_000_000)
    eventually(lambda: used() > 1_000_000_000, 60, what="the larger file being counted")
    refused = api.call("POST", "/v1/pods", json={"imageName": "nobody/runs:1", "networkVolumeId": volume["id"]})
    assert refused.status_code == 409 and refused.json()["code"] == "network_volume_full", refused.text
    api.post(f"/v1/pods/{another['id']}/stop")
    assert api.call("POST", f"/v1/pods/{another['id']}/start").json()["code"] == "network_volume_full"
    assert api.pod(pod["id"])["status"] == "running"
    api.call("PATCH", f"/v1/networkvolumes/{volume['id']}", json={"size": 2})
    assert api.call("POST", f"/v1/pods/{another['id']}/start").status_code == 200
