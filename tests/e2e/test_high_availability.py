"""Several servers on one PostgreSQL: one leads, the others take over, and nobody's work notices."""

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

from gyre import BINARY, EXIT_UNREACHABLE, ROOT, Api, Docker, engine_socket, eventually, image

# A takeover is under 5 s after a crash (the lease of 3 s, one look, the start of the services) and under 1 s after
# SIGTERM on a machine that is not busy with the rest of the tests; here only that it comes without help.
TAKEOVER_LIMIT = 30.0


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

    def start(self, *more, env=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GYRE_", "XDG_"))}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(BINARY), *map(str, self.arguments), *map(str, more)], stdout=log,
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
        self.database = self.folder / "database"
        self.postgres("start")
        url = self.postgres("url")
        self.postgres_folder = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["host"][0]
        ports = free_ports(6)
        agents = [f"127.0.0.1:{port}" for port in ports[3:]]
        self.servers = [Server(self.folder, f"server{n}", url, ports[n], ports[3 + n], agents) for n in range(3)]
        self.agent = None
        self.host = None
        self.key = None

    def postgres(self, verb):
        done = subprocess.run([str(ROOT / "tests/postgres.sh"), verb, str(self.database)], capture_output=True, text=True,
                              timeout=60, cwd=ROOT)
        if done.returncode == 3:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

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
        log = open(self.folder / "agent.log", "ab")
        self.agent = subprocess.Popen([str(BINARY), "agent", "run", "--data", str(data), "--engine", str(engine),
                                       "--simulate-gpus", "NVIDIA A40:8", "--listen-address", "127.0.0.1"],
                                      stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.host = eventually(lambda: (hosts := self.api.get("/v1/hosts")) and hosts[0]["online"] and hosts[0]["id"], 30,
                               what="the host being online")

    def leader(self, timeout=60):
        return eventually(lambda: next((one for one in self.servers if one.process and one.leads()), None), timeout,
                          every=0.02, what="a leader")

    @property
    def api(self):
        return Api(self.leader().url, self.key)

    def logs(self):
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))}

    def clean(self):
        if self.agent:
            self.agent.terminate()
            self.agent.wait(30)
        for server in self.servers:
            server.end()
        self.postgres("stop")
        shutil.rmtree(self.postgres_folder, ignore_errors=True)  # may be outside of ours, see tests/postgres.sh
        if self.host and engine_socket():
            Docker(engine_socket()).remove_all(f"gyre.host={self.host}")


@pytest.fixture
def installation(tmp_path):
    made = Installation(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.clean()


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
    assert writer.answers <= {(201, None), (503, "standing_by"), (503, "no_leader"), (503, "shutting_down")}, writer.answers
    found = pods_by_name(installation.api)
    assert {name: found.get(name) for name in writer.acknowledged} == writer.acknowledged


def test_killing_the_leader_loses_nothing_that_was_acknowledged(installation, engine, docker):
    installation.start_agent(engine)
    pod = installation.api.run(image("hello"), name="worker")
    before = identity(docker, pod)
    writer = Writer(installation)
    writer.start()
    takeovers = []
    for _ in range(2):
        written = len(writer.acknowledged)
        eventually(lambda: len(writer.acknowledged) >= written + 5, 60, what="pods being acknowledged")
        leader = installation.leader()
        leader.signal(signal.SIGKILL)
        began = time.monotonic()
        leader.process.wait(10)
        leader.process = None
        successor = installation.leader()
        takeovers.append(time.monotonic() - began)
        assert successor is not leader
        written = len(writer.acknowledged)
        eventually(lambda: len(writer.acknowledged) >= written + 5, 60, what="pods being acknowledged again")
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
    """An upgrade without a newer version: what it does to clients and containers is the same."""
    installation.start_agent(engine)
    pod = installation.api.run(image("hello"), name="worker")
    before = identity(docker, pod)
    writer = Writer(installation)
    writer.start()
    leader = installation.leader()
    for server in [*(one for one in installation.servers if one is not leader), leader]:
        written = len(writer.acknowledged)
        eventually(lambda: len(writer.acknowledged) >= written + 5, 60, what="pods being acknowledged")
        server.signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        server.start()
        eventually(lambda: server.stands_by() or server.leads(), 60, what="the restarted one being back")
        assert identity(docker, pod) == before
    written = len(writer.acknowledged)
    eventually(lambda: len(writer.acknowledged) >= written + 5, 60, what="pods being acknowledged at the end")
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
