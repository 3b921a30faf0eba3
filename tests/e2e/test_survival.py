"""The law of the house: nothing we do kills work."""

import signal
import os

from gyre import EngineProxy, Gyre, eventually, has_ended, image


def identity(docker, pod):
    """What must not change: which containers, and since when they run."""
    seen = [docker.inspect(container["containerId"]) for container in pod["containers"]]
    return [(one["Id"], one["State"]["StartedAt"], one["State"]["Pid"]) for one in seen]


def test_killing_server_and_agent_leaves_the_containers_as_they_are(fresh_gyre, docker):
    api = fresh_gyre.api
    pods = [api.run(image("hello"), name=f"survivor-{n}") for n in range(2)]
    before = [identity(docker, pod) for pod in pods]

    fresh_gyre.kill("server")
    fresh_gyre.kill("agent")
    assert [identity(docker, pod) for pod in pods] == before
    first = fresh_gyre.said
    fresh_gyre.up()
    assert fresh_gyre.said["url"] == first["url"] and fresh_gyre.said["apiKey"] == first["apiKey"]

    api = fresh_gyre.api
    for pod, was in zip(pods, before):
        after = api.until(pod["id"], "running", timeout=20)
        assert identity(docker, after) == was
        assert after["generation"] == pod["generation"]
    # And it is not only a picture: the agent obeys.
    api.post(f"/v1/pods/{pods[0]['id']}/stop")
    api.until(pods[0]["id"], "stopped")


def test_killing_the_agent_alone_leaves_the_pod_running(fresh_gyre, docker):
    pod = fresh_gyre.api.run(image("hello"))
    before = identity(docker, pod)
    fresh_gyre.kill("agent")
    fresh_gyre.up()
    after = fresh_gyre.api.until(pod["id"], "running")
    assert identity(docker, after) == before
    assert fresh_gyre.host()["pods"] == 1 and fresh_gyre.host()["stray"] == []


def test_a_container_that_dies_while_nobody_watches_is_noticed(fresh_gyre, docker):
    api = fresh_gyre.api
    pod = api.run(image("hello"), restartPolicy="never")
    fresh_gyre.kill("server")
    fresh_gyre.kill("agent")
    docker.request("POST", f"/containers/{pod['containers'][0]['containerId']}/kill")
    fresh_gyre.up()
    ended = fresh_gyre.api.until(pod["id"], "failed", "stopped")
    assert "137" in ended["reason"]["text"], ended["reason"]


def test_an_acknowledged_pod_survives_a_kill_at_once(fresh_gyre):
    made = [fresh_gyre.api.create(image("hello"), name=f"n{n}")["id"] for n in range(4)]
    fresh_gyre.kill("server")
    fresh_gyre.up()
    for pod in made:
        fresh_gyre.api.until(pod, "running")


def test_down_leaves_the_containers_and_up_takes_them_over(fresh_gyre, docker):
    pod = fresh_gyre.api.run(image("hello"))
    before = identity(docker, pod)
    fresh_gyre.down()
    assert identity(docker, pod) == before
    fresh_gyre.up()
    assert identity(docker, fresh_gyre.api.until(pod["id"], "running")) == before


def test_down_with_stop_pods_stops_them_first(fresh_gyre, docker):
    pod = fresh_gyre.api.run(image("hello"))
    fresh_gyre.down("--stop-pods")
    assert not [one for one in docker.containers(f"gyre.pod={pod['id']}") if one["State"] == "running"]
    fresh_gyre.up()
    assert fresh_gyre.api.pod(pod["id"])["status"] == "stopped"


def test_without_its_engine_a_host_says_so_and_pods_keep_their_state(engine, docker, tmp_path):
    proxy = EngineProxy(tmp_path / "engine.sock", engine)
    proxy.up()
    gyre = Gyre(tmp_path, engine=proxy.path)
    try:
        gyre.up()
        pod = gyre.api.run(image("hello"))
        before = identity(docker, pod)
        proxy.down()
        unreachable = eventually(lambda: (host := gyre.host()) and not host["engine"]["reachable"] and host, 40,
                                 what="the host showing that its engine is unreachable")
        assert unreachable["engine"]["error"] and unreachable["online"] is True
        assert gyre.api.pod(pod["id"])["status"] == "running"
        # What is asked meanwhile waits and is not lost.
        waiting = gyre.api.create(image("hello"), name="meanwhile")["id"]
        proxy.up()
        eventually(lambda: gyre.host()["engine"]["reachable"], 40, what="the engine being reachable again")
        assert identity(docker, gyre.api.pod(pod["id"])) == before
        gyre.api.until(waiting, "running")
    finally:
        proxy.down()
        proxy.up()
        gyre.clean()
        proxy.down()


def test_sigterm_ends_the_server_properly(fresh_gyre):
    pid = fresh_gyre.said["pid"]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: has_ended(pid), 15, what="the server ending")
    assert not (fresh_gyre.data / "server.json").exists()
    fresh_gyre.up()
    assert fresh_gyre.api.call("GET", "/readyz").status_code == 200
