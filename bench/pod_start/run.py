#!/usr/bin/python3
"""How long a pod takes to start beside a container that is started by hand.   run.py BIN_FOLDER [--rounds 15]

In turns, with a warm image: `POST /v1/pods` to one server with one agent, and the same body that its agent then gave the engine,
given to the engine by hand (create, start). Both end with the first line that the container's program wrote, by the engine's own
clock. Between the agent and the engine a relay (load.cpp) notes when the engine is first asked about the pod: from the sending of
the request to there is our own share.
Wants the environment of tests/images/engines.sh; `./dev bench pod-start` starts it."""

import argparse
import datetime
import json
import os
import pathlib
import queue
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
import gyre as e2e  # noqa: E402

POD = {"gpuCount": 1, "gpuTypeIds": ["NVIDIA A40"], "containerDiskInGb": 1, "volumeInGb": 0, "ports": [], "minRAMPerGPU": 0,
       "minVCPUPerGPU": 0, "dockerEntrypoint": [], "dockerStartCmd": ["sh", "-c", "echo up; exec sleep 1000"]}


class Load:
    """pod_start_load: sends the requests, and hears what the engine is asked."""

    def __init__(self, program, socket, engine):
        self.process = subprocess.Popen([program, socket, engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answers, self.asked = queue.Queue(), []
        threading.Thread(target=self._hear, daemon=True).start()
        e2e.eventually(lambda: os.path.exists(socket), what="the relay listening")

    def _hear(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "sent" in said:
                self.answers.put(said)
            else:
                self.asked.append(said)

    def create(self, gyre):
        port = gyre.said["url"].rsplit(":", 1)[1]
        self.process.stdin.write(f"{port} {gyre.said['apiKey']} {json.dumps(POD | {'imageName': e2e.image('hello')})}\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=60)

    def first_asked(self, pod):
        """Seconds at which the engine first heard of the pod."""
        return next(one["at"] for one in self.asked if pod in one["asks"]) / 1e6

    def body(self, pod):
        return next(one["body"] for one in self.asked if pod in one["asks"] and "body" in one)

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


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
    text = json.dumps(body | {"Labels": {"gyre.bench": "1"}})  # not the agent's, and not a stray
    began = time.time()
    container = engine.post(f"/containers/create?name=bench-{secrets.token_hex(6)}", text)["Id"]
    engine.post(f"/containers/{container}/start")
    took = engine.first_line_at(container) - began
    engine.request("DELETE", f"/containers/{container}?force=1&v=1")
    return took


def by_gyre(gyre, engine, load):
    """Until the first line, our own share of it, until the answer: in seconds; and what the engine was given."""
    said = load.create(gyre)
    sent, pod = said["sent"] / 1e6, said["answer"]["id"]
    containers = e2e.eventually(lambda: engine.containers(f"gyre.pod={pod}"), 60, 0.02, "the container")
    took = engine.first_line_at(containers[0]["Id"]) - sent
    gyre.api.until(pod, "running")
    gyre.api.call("DELETE", f"/v1/pods/{pod}")
    gyre.api.gone(pod)
    return took, load.first_asked(pod) - sent, said["answered"] / 1e6 - sent, load.body(pod)


def waits_for_disk(file, pages):
    """Seconds that so many new pages of a file take to be on the disk."""
    os.write(file, bytes(4096 * pages))
    began = time.time()
    os.fdatasync(file)
    return time.time() - began


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    engine = Engine(os.environ["GYRE_TEST_DOCKER_SOCKET"])
    with tempfile.TemporaryDirectory(prefix="gyre-bench-") as folder:
        relay = str(pathlib.Path(folder) / "engine.sock")
        load = Load(options.bin / "pod_start_load", relay, engine.path)
        made = e2e.Gyre(folder, engine=relay)
        made.binary = (options.bin / "gyre").resolve()
        try:
            made.up()
            by_gyre(made, engine, load)  # pulls the image, makes the workspace's network
            ours, shares, answers, hands, disk = [], [], [], [], []
            logs = [os.open(pathlib.Path(folder) / name, os.O_WRONLY | os.O_CREAT) for name in ("server", "agent")]
            for _ in range(options.rounds):
                took, share, answered, body = by_gyre(made, engine, load)
                ours.append(took)
                shares.append(share)
                answers.append(answered)
                hands.append(by_hand(engine, body))
                disk.append(waits_for_disk(logs[0], 24) + waits_for_disk(logs[1], 2))  # what a commit and a journal write
        finally:
            engine.remove_all("gyre.bench=1")
            made.clean()
            load.end()
    ms = 1000
    ratios = [a / b for a, b in zip(ours, hands)]
    print(f"request to first line, median of {options.rounds}: gyre {statistics.median(ours) * ms:.1f} ms, by hand "
          f"{statistics.median(hands) * ms:.1f} ms; gyre : by hand {statistics.median(ratios):.3f} ({min(ratios):.3f} to "
          f"{max(ratios):.3f}; wanted 1.05)")
    print(f"request to the engine's call: p50 {statistics.median(shares) * ms:.1f} ms (wanted 2), p99 "
          f"{percentile(shares, 0.99) * ms:.1f} ms (wanted 6); answered after {statistics.median(answers) * ms:.1f} ms; "
          f"two such waits for the disk alone: p50 {statistics.median(disk) * ms:.1f} ms, p99 {percentile(disk, 0.99) * ms:.1f} ms")


main()
