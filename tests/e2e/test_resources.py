"""What pods are made from: a stored registry credential, a template, a secret and SSH keys, with a real private registry."""

import os

import pytest

from gyre import image

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
