"""The life of a pod, as its owner sees it."""

import os
import re
import time

import pytest
import requests

from gyre import eventually, image


def test_a_pod_is_created_runs_and_says_what_it_wrote(api, docker):
    made = api.create(image("hello"), name="first")
    assert made["desiredStatus"] == "RUNNING" and made["name"] == "first"
    pod = api.until(made["id"], "running")
    assert re.fullmatch(r"[a-z0-9]{14}", pod["id"])
    assert pod["imageName"] == image("hello") and pod["gpuCount"] == 1 and pod["simulated"] is True
    assert "hello from gyre" in api.until_logged(pod["id"], "hello from gyre")
    assert "hello on standard error" in api.logs(pod["id"])
    really = docker.inspect(pod["containers"][0]["containerId"])
    assert really["State"]["Running"] is True
    assert pod["containers"][0]["imageDigest"].startswith("sha256:")


def test_variables_ports_and_the_command_reach_the_container(api):
    pod = api.run(image("web"), env={"GREETING": "안녕, 세계", "EMPTY": ""}, ports=["8888/tcp", "9999/http"])
    mapped = eventually(lambda: (api.pod(pod["id"])["portMappings"] or {}).get("8888"), what="a mapped port")
    base = f"http://127.0.0.1:{mapped}"
    eventually(lambda: requests.get(base + "/file.txt", timeout=5).ok, what="the web server")
    answer = requests.get(base + "/cgi-bin/env", timeout=5)
    answer.encoding = "utf-8"
    inside = dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)
    assert inside["GREETING"] == "안녕, 세계" and inside["EMPTY"] == ""
    assert inside["RUNPOD_POD_ID"] == pod["id"]
    assert inside["RUNPOD_TCP_PORT_8888"] == str(mapped)
    assert inside["RUNPOD_GPU_COUNT"] == "1"
    assert inside["RUNPOD_API_KEY"]


def test_the_command_replaces_the_images_own(api):
    pod = api.run(image("hello"), dockerStartCmd=["sh", "-c", "echo 'one  two' $0; exec sleep 1000", "three"])
    assert "one  two three" in api.until_logged(pod["id"], "one  two three")


def test_stop_keeps_the_volume_and_loses_the_container_disk(api, docker):
    look = "cat /workspace/kept /root/lost 2>&1; echo kept > /workspace/kept; echo lost > /root/lost; echo done; exec sleep 1000"
    pod = api.run(image("hello"), dockerStartCmd=["sh", "-c", look], volumeInGb=1, volumeMountPath="/workspace")["id"]
    api.until_logged(pod, "done")
    container = api.pod(pod)["containers"][0]["containerId"]
    stopped = api.post(f"/v1/pods/{pod}/stop")
    assert stopped["desiredStatus"] == "EXITED"
    api.until(pod, "stopped")
    assert docker.request("GET", f"/containers/{container}/json")[0] == 404
    api.post(f"/v1/pods/{pod}/start")
    api.until(pod, "running")
    said = api.until_logged(pod, "done")
    assert said.splitlines()[0] == "kept", said
    assert "/root/lost: No such file" in said or "can't open '/root/lost'" in said, said


def test_delete_removes_everything(api, gyre, docker):
    pod = api.run(image("hello"), volumeInGb=1)["id"]
    label = f"gyre.pod={pod}"
    assert docker.containers(label) and docker.volumes(label)
    assert api.call("DELETE", f"/v1/pods/{pod}").status_code == 204
    api.gone(pod)
    eventually(lambda: not docker.containers(label) and not docker.volumes(label), what="nothing left on the engine")
    assert pod not in [one["id"] for one in api.get("/v1/pods")]


def test_a_pod_of_several_containers_shares_one_network(api, docker):
    helper = {"name": "asker", "imageName": image("hello"),
              "dockerStartCmd": ["sh", "-c", "until wget -qO- http://127.0.0.1:8888/file.txt; do sleep 0.1; done; exec sleep 1000"]}
    pod = api.run(image("web"), containers=[helper])
    assert [container["name"] for container in pod["containers"]][1] == "asker"
    assert "a file from gyre/web" in api.until_logged(pod["id"], "a file from gyre/web", container="asker")
    ids = [container["containerId"] for container in pod["containers"]]
    assert docker.inspect(ids[1])["HostConfig"]["NetworkMode"] == f"container:{ids[0]}"


def test_stop_is_sigterm_five_seconds_sigkill(api):
    pod = api.run(image("stubborn"))["id"]
    api.until_logged(pod, "ready")
    began = time.monotonic()
    api.post(f"/v1/pods/{pod}/stop")
    eventually(lambda: "got SIGTERM" in api.call("GET", f"/v1/pods/{pod}/logs").text, 4, what="SIGTERM at once")
    assert api.pod(pod)["status"] == "stopping"
    api.until(pod, "stopped")
    took = time.monotonic() - began
    assert 4.5 <= took <= 9, f"a container that ignores SIGTERM was stopped after {took:.1f} s"


def test_a_bad_image_fails_with_the_registrys_words(api):
    pod = api.create(os.environ["GYRE_TEST_REGISTRY"] + "/gyre/nothing:1")["id"]
    failed = api.until(pod, "failed")
    assert failed["reason"]["code"] == "image_not_found"
    assert "gyre/nothing:1" in failed["reason"]["text"] and failed["reason"]["fix"]
    assert "manifest unknown" in failed["reason"]["text"] or "not found" in failed["reason"]["text"]


def test_an_image_for_another_platform_is_refused_in_words(api):
    failed = api.until(api.create(image("arm"))["id"], "failed")
    assert failed["reason"]["code"] == "image_wrong_platform" and "arm64" in failed["reason"]["text"]


@pytest.mark.skipif("GYRE_TEST_PRIVATE_REGISTRY" not in os.environ, reason="no registry behind a log-in")
def test_a_private_image_needs_its_credentials(api):
    private = os.environ["GYRE_TEST_PRIVATE_REGISTRY"] + "/gyre/private:1"
    failed = api.until(api.create(private)["id"], "failed")
    assert failed["reason"]["code"] == "image_access_denied"
    user, password = os.environ["GYRE_TEST_PRIVATE_LOGIN"].split(":", 1)
    pod = api.run(private, registryAuth={"username": user, "password": password})
    assert password not in api.call("GET", f"/v1/pods/{pod['id']}").text


def test_a_container_that_ends_is_started_again_with_back_off(api):
    pod = api.create(image("exit"), env={"CODE": "3", "AFTER": "1"}, restartPolicy="always")["id"]
    seen = eventually(lambda: (p := api.pod(pod))["reason"] and "3" in p["reason"]["text"] and p, 60, what="the exit code in words")
    assert seen["desiredStatus"] == "RUNNING"


def test_a_container_that_may_rest_rests(api):
    pod = api.create(image("exit"), env={"CODE": "0"}, restartPolicy="never")["id"]
    ended = api.until(pod, "stopped", "failed")
    assert ended["status"] == "stopped", ended["reason"]


def test_restart_makes_a_new_container(api):
    before = api.run(image("hello"))
    api.post(f"/v1/pods/{before['id']}/restart")

    def renewed():
        after = api.pod(before["id"])
        new = after["containers"] and after["containers"][0]["containerId"] != before["containers"][0]["containerId"]
        return after["status"] == "running" and new and after
    after = eventually(renewed, 60, what="another container")
    assert after["generation"] > before["generation"]


def test_a_following_log_goes_on_until_the_pod_ends(api):
    pod = api.run(image("hello"), dockerStartCmd=["sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done; exec sleep 1000"])["id"]
    with api.session.get(f"{api.url}/v1/pods/{pod}/logs?follow=true", stream=True, timeout=30) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        assert [next(lines) for _ in range(5)] == [f"line {i}" for i in range(1, 6)]
        api.post(f"/v1/pods/{pod}/stop")
        assert list(lines) == []  # ends, and does not hang


def test_logs_since_and_tail(api):
    pod = api.run(image("hello"), dockerStartCmd=["sh", "-c", "seq 1 100; exec sleep 1000"])["id"]
    api.until_logged(pod, "100\n")
    assert api.logs(pod, tail=3) == "98\n99\n100\n"
    stamped = api.logs(pod, tail=1, timestamps="true")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z 100\n", stamped), stamped


def test_events_tell_what_happened_and_can_be_resumed(api):
    pod = api.run(image("hello"))["id"]

    def read(headers, wanted):
        kinds, last = [], None
        with api.session.get(f"{api.url}/v1/events?pod={pod}&after=0" if not headers else f"{api.url}/v1/events?pod={pod}",
                             headers=headers, stream=True, timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer.iter_lines(decode_unicode=True):
                if line.startswith("id:"):
                    last = line[3:].strip()
                if line.startswith("data:"):
                    kinds.append(__import__("json").loads(line[5:])["kind"])
                if wanted in kinds and not line:
                    return kinds, last
        raise AssertionError(f"the stream ended without {wanted}: {kinds}")
    kinds, last = read({}, "pod.running")
    api.post(f"/v1/pods/{pod}/stop")
    later, _ = read({"Last-Event-ID": last}, "pod.stopped")
    assert "pod.running" not in later, "an event was told twice"
    assert len([kind for kind in kinds if kind == "pod.running"]) == 1
    assert [event["kind"] for event in api.get(f"/v1/pods/{pod}/events")]


def test_a_refused_verb_names_those_that_are_possible(api):
    pod = api.run(image("hello"))["id"]
    refused = api.call("POST", f"/v1/pods/{pod}/start")
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "pod_transition_refused" and "stop" in problem["detail"]


def test_a_pods_own_api_key_ends_with_it(api):
    pod = api.run(image("hello"))["id"]
    said = api.until_logged(pod, "RUNPOD_API_KEY=")
    key = re.search(r"^RUNPOD_API_KEY=(\S+)$", said, re.M).group(1)
    own = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{api.url}/v1/pods/{pod}", headers=own, timeout=10).status_code == 200
    assert requests.get(f"{api.url}/v1/pods", headers=own, timeout=10).status_code == 403
    assert api.call("DELETE", f"/v1/pods/{pod}").status_code == 204
    api.gone(pod)
    assert requests.get(f"{api.url}/v1/pods/{pod}", headers=own, timeout=10).status_code == 401


def test_what_fills_a_volume_is_found_as_the_help_says(gyre, api):
    """R-224 to R-226."""
    pod = api.run(image("debian"), volumeInGb=1, dockerStartCmd=["sleep", "1000"])["id"]

    def inside(script):
        return gyre.cli("pod", "exec", pod, "--", "sh", "-c", script).stdout

    inside("mkdir /workspace/a && for i in $(seq 12); do head -c $((i * 100000)) /dev/urandom > /workspace/a/$i; done")
    ten = inside("find /workspace -type f -exec du -h {} + | sort -rh | head -n 10").splitlines()
    assert [line.split()[1] for line in ten] == [f"/workspace/a/{i}" for i in range(12, 2, -1)], ten
    assert re.fullmatch(r"7\.[4-9]M", inside("cd /workspace && du -sh .").split()[0])
    assert inside("df /workspace").splitlines()[1].split()[-1] == "/workspace"
    inside("rm -r /workspace/a")
    assert inside("find /workspace -type f") == ""
