"""Clients that never give up: each remembers what it was acknowledged, and what it saw running."""

import contextlib
import threading
import time
import traceback
import uuid

import requests

from gyre import Docker, eventually, image

PATIENCE = 300  # seconds for what may wait for a daemon, an agent and a server


class Pod:
    def __init__(self, name, id):
        self.name, self.id = name, id
        self.wanted = "running"  # what was acknowledged last
        self.identity = None     # of its container, since it was seen running after that
        self.former = None       # before it was restarted by order


class Client(threading.Thread):
    def __init__(self, name, url, key, socket, chance, pods_max):
        super().__init__(daemon=True)
        self.label, self.url, self.docker = name, url, Docker(socket)
        self.headers = {"Authorization": f"Bearer {key}"}
        self.chance, self.pods_max = chance, pods_max
        self.pods, self.deleted, self.seen = [], [], set()
        self.made = self.checked = 0
        self.acknowledged = {"create": 0, "stop": 0, "start": 0, "restart": 0, "delete": 0}
        self.refused = {}  # answers that promised nothing, by kind
        self.ending, self.failure = threading.Event(), None

    def run(self):
        try:
            while not self.ending.is_set():
                self.do_something()
        except BaseException:
            self.failure = traceback.format_exc()

    def do_something(self):
        if not self.pods:
            return self.create()
        pod = self.chance.choice(self.pods)
        if pod.wanted == "stopped":
            return self.chance.choice([self.start_again, self.start_again, self.delete])(pod)
        what = self.chance.choice(["create"] * 3 + ["check"] * 2 + ["restart"] * 2 + ["stop", "delete"])
        if what == "create" and len(self.pods) < self.pods_max:
            return self.create()
        {"create": self.delete, "check": self.check, "restart": self.restart, "stop": self.stop, "delete": self.delete}[what](pod)

    # ---- the verbs: each asks until it is acknowledged ----

    def create(self):
        self.made += 1
        name = f"{self.label}-{self.made}"
        body = {"name": name, "imageName": image("hello"), "gpuCount": 1, "gpuTypeIds": ["NVIDIA A40"], "containerDiskInGb": 1,
                "volumeInGb": 0, "ports": [], "minRAMPerGPU": 0, "minVCPUPerGPU": 0}
        answer = self.ask("POST", "/v1/pods", (201,), json=body, headers={"Idempotency-Key": str(uuid.UUID(int=self.chance.getrandbits(128)))})
        pod = Pod(name, answer.json()["id"])
        self.pods.append(pod)
        self.acknowledged["create"] += 1
        # Sometimes something else is asked before it runs.
        if self.chance.random() < 0.2:
            return self.chance.choice([self.stop, self.delete])(pod)
        self.await_running(pod)

    def stop(self, pod):
        self.order(pod, "stop")
        pod.wanted = "stopped"
        if self.chance.random() < 0.7:  # else something else is done meanwhile
            eventually(lambda: self.look(pod)["status"] == "stopped", PATIENCE, what=f"{pod.name} being stopped")

    def start_again(self, pod):
        eventually(lambda: self.look(pod)["status"] == "stopped", PATIENCE, what=f"{pod.name} being stopped")
        self.order(pod, "start")
        pod.wanted = "running"
        self.await_running(pod)

    def restart(self, pod):
        self.order(pod, "restart")
        self.await_running(pod)

    def order(self, pod, verb):
        pod.former, pod.identity = pod.identity or pod.former, None
        self.ask("POST", f"/v1/pods/{pod.id}/{verb}", (200,), again=(409,))
        self.acknowledged[verb] += 1

    def delete(self, pod):
        self.ask("DELETE", f"/v1/pods/{pod.id}", (200, 204), again=(404,))
        self.acknowledged["delete"] += 1
        self.pods.remove(pod)
        self.deleted.append(pod)

    # ---- what is seen ----

    def ask(self, method, path, expected, again=(), headers=None, **more):
        """The answer; `again` is one more that is good after a request whose answer was lost."""
        deadline, unsure = time.monotonic() + PATIENCE, False
        while True:
            kind = "no answer"
            with contextlib.suppress(requests.RequestException):
                answer = requests.request(method, self.url + path, timeout=20, headers=self.headers | (headers or {}), **more)
                if answer.status_code in expected or (unsure and answer.status_code in again):
                    return answer
                kind = f"{answer.status_code} {answer.json().get('code')}"
                assert answer.status_code >= 500 or answer.status_code == 429, f"{method} {path}: {kind}: {answer.text}"
            unsure = True
            self.refused[kind] = self.refused.get(kind, 0) + 1
            assert time.monotonic() < deadline, f"{method} {path} was not answered in {PATIENCE} s: {self.refused}"
            self.ending.wait(0.1) or time.sleep(0.1)

    def look(self, pod):
        return self.ask("GET", f"/v1/pods/{pod.id}", (200,)).json()

    def identity_of(self, container):
        """Which container, since when, which process; None while the daemon is away or does not run it."""
        with contextlib.suppress(OSError, ValueError):
            status, shown = self.docker.request("GET", f"/containers/{container}/json")
            if status == 200 and shown["State"]["Running"]:
                return shown["Id"], shown["State"]["StartedAt"], shown["State"]["Pid"]
        return None

    def await_running(self, pod):
        def runs():
            shown = self.look(pod)
            assert shown["status"] != "failed", f"{pod.name} failed: {shown['reason']}"
            if shown["status"] != "running" or len(shown["containers"]) != 1:
                return None
            found = self.identity_of(shown["containers"][0]["containerId"])
            return found if found != pod.former else None

        pod.identity = eventually(runs, PATIENCE, what=f"{pod.name} running")
        self.seen.add(pod.identity[0])

    def check(self, pod):
        """It is the same container as it was, and nobody has started it again."""
        if pod.wanted != "running" or not pod.identity:
            return
        found = eventually(lambda: self.now(pod), PATIENCE, what=f"Docker telling of {pod.name}")
        assert found == (True, pod.identity), f"{pod.name} was {pod.identity}, is {found}"
        self.checked += 1

    def now(self, pod):
        with contextlib.suppress(OSError, ValueError):
            status, shown = self.docker.request("GET", f"/containers/{pod.identity[0]}/json")
            if status == 404:
                return False, None
            if status == 200:
                return shown["State"]["Running"], (shown["Id"], shown["State"]["StartedAt"], shown["State"]["Pid"])
        return None

    def end(self):
        self.ending.set()
        self.join(2 * PATIENCE)
        assert not self.is_alive(), f"{self.label} hangs"
        assert not self.failure, self.failure
