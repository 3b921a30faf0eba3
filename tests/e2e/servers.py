"""Several servers on one PostgreSQL, an agent, and a client that never gives up."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import uuid

import pytest
import requests

from gyre import BINARY, ROOT, Api, Docker, engine_socket, eventually


def free_ports(count):
    """Ports below those that the system gives to outgoing connections, so that nobody takes them meanwhile."""
    found, candidate = [], 20000 + os.getpid() % 5000
    while len(found) < count:
        candidate += 1
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", candidate)) != 0:
                found.append(candidate)
    return found


class Server:
    """One `gyre server` of the installation."""

    def __init__(self, folder, name, url, port, agents_port, all_agents):
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.url = f"http://127.0.0.1:{port}"
        self.arguments = ["server", "--data-dir", self.data, "--listen", f"127.0.0.1:{port}", "--database", url,
                          "--agents-listen", f"127.0.0.1:{agents_port}",
                          *(word for address in all_agents for word in ("--agents-advertise", address))]
        self.process = None

    def start(self, *more, env=None, binary=BINARY):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GYRE_", "XDG_"))}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(binary), *map(str, self.arguments), *map(str, more)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env=kept | (env or {}))
        return self

    def ask(self, path, **more):
        """The answer, or None when the door is closed."""
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            return requests.get(self.url + path, timeout=2, **more)

    def leads(self):
        answer = self.ask("/readyz")
        return answer is not None and answer.status_code == 200

    def stands_by(self):
        answer = self.ask("/readyz")
        return answer is not None and answer.status_code == 503 and answer.json()["code"] == "standing_by"

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        if self.process:
            self.process.wait(10)


class Installation:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.databases = []
        url = self.open_database()
        ports = free_ports(6)
        agents = [f"127.0.0.1:{port}" for port in ports[3:]]
        self.servers = [Server(self.folder, f"server{n}", url, ports[n], ports[3 + n], agents) for n in range(3)]
        self.agent = None
        self.host = None
        self.key = None

    def open_database(self):
        """Its address. Where it lives is noted in `databases`, for clean()."""
        self.postgres("start")
        self.databases.append(self.postgres_folder())
        return self.postgres("url")

    def postgres_folder(self, name="database"):
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.postgres("url", name)).query)["host"][0]

    def postgres(self, verb, name="database", *more):
        done = subprocess.run([str(ROOT / "tests/postgres.sh"), verb, str(self.folder / name), *map(str, more)],
                              capture_output=True, text=True, timeout=60, cwd=ROOT)
        if done.returncode == 3:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def close_database(self):
        self.postgres("stop")

    def share_files(self, source, target):
        """What docs/operations/high-availability.md says to copy."""
        (target.data / "authority").mkdir(parents=True, mode=0o700, exist_ok=True)
        for name in ("secret.key", "authority/ca.key", "authority/ca.crt"):
            shutil.copy(source.data / name, target.data / name)

    def start(self):
        first, *others = self.servers
        key_file = self.folder / "key"
        first.start("--first-key", key_file)
        eventually(first.leads, 60, what="the first server leading")
        self.key = key_file.read_text().strip()
        for other in others:
            self.share_files(first, other)
            other.start()
        for other in others:
            eventually(other.stands_by, 60, what="the others standing by")

    def start_agent(self, engine):
        leader = self.leader()
        data = self.folder / "agent"
        token = Api(leader.url, self.key).post("/v1/hosts/tokens")["token"]
        joined = subprocess.run([str(BINARY), "agent", "join", "--server", leader.url, "--token", token, "--data", str(data)],
                                capture_output=True, text=True, timeout=60)
        assert joined.returncode == 0, joined.stderr
        self.run_agent(engine)

    def run_agent(self, engine, binary=BINARY):
        """Starts it, or another one in its place."""
        self.end_agent()
        log = open(self.folder / "agent.log", "ab")
        self.agent = subprocess.Popen([str(binary), "agent", "run", "--data", str(self.folder / "agent"), "--engine", str(engine),
                                       "--simulate-gpus", "NVIDIA A40:8", "--listen-address", "127.0.0.1"],
                                      stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.host = eventually(lambda: (hosts := self.api.get("/v1/hosts")) and hosts[0]["online"] and hosts[0]["id"], 60,
                               what="the host being online")

    def end_agent(self):
        if self.agent:
            self.agent.terminate()
            self.agent.wait(30)

    def leader(self, timeout=60):
        return eventually(lambda: next((one for one in self.servers if one.process and one.leads()), None), timeout,
                          every=0.02, what="a leader")

    @property
    def api(self):
        return Api(self.leader().url, self.key)

    def restart_each(self, binary=BINARY, meanwhile=lambda: None):
        """One server after the other, the leader last."""
        leader = self.leader()
        for server in [*(one for one in self.servers if one is not leader), leader]:
            server.signal(signal.SIGTERM)
            assert server.process.wait(60) == 0
            server.start(binary=binary)
            eventually(lambda: server.stands_by() or server.leads(), 60, what="the restarted one being back")
            meanwhile()

    def logs(self):
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))}

    def clean(self):
        self.end_agent()
        for server in self.servers:
            server.end()
        self.close_database()
        for folder in self.databases:
            shutil.rmtree(folder, ignore_errors=True)  # may be outside of ours, see tests/postgres.sh
        if self.host and engine_socket():
            Docker(engine_socket()).remove_all(f"gyre.host={self.host}")


class Replicated(Installation):
    """With a second PostgreSQL that has what the first says is committed (docs/operations/high-availability.md)."""

    def open_database(self):
        super().open_database()
        self.postgres("replica", "copy", self.folder / "database")
        self.databases.append(self.postgres_folder("copy"))
        hosts = "%2C".join(urllib.parse.quote(folder, safe="") for folder in self.databases)
        return f"postgresql://postgres@/postgres?host={hosts}&target_session_attrs=read-write&connect_timeout=3"

    def close_database(self):
        for name in ("copy", "database"):  # the copy first: without it the other waits for nobody
            self.postgres("stop", name)


class Writer(threading.Thread):
    """A client that creates pods, each with an idempotency key, and asks every server until one has acknowledged."""

    def __init__(self, installation):
        super().__init__(daemon=True)
        self.installation, self.ending = installation, threading.Event()
        self.acknowledged, self.answers, self.longest = {}, set(), 0.0

    def run(self):
        number = 0
        while not self.ending.is_set():
            number += 1
            name, key, began = f"w{number}", str(uuid.uuid4()), time.monotonic()
            while not self.ending.is_set():
                if pod := self.create(name, key):
                    self.acknowledged[name] = pod
                    self.longest = max(self.longest, time.monotonic() - began)
                    break
            self.ending.wait(0.1)  # so few that one page of a list has them all

    def create(self, name, key):
        # More GPUs than there are: the pods wait, and nothing but rows is made.
        body = {"name": name, "imageName": "nobody/runs:1", "gpuCount": 8, "gpuTypeIds": ["NVIDIA H100 80GB HBM3"]}
        for server in self.installation.servers:
            with contextlib.suppress(requests.RequestException):
                answer = requests.post(server.url + "/v1/pods", json=body, timeout=5, headers={
                    "Authorization": f"Bearer {self.installation.key}", "Idempotency-Key": key})
                self.answers.add((answer.status_code, answer.json().get("code")))
                if answer.status_code == 201:
                    return answer.json()["id"]
        self.ending.wait(0.05)
        return None

    def goes_on(self):
        """Some more are acknowledged."""
        written = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) >= written + 5, 60, what="pods being acknowledged")

    def end(self):
        self.ending.set()
        self.join(20)
        assert not self.is_alive()


def pods_by_name(api):
    found = {}
    for pod in api.get("/v1/pods?limit=1000"):
        assert pod["name"] not in found, f"{pod['name']} was made twice"
        found[pod["name"]] = pod["id"]
    return found


def identity(docker, pod):
    seen = [docker.inspect(container["containerId"]) for container in pod["containers"]]
    return [(one["Id"], one["State"]["StartedAt"], one["State"]["Pid"]) for one in seen]


def nothing_was_lost(installation, writer):
    """Every request was answered or may be sent again, and what was acknowledged is there, once."""
    assert writer.answers <= {(201, None), (503, "standing_by"), (503, "no_leader"), (503, "shutting_down"),
                              (503, "database_unavailable"), (503, "deposed")}, writer.answers
    found = pods_by_name(installation.api)
    assert {name: found.get(name) for name in writer.acknowledged} == writer.acknowledged
