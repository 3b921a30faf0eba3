"""What pods use, as it is measured on a real engine and shown by the API and the command line."""

import json
import time

import requests

from gyre import eventually, image

BUSY = ["sh", "-c", "while :; do :; done"]


def values(api, pod, name, **query):
    """The values of one series of the pod, gaps as None; empty while there is no such series."""
    chart = api.get(f"/v1/pods/{pod}/metrics", params={"from": "2m", "step": "10s"} | query)
    return next((series["values"] for series in chart["series"] if series["name"] == name), [])


def last(api, pod, name, **query):
    seen = [value for value in values(api, pod, name, **query) if value is not None]
    return seen[-1] if seen else None


def test_a_busy_loop_shows_as_all_of_its_vcpus_and_live_readers_see_it_within_fifteen_seconds(api):
    # One loop for each of its vCPUs.
    made = api.create(image("hello"), gpuCount=0, computeType="CPU", gpuTypeIds=None, vcpuCount=1, dockerStartCmd=BUSY,
                      minRAMPerGPU=None, minVCPUPerGPU=None)
    pod = api.until(made["id"], "running")
    assert pod["vcpuCount"] == 1
    begun = time.monotonic()
    busy = None
    with requests.get(f"{api.url}/v1/pods/{pod['id']}/metrics/live", headers={"Authorization": f"Bearer {api.key}"},
                      stream=True, timeout=20) as live:
        assert live.status_code == 200 and live.headers["Content-Type"].startswith("text/event-stream")
        for line in live.iter_lines(decode_unicode=True):
            if line.startswith("data: "):
                sample = json.loads(line[6:])
                busy = sample["cpuPercent"]
                if busy is not None and busy > 50:
                    break
            assert time.monotonic() - begun < 20, f"no busy sample in time, the last one said {busy}"
    # The machine of the tests is busy with other things too: most of one vCPU, and never much more than that.
    assert 50 < busy <= 110
    assert sample["memoryMb"] > 0 and sample["podId"] == pod["id"]
    # The same in the chart, once it is written down.
    shown = eventually(lambda: last(api, pod["id"], "cpu"), 30, what="a value in the chart")
    assert 40 < shown <= 110


def test_a_download_shows_in_kilobits_a_second(api):
    web = api.run(image("web"), name="origin")
    assert web["status"] == "running"
    # Through the network of the workspace, as loopback is no network of the pod.
    host = web["podHostId"]
    loads = ["sh", "-c", f"while :; do wget -q -O /dev/null http://{host}:8888/file.txt || sleep 0.2; done"]
    reader = api.run(image("hello"), dockerStartCmd=loads)
    received = eventually(lambda: (value := last(api, reader["id"], "networkReceived")) and value > 1 and value, 40,
                          what="received traffic")
    sent = eventually(lambda: (value := last(api, web["id"], "networkSent")) and value > 1 and value, 40, what="sent traffic")
    assert received > 1 and sent > 1


def test_a_step_out_of_bounds_is_refused_by_name_and_a_chart_has_the_points_it_was_asked_for(api):
    pod = api.run(image("hello"))["id"]
    for step in ("30s", "6h"):
        refused = api.call("GET", f"/v1/pods/{pod}/metrics", params={"step": step})
        assert refused.status_code == 400 and refused.json()["field"] == "step"
    chart = api.get(f"/v1/pods/{pod}/metrics", params={"from": "1h", "step": "1m"})
    assert chart["points"] == 60 and chart["stepSeconds"] == 60
    eventually(lambda: all(len(series["values"]) == 60 for series in api.get(
        f"/v1/pods/{pod}/metrics", params={"from": "1h", "step": "1m"})["series"]), 30)
    host = api.get(f"/v1/hosts/{api.pod(pod)['machineId']}/metrics", params={"from": "10m", "step": "1m"})
    assert {series["name"] for series in host["series"]} >= {"cpu", "memory"}


def test_pod_top_prints_once_when_it_is_piped(gyre, api):
    pod = api.run(image("hello"), name="topped")
    eventually(lambda: last(api, pod["id"], "memory"), 40, what="a measured value")
    table = gyre.cli("pod", "top").stdout
    assert "topped" in table and "MB" in table and "\x1b" not in table
    charts = gyre.cli("pod", "top", "topped", "-o", "json").json()
    assert charts[0]["id"] == pod["id"]
    gyre.cli("pod", "top", "no-such-pod", expect=3)
    assert "topped" in gyre.cli("pod", "top", "topped", "--range", "1h").stdout


def test_prometheus_has_the_pods(api):
    pod = api.run(image("hello"))["id"]
    line = f'gyre_pod_memory_megabytes{{pod="{pod}"'
    eventually(lambda: line in api.call("GET", "/metrics").text, 40, what="the pod in /metrics")


def test_while_the_agent_is_dead_there_is_a_gap_and_no_invention(fresh_gyre):
    api = fresh_gyre.api
    pod = api.run(image("hello"))["id"]
    eventually(lambda: last(api, pod, "memory"), 40, what="a measured value")
    fresh_gyre.kill("agent")
    time.sleep(25)  # what is tested: a time in which nothing is measured
    fresh_gyre.up()

    def gap():
        seen = values(fresh_gyre.api, pod, "memory")
        there = [place for place, value in enumerate(seen) if value is not None]
        return there and seen[there[0]:there[-1]].count(None)

    eventually(gap, 60, what="values again, after a gap")


def test_a_nearly_full_volume_warns_in_words(fresh_gyre):
    api = fresh_gyre.api
    fill = ["sh", "-c", "dd if=/dev/zero of=/workspace/file bs=1M count=905 && exec sleep 1000"]
    pod = api.run(image("hello"), dockerStartCmd=fill, volumeInGb=1, volumeMountPath="/workspace")["id"]
    warnings = eventually(lambda: api.pod(pod)["warnings"], 100, what="the warning")
    assert warnings[0]["code"] == "volume_nearly_full" and warnings[0]["fix"]
    korean = api.call("GET", f"/v1/pods/{pod}", headers={"Accept-Language": "ko"}).json()["warnings"][0]["text"]
    assert "볼륨" in korean
