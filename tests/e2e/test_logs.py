"""Logs in earnest: which of them, how many, and what they cost."""

import pathlib
import re
import threading

from gyre import eventually, image

LINES = 1_000_000


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def test_a_stream_of_the_log_can_be_chosen(api):
    pod = api.run(image("hello"))["id"]
    api.until_logged(pod, "hello on standard error")
    assert "standard error" not in api.logs(pod, stream="stdout")
    assert api.logs(pod, stream="stderr") == "hello on standard error\n"
    assert api.call("GET", f"/v1/pods/{pod}/logs?stream=both").json()["field"] == "stream"


def test_a_million_lines_are_followed_without_loss_and_in_bounded_memory(fresh_gyre, docker):
    api = fresh_gyre.api
    # Waits until it is followed, then writes as fast as it can.
    script = f"while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 1 {LINES}; echo the end; sleep 1000"
    pod = api.run(image("hello"), dockerEntrypoint=["sh", "-c"], dockerStartCmd=[script])
    pids = [fresh_gyre.said["pid"], fresh_gyre.said["agentPid"]]
    before = [rss_kib(pid) for pid in pids]
    peak = list(before)
    stop = threading.Event()

    def watch():
        while not stop.wait(0.05):
            for which, pid in enumerate(pids):
                peak[which] = max(peak[which], rss_kib(pid))
    watcher = threading.Thread(target=watch)
    watcher.start()
    expected, rest = 1, b""
    try:
        with api.session.get(f"{api.url}/v1/pods/{pod['id']}/logs?follow=true", stream=True, timeout=60) as answer:
            assert answer.status_code == 200
            fresh_gyre.cli("pod", "exec", pod["id"], "--", "touch", "/tmp/go")
            for chunk in answer.iter_content(256 * 1024):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line == b"the end":
                        break
                    assert line == str(expected).encode(), f"{line!r} instead of {expected}"
                    expected += 1
                else:
                    continue
                break
    finally:
        stop.set()
        watcher.join()
    assert expected == LINES + 1
    for name, was, most in zip(("server", "agent"), before, peak):
        assert most - was < 64 * 1024, f"the {name} grew from {was} to {most} KiB"
    # Its file on the host is bounded: twice 100 MB.
    config = docker.inspect(pod["containers"][0]["containerId"])["HostConfig"]["LogConfig"]["Config"]
    assert config == {"max-size": "100m", "max-file": "2"}


def test_a_log_outlives_the_restart_of_server_and_agent(fresh_gyre):
    pod = fresh_gyre.api.run(image("hello"))["id"]
    fresh_gyre.api.until_logged(pod, "hello from gyre")
    fresh_gyre.kill("server")
    fresh_gyre.kill("agent")
    fresh_gyre.up()
    fresh_gyre.api.until(pod, "running")
    eventually(lambda: fresh_gyre.api.call("GET", f"/v1/pods/{pod}/logs").status_code == 200, 20, what="a log")
    assert "hello from gyre" in fresh_gyre.api.logs(pod)
