"""Where pods go, and what the waiting ones are told."""

from gyre import image


def test_two_gpus_are_given_in_the_order_of_asking(two_gpus):
    api = two_gpus.api
    first, second = (api.run(image("hello"), name=f"holder-{n}") for n in range(2))
    third = api.create(image("hello"), name="third")["id"]
    fourth = api.create(image("hello"), name="fourth")["id"]
    waiting = api.until(third, "queued")
    assert waiting["queue"]["position"] == 1
    assert api.until(fourth, "queued")["queue"]["position"] == 2
    assert [one["reason"]["code"] for one in waiting["queue"]["hosts"]] == ["gpu_too_few"]

    held = {gpu["podId"] for gpu in two_gpus.host()["gpus"]}
    assert held == {first["id"], second["id"]}

    api.post(f"/v1/pods/{second['id']}/stop")
    assert api.until(third, "running")
    assert api.pod(fourth)["status"] == "queued", "a later pod overtook an earlier one"
    assert api.pod(fourth)["queue"]["position"] == 1


def test_a_pod_that_needs_both_gpus_is_not_overtaken(two_gpus):
    api = two_gpus.api
    holder = api.run(image("hello"))
    both = api.create(image("hello"), name="both", gpuCount=2)["id"]
    one = api.create(image("hello"), name="one")["id"]
    assert api.until(both, "queued")
    assert api.until(one, "queued")["queue"]["position"] == 2
    api.call("DELETE", f"/v1/pods/{holder['id']}")
    api.until(both, "running")
    assert api.pod(one)["status"] == "queued"


def test_a_pod_that_fits_nowhere_waits_with_each_hosts_reason(two_gpus):
    pod = two_gpus.api.create(image("hello"), gpuTypeIds=["NVIDIA H100 80GB HBM3"])["id"]
    waiting = two_gpus.api.until(pod, "queued")
    (host,) = waiting["queue"]["hosts"]
    assert host["id"] == two_gpus.said["hostId"] and host["reason"]["code"] == "gpu_type_absent"
    assert "H100" in host["reason"]["text"]


def test_a_dry_run_says_whether_where_and_why(two_gpus):
    api = two_gpus.api
    body = {"imageName": image("hello"), "gpuCount": 1, "gpuTypeIds": ["NVIDIA A40"]}
    assert api.post("/v1/pods?dryRun=true", body, expect=(200,))["fits"] is True
    answer = api.post("/v1/pods?dryRun=true", body | {"gpuCount": 3}, expect=(200,))
    assert answer["fits"] is False and answer["hosts"][0]["reason"]["code"] == "gpu_too_few"
    assert api.get("/v1/pods") == [], "a dry run made a pod"


def test_a_drained_host_takes_no_new_pods_and_keeps_its_own(two_gpus):
    api, host = two_gpus.api, two_gpus.said["hostId"]
    runs = api.run(image("hello"))
    assert api.post(f"/v1/hosts/{host}/drain")["status"] == "draining"
    waits = api.create(image("hello"))["id"]
    assert api.until(waits, "queued")["queue"]["hosts"][0]["reason"]["code"] == "host_not_listed"
    assert api.pod(runs["id"])["status"] == "running"
    api.post(f"/v1/hosts/{host}/undrain")
    api.until(waits, "running")


def test_a_stopped_pod_whose_gpu_was_taken_may_start_without_one(two_gpus):
    api = two_gpus.api
    mine = api.run(image("hello"), volumeInGb=1, gpuCount=2)["id"]
    api.post(f"/v1/pods/{mine}/stop")
    api.until(mine, "stopped")
    api.run(image("hello"), gpuCount=2)
    refused = api.call("POST", f"/v1/pods/{mine}/start")
    assert refused.status_code == 409 and refused.json()["code"] == "gpu_taken"
    api.post(f"/v1/pods/{mine}/start?gpuCount=0")
    assert api.until(mine, "running")["gpuCount"] == 0


def test_simulated_gpus_are_marked_wherever_they_show(two_gpus):
    assert all(gpu["simulated"] for gpu in two_gpus.host()["gpus"])
    assert two_gpus.api.run(image("hello"))["simulated"] is True
    assert "(simulated)" in two_gpus.cli("pod", "list").stdout
    assert "(simulated)" in two_gpus.cli("host", "list").stdout
