"""Several servers on one PostgreSQL: one leads, the others take over, and nobody's work notices."""

import contextlib
import os
import signal
import threading
import time

import requests

from gyre import EXIT_UNREACHABLE, Api, eventually, image
from servers import Writer, identity, nothing_was_lost, pods_by_name

# A takeover is under 5 s after a crash (the lease of 3 s, one look, the start of the services) and under 1 s after
# SIGTERM on a machine that is not busy with the rest of the tests; here only that it comes without help.
TAKEOVER_LIMIT = 30.0


def test_killing_the_leader_loses_nothing_that_was_acknowledged(installation, engine, docker):
    installation.start_agent(engine)
    pod = installation.api.run(image("hello"), name="worker")
    before = identity(docker, pod)
    writer = Writer(installation)
    writer.start()
    takeovers = []
    for _ in range(2):
        writer.goes_on()
        leader = installation.leader()
        leader.signal(signal.SIGKILL)
        began = time.monotonic()
        leader.process.wait(10)
        leader.process = None
        successor = installation.leader()
        takeovers.append(time.monotonic() - began)
        assert successor is not leader
        writer.goes_on()
        assert identity(docker, pod) == before
        leader.start()
        eventually(leader.stands_by, 60, what="the killed one standing by after its restart")
    writer.end()
    print(f"takeovers: {takeovers}; acknowledged: {len(writer.acknowledged)}; longest wait: {writer.longest:.2f} s")
    assert max(takeovers) < TAKEOVER_LIMIT
    nothing_was_lost(installation, writer)
    # The agent has found the new leader by itself, and obeys it.
    eventually(lambda: installation.api.get(f"/v1/hosts/{installation.host}")["online"], 60, what="the host being online")
    assert identity(docker, installation.api.until(pod["id"], "running", timeout=60)) == before
    installation.api.post(f"/v1/pods/{pod['id']}/stop")
    installation.api.until(pod["id"], "stopped")


def test_restarting_one_server_after_the_other_fails_no_request_and_touches_no_container(installation, engine, docker):
    installation.start_agent(engine)
    pod = installation.api.run(image("hello"), name="worker")
    before = identity(docker, pod)
    writer = Writer(installation)
    writer.start()

    def meanwhile():
        assert identity(docker, pod) == before
        writer.goes_on()
    installation.restart_each(meanwhile=meanwhile)
    writer.end()
    print(f"acknowledged: {len(writer.acknowledged)}; longest wait: {writer.longest:.2f} s")
    nothing_was_lost(installation, writer)
    eventually(lambda: installation.api.get(f"/v1/hosts/{installation.host}")["online"], 60, what="the host being online")
    assert identity(docker, installation.api.until(pod["id"], "running", timeout=60)) == before


def test_a_leader_that_was_stopped_and_wakes_changes_nothing(installation):
    old = installation.leader()
    api = Api(old.url, installation.key)
    body = {"name": "before", "imageName": "nobody/runs:1", "gpuCount": 8, "gpuTypeIds": ["NVIDIA H100 80GB HBM3"]}
    kept = api.post("/v1/pods", body)["id"]
    old.signal(signal.SIGSTOP)
    began = time.monotonic()
    # It still accepts connections: what is written to it waits for the moment when it wakes.
    results = []

    def speak(method, path, **more):
        with contextlib.suppress(requests.RequestException):
            results.append(requests.request(method, old.url + path, timeout=60, **more,
                                            headers={"Authorization": f"Bearer {installation.key}"}).status_code)
    speakers = [threading.Thread(target=speak, args=("POST", "/v1/pods"), kwargs={"json": body | {"name": "ghost"}}, daemon=True),
                threading.Thread(target=speak, args=("DELETE", f"/v1/pods/{kept}"), daemon=True),
                threading.Thread(target=speak, args=("GET", f"/v1/pods/{kept}"), daemon=True)]
    for speaker in speakers:
        speaker.start()
    others = [one for one in installation.servers if one is not old]
    new = eventually(lambda: next((one for one in others if one.leads()), None), 60, every=0.02, what="another one leading")
    assert time.monotonic() - began < TAKEOVER_LIMIT
    made = Api(new.url, installation.key).post("/v1/pods", body | {"name": "after"})["id"]

    old.signal(signal.SIGCONT)
    assert old.process.wait(60) == EXIT_UNREACHABLE, "a deposed leader ends, and says so"
    for speaker in speakers:
        speaker.join(30)
    assert set(results) <= {503}, results
    assert "another server has taken the lead" in old.log.read_text()
    assert pods_by_name(Api(new.url, installation.key)) == {"before": kept, "after": made}
    old.start()
    eventually(old.stands_by, 60, what="the deposed one standing by after its restart")
    assert new.leads()


def test_a_leader_that_is_told_to_stop_hands_over_at_once(installation):
    leader = installation.leader()
    others = [one for one in installation.servers if one is not leader]
    leader.signal(signal.SIGTERM)
    assert leader.process.wait(60) == 0
    began = time.monotonic()
    eventually(lambda: any(one.leads() for one in others), 60, every=0.02, what="another one leading")
    assert time.monotonic() - began < TAKEOVER_LIMIT


def test_what_a_server_that_stands_by_answers(installation):
    leader = installation.leader()
    other = next(one for one in installation.servers if one is not leader)
    assert other.ask("/healthz").status_code == 200
    assert "gyre_leading 0" in other.ask("/metrics").text and "gyre_leading 1" in leader.ask("/metrics").text
    refused = requests.post(other.url + "/v1/pods", json={}, timeout=5)
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
    assert refused.json()["code"] == "standing_by" and refused.json()["args"] == {"leader": leader.url}
    assert requests.post(other.url + "/v1/pods", json={}, timeout=5,
                         headers={"Accept-Language": "ko"}).json()["detail"].endswith("처리합니다")


def test_a_server_with_a_key_of_its_own_is_refused(installation):
    other = eventually(lambda: next((one for one in installation.servers if one.stands_by()), None), 60,
                       what="one standing by")
    other.end()
    other.process = None
    (other.data / "secret.key").write_bytes(os.urandom(32))
    other.start()
    assert other.process.wait(60) != 0
    assert f"{other.data}/secret.key" in other.log.read_text()
    installation.share_files(installation.leader(), other)
    other.start()
    eventually(other.stands_by, 60, what="it standing by with the right key")


def test_a_restart_of_postgresql_needs_no_restart_of_gyre(installation):
    before = [one.process.pid for one in installation.servers]
    leader, kept = installation.leader(), pods_by_name(installation.api)
    installation.postgres("stop")
    stopped = time.monotonic()
    eventually(lambda: all((answer := one.ask("/v1/pods", headers={"Authorization": f"Bearer {installation.key}"}))
                           is not None and answer.status_code >= 500 for one in installation.servers), 20,
               what="every server saying that it cannot")
    assert all(one.ask("/readyz") is not None for one in installation.servers)
    eventually(lambda: time.monotonic() - stopped > 4, 10, what="the lease having run out")
    installation.postgres("start")
    api = installation.api
    body = {"name": "after", "imageName": "nobody/runs:1", "gpuCount": 8, "gpuTypeIds": ["NVIDIA H100 80GB HBM3"]}
    made = api.post("/v1/pods", body)["id"]
    assert pods_by_name(api) == kept | {"after": made}
    # Longer away than the lease: who led gets the time of a lease to say that it is still there. Only where that was too
    # short (a busy machine) another one leads, and the first has ended and said why.
    now = installation.leader()
    assert now is leader or leader.process.wait(60) == EXIT_UNREACHABLE, leader.log.read_text()[-2000:]
    others = [one for one in installation.servers if one is not leader]
    assert [one.process.poll() for one in others] == [None, None]
    assert {one.process.pid for one in installation.servers} == set(before)


def test_postgresql_dies_and_its_copy_takes_over(replicated, engine, docker):
    replicated.start_agent(engine)
    pod = replicated.api.run(image("hello"), name="worker")
    before = identity(docker, pod)
    writer = Writer(replicated)
    writer.start()
    writer.goes_on()
    replicated.postgres("kill")
    replicated.postgres("promote", "copy")
    writer.goes_on()
    writer.end()
    nothing_was_lost(replicated, writer)
    eventually(lambda: replicated.api.get(f"/v1/hosts/{replicated.host}")["online"], 60, what="the host being online")
    assert identity(docker, replicated.api.until(pod["id"], "running", timeout=60)) == before
    # Who leads is written in the copy, too: a leader that dies now is followed by another.
    leader = replicated.leader()
    leader.signal(signal.SIGKILL)
    leader.process.wait(10)
    leader.process = None
    nothing_was_lost(replicated, writer)
