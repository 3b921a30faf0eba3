#!/usr/bin/python3
"""How long a pod takes to start beside a container that is started by hand.   run.py GYRE [--rounds 15]

In turns, with a warm image: `POST /v1/pods` to one server with one agent, and the same body that its agent then gave the engine,
given to the engine by hand (create, start). Both end with the first line that the container's program wrote, by the engine's own
clock. Between the agent and the engine a relay notes when the engine first hears of the pod (it is asked for the image): from the
request to there is our own share.
Wants the environment of tests/images/engines.sh; `./dev bench pod-start` starts it."""

import argparse
import datetime
import json
import os
import pathlib
import secrets
import socket
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
import gyre as e2e  # noqa: E402

WORDS = ["sh", "-c", "echo up; exec sleep 1000"]


class Relay:
    """The engine's socket with an ear: when images were asked for, and with what containers were created."""

    def __init__(self, path, engine):
        self.path, self.engine = str(path), engine
        self.pulls = []  # when: the first that the engine hears of a pod
        self.bodies = []  # of each POST /containers/create
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.engine)
            threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source, sink, asks):
        try:
            while data := source.recv(1 << 20):
                if asks and data.startswith(b"POST") and b"/images/create" in data[:200]:
                    self.pulls.append(time.time())
                if asks and data.startswith(b"POST") and b"/containers/create" in data[:200]:
                    while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < length_of(data):
                        data += source.recv(1 << 20)
                    self.bodies.append(data.split(b"\r\n\r\n", 1)[1])
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def length_of(request):
    for line in request.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise SystemExit("the agent gives bodies in another way than this bench can read")


class Engine(e2e.Docker):
    def post(self, target, body=b""):
        connection = e2e.UnixConnection(self.path)
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{target}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def first_line_at(self, container):
        """When the engine read the program's first line."""
        def look():
            connection = e2e.UnixConnection(self.path)
            connection.request("GET", f"/containers/{container}/logs?stdout=1&timestamps=1")
            text = connection.getresponse().read()
            connection.close()
            return text[8:].split(b" ")[0].decode() if b"up" in text else None
        stamp = e2e.eventually(look, 60, 0.02, "the first line")
        whole, part = stamp.rstrip("Z").split(".")
        at = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
        return at.timestamp() + float("0." + part)


def by_hand(engine, body):
    body = json.loads(body)
    body["Labels"] = {"gyre.bench": "1"}  # not the agent's, and not a stray
    text = json.dumps(body)
    began = time.time()
    container = engine.post(f"/containers/create?name=bench-{secrets.token_hex(6)}", text)["Id"]
    engine.post(f"/containers/{container}/start")
    took = engine.first_line_at(container) - began
    engine.request("DELETE", f"/containers/{container}?force=1&v=1")
    return took


def by_gyre(api, engine, relay):
    pulls = len(relay.pulls)
    began = time.time()
    pod = api.create(e2e.image("hello"), dockerEntrypoint=[], dockerStartCmd=WORDS)["id"]
    containers = e2e.eventually(lambda: engine.containers(f"gyre.pod={pod}"), 60, 0.02, "the container")
    took = engine.first_line_at(containers[0]["Id"]) - began
    share = relay.pulls[pulls] - began
    api.until(pod, "running")
    api.call("DELETE", f"/v1/pods/{pod}")
    api.gone(pod)
    return took, share


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gyre", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    engine = Engine(os.environ["GYRE_TEST_DOCKER_SOCKET"])
    with tempfile.TemporaryDirectory(prefix="gyre-bench-") as folder:
        relay = Relay(pathlib.Path(folder) / "engine.sock", engine.path)
        made = e2e.Gyre(folder, engine=relay.path)
        made.binary = options.gyre.resolve()
        try:
            made.up()
            by_gyre(made.api, engine, relay)  # pulls the image, makes the workspace's network
            ours, shares, hands = [], [], []
            for _ in range(options.rounds):
                took, share = by_gyre(made.api, engine, relay)
                ours.append(took)
                shares.append(share)
                hands.append(by_hand(engine, relay.bodies[-1]))
        finally:
            engine.remove_all("gyre.bench=1")
            made.clean()
    ms = 1000
    ratios = [a / b for a, b in zip(ours, hands)]
    print(f"request to first line, median of {options.rounds}: gyre {statistics.median(ours) * ms:.1f} ms, by hand "
          f"{statistics.median(hands) * ms:.1f} ms; gyre : by hand {statistics.median(ratios):.3f} ({min(ratios):.3f} to "
          f"{max(ratios):.3f}; wanted 1.05)")
    print(f"request to the engine's call: p50 {statistics.median(shares) * ms:.1f} ms (wanted 2), p99 "
          f"{percentile(shares, 0.99) * ms:.1f} ms (wanted 6)")


main()
