"""Spot pods with real containers: whom they make room for, how they are told, and what stays."""

import json
import time
import urllib.parse

import pytest

from fixtures import started
from gyre import eventually, image


@pytest.fixture
def one_gpu(engine, tmp_path):
    """A Gyre with one simulated GPU."""
    yield from started(tmp_path, engine=engine, simulate="NVIDIA A40:1")


# Saves its work at the signal and goes on all the same.
SAVES = ("trap 'echo saved > /workspace/kept; echo got SIGTERM' TERM; cat /workspace/kept 2>/dev/null; echo ready; "
         "while :; do sleep 0.1; done")


def end_of(docker, container, since):
    """What the engine did to the container: (name, signal, nanoseconds) in order, until it was dead."""
    query = urllib.parse.urlencode({"since": since, "until": time.time() + 1, "filters": json.dumps({"container": [container]})})
    return [(event["Action"], event["Actor"]["Attributes"].get("signal"), event["timeNano"])
            for event in docker.lines(f"/events?{query}")]


def test_c73_a_spot_pod_displaced_by_an_on_demand_one(one_gpu, docker):
    """R-232 to R-234: SIGTERM in the container, SIGKILL 5 s later, EXITED, the volume kept; no GPU before that for others."""
    api = one_gpu.api
    spot = api.run(image("hello"), interruptible=True, bidPerGpu=0.2, volumeInGb=1, dockerStartCmd=["sh", "-c", SAVES])
    assert spot["interruptible"] is True and spot["bidPerGpu"] == 0.2 and spot["costPerHr"] == 0.2
    api.until_logged(spot["id"], "ready")
    container = spot["containers"][0]["containerId"]
    since = int(time.time()) - 1

    taker = api.create(image("hello"))["id"]
    seen = api.pod(spot["id"])
    assert (seen["status"], seen["desiredStatus"], seen["reason"]["code"]) == ("interrupting", "EXITED", "interrupted")
    assert api.pod(taker)["status"] == "queued", "its GPU was given before the containers were gone"
    api.until(taker, "running")
    assert api.until(spot["id"], "stopped")["reason"]["code"] == "interrupted"

    acts = [act for act in end_of(docker, container, since) if act[0] in ("kill", "die")]
    signals = [act[1] for act in acts if act[0] == "kill"]
    assert signals == ["15", "9"], acts
    told, killed = (act[2] for act in acts if act[0] == "kill")
    assert killed - told >= 4.9e9, f"killed {(killed - told) / 1e9:.2f} s after it was told"
    died = next(act[2] for act in acts if act[0] == "die")
    begun = docker.inspect(api.pod(taker)["containers"][0]["containerId"])["State"]["StartedAt"]
    assert begun > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(died / 1e9)), "both ran on one GPU"

    # The volume stays, and what was saved in the five seconds is there when it is resumed.
    assert docker.volumes(f"gyre.pod={spot['id']}")
    refused = api.call("POST", f"/v1/pods/{spot['id']}/start")
    assert refused.status_code == 409 and refused.json()["code"] == "gpu_taken"
    api.call("DELETE", f"/v1/pods/{taker}")
    one_gpu.until_free(1)
    assert api.post(f"/v1/pods/{spot['id']}/start?bidPerGpu=0.25")["costPerHr"] == 0.25
    api.until(spot["id"], "running")
    assert api.until_logged(spot["id"], "ready").splitlines()[0] == "saved"


def test_bids_on_the_command_line(two_gpus):
    api, cli = two_gpus.api, two_gpus.cli
    price = {"securePrice": 0.44, "secureSpotPrice": 0.2}
    api.post("/v1/catalog/gputypes/NVIDIA%20A40/prices", price)
    time.sleep(0.01)  # a price holds from the next millisecond on
    low, high = (cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--volume", "0", "--disk", "1", *bid,
                     "--wait", "-o", "json").json()["id"] for bid in (("--spot",), ("--bid", "0.3")))
    assert api.pod(low)["bidPerGpu"] == 0.2 and api.pod(high)["bidPerGpu"] == 0.3
    listed = cli("ps").stdout
    assert listed.count("(spot, simulated)") == 2, listed
    refused = cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--bid", "0.19", expect=None)
    assert refused.returncode != 0 and "$0.2" in refused.stderr
    assert "1 spot pods have been stopped" in cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--volume", "0",
                                                  "--disk", "1", "--dry-run").stdout

    taker = api.run(image("hello"))["id"]
    assert api.pod(low)["status"] == "stopped" and api.pod(high)["status"] == "running"
    assert cli("pod", "start", low, "--bid", "0.4", "--wait").returncode == 0
    assert api.until(high, "stopped")["reason"]["code"] == "outbid"
    assert "a bid above its $0.3" in cli("pod", "get", high).stdout
    assert api.pod(taker)["status"] == "running"
    kinds = eventually(lambda: [one["kind"] for one in api.get(f"/v1/pods/{high}/events")], what="events")
    assert "pod.interrupting" in kinds and "pod.stopped" in kinds
