"""Logs: which stream of them, and what outlives restarts."""

from gyre import eventually, image

def test_a_stream_of_the_log_can_be_chosen(api):
    pod = api.run(image("hello"))["id"]
    api.until_logged(pod, "hello on standard error")
    assert "standard error" not in api.logs(pod, stream="stdout")
    assert api.logs(pod, stream="stderr") == "hello on standard error\n"
    assert api.call("GET", f"/v1/pods/{pod}/logs?stream=both").json()["field"] == "stream"


def test_a_log_outlives_the_restart_of_server_and_agent(fresh_gyre):
    pod = fresh_gyre.api.run(image("hello"))["id"]
    fresh_gyre.api.until_logged(pod, "hello from gyre")
    fresh_gyre.kill("server")
    fresh_gyre.kill("agent")
    fresh_gyre.up()
    fresh_gyre.api.until(pod, "running")
    eventually(lambda: fresh_gyre.api.call("GET", f"/v1/pods/{pod}/logs").status_code == 200, 20, what="a log")
    assert "hello from gyre" in fresh_gyre.api.logs(pod)
