"""What the end-to-end tests are written with: processes, requests, and the engine as it really is."""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.parse

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GYRE_BINARY", ROOT / "build/dev/bin/gyre")).resolve()

(EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NOT_FOUND, EXIT_LOG_IN, EXIT_FORBIDDEN, EXIT_CONFLICT, EXIT_LIMIT, EXIT_TIMED_OUT,
 EXIT_UNREACHABLE) = range(10)  # docs/cli.md


def engine_socket():
    """The path of the engine's socket, or None when there is no engine to test with."""
    path = os.environ.get("GYRE_TEST_DOCKER_SOCKET")
    if not path and os.environ.get("DOCKER_HOST", "").startswith("unix://"):
        path = os.environ["DOCKER_HOST"].removeprefix("unix://")
    return path if path and os.path.exists(path) else None


def image(name):
    return f"{os.environ['GYRE_TEST_REGISTRY']}/gyre/{name}:1"


def eventually(check, timeout=30, every=0.1, what="it"):
    """The first true answer of check(); fails with its last answer after the timeout."""
    deadline = time.monotonic() + timeout
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s; last answer: {answer!r}")
        time.sleep(every)


def has_ended(pid):
    """Gone, or a corpse that nobody has looked at yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # also between opening and reading
        return True


def lasting_ports(count):
    """Ports that no outgoing connection takes while their owner restarts: outside the kernel's own range."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as limits:
        first, last = map(int, limits.read().split())
    found = []
    for port in [*range(12000 + os.getpid() % 5000, first), *range(last + 1, 65536)]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("too few ports are free")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Docker:
    """The container engine, asked directly: what is really there."""

    def __init__(self, path):
        self.path = path

    def request(self, method, target):
        connection = UnixConnection(self.path)
        connection.request(method, target)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if body else None

    def get(self, target):
        status, body = self.request("GET", target)
        assert status == 200, body
        return body

    def lines(self, target):
        """Answers of one JSON object a line."""
        connection = UnixConnection(self.path)
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body
        return [json.loads(line) for line in body.splitlines() if line]

    @staticmethod
    def filters(**having):
        return "filters=" + urllib.parse.quote(json.dumps(having))

    def containers(self, *labels):
        return self.get("/containers/json?all=1&" + self.filters(label=list(labels)))

    def inspect(self, container):
        return self.get(f"/containers/{container}/json")

    def volumes(self, *labels):
        return self.get("/volumes?" + self.filters(label=list(labels)))["Volumes"] or []

    def remove_all(self, *labels):
        for container in self.containers(*labels):
            self.request("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        for volume in self.volumes(*labels):
            self.request("DELETE", f"/volumes/{volume['Name']}?force=1")
        for network in self.get("/networks?" + self.filters(label=list(labels))):
            self.request("DELETE", f"/networks/{network['Id']}")


class EngineProxy:
    """A socket that leads to the engine while it is `up`; taking it away hurts neither the engine nor its containers."""

    def __init__(self, path, engine):
        self.path, self.engine = str(path), engine
        self.connections, self.listener = set(), None
        self.lock = threading.Lock()

    def up(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def down(self):
        if self.listener:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.engine)
            with self.lock:
                self.connections |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class Api:
    """The public API with one key."""

    def __init__(self, url, key):
        self.url, self.key = url, key
        self.session = requests.Session()
        self.session.trust_env = False
        if key:
            self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method, path, **more):
        return self.session.request(method, self.url + path, timeout=30, **more)

    def get(self, path, **more):
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, body=None, expect=(200, 201), **more):
        answer = self.call("POST", path, json={} if body is None else body, **more)
        assert answer.status_code in expect, answer.text
        return answer.json()

    def pod(self, pod):
        return self.get(f"/v1/pods/{pod}")

    def create(self, image_name, expect=(201,), **more):
        body = {"imageName": image_name, "gpuCount": 1, "gpuTypeIds": ["NVIDIA A40"], "containerDiskInGb": 1,
                "volumeInGb": 0, "ports": [], "minRAMPerGPU": 0, "minVCPUPerGPU": 0} | more
        return self.post("/v1/pods", {name: value for name, value in body.items() if value is not None}, expect=expect)

    def until(self, pod, *statuses, timeout=60):
        """The pod once its status is one of these; fails at once when it has failed and that was not asked for."""
        def look():
            seen = self.pod(pod)
            if seen["status"] in statuses:
                return seen
            assert seen["status"] != "failed", seen["reason"]
            return None
        try:
            return eventually(look, timeout, what=f"pod {pod} being {' or '.join(statuses)}")
        except AssertionError as late:
            raise AssertionError(f"{late}: {json.dumps(self.pod(pod), indent=1)}") from None

    def run(self, image_name, **more):
        """A pod that runs."""
        return self.until(self.create(image_name, **more)["id"], "running")

    def logs(self, pod, **query):
        answer = self.call("GET", f"/v1/pods/{pod}/logs", params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def until_logged(self, pod, text, timeout=30, **query):
        return eventually(lambda: text in (said := self.logs(pod, **query)) and said, timeout, what=f"{text!r} in the log")

    def gone(self, pod, timeout=60):
        eventually(lambda: self.call("GET", f"/v1/pods/{pod}").status_code == 404, timeout, what=f"pod {pod} being gone")


class Gyre:
    """One server and one agent of their own, started and stopped as a user would."""

    def __init__(self, folder, engine=None, simulate="NVIDIA A40:4", language="en_US.UTF-8"):
        self.data = pathlib.Path(folder) / "data"
        self.home = pathlib.Path(folder) / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.engine, self.simulate, self.language = engine, simulate, language
        self.said = None
        self.binary = BINARY
        self.settings = {}  # GYRE_... variables for every command

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GYRE_", "XDG_"))}
        return kept | {"HOME": str(self.home), "LC_ALL": self.language} | self.settings | more

    def cli(self, *arguments, expect=EXIT_OK, env=None, timeout=120, **more):
        """Runs the command line. The answer has .stdout, .stderr and .json()."""
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([str(self.binary), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env=self.environment(**(env or {})), **more)
        assert expect is None or done.returncode == expect, \
            f"exit code {done.returncode} instead of {expect}\n{done.stdout}\n{done.stderr}"
        done.json = lambda: json.loads(done.stdout)
        return done

    def up(self, *more, expect=EXIT_OK):
        arguments = ["up", "--data", self.data, "--detach", "-o", "json"]
        if not self.said and not (self.data / "gyre.yaml").exists():
            arguments += ["--listen", "127.0.0.1:0"]
        if self.simulate:
            arguments += ["--simulate-gpus", self.simulate]
        if self.engine:
            arguments += ["--engine", self.engine]
        done = self.cli(*arguments, *more, expect=expect)
        if expect == EXIT_OK:
            self.said = done.json()
        return done

    def down(self, *more):
        return self.cli("down", "--data", self.data, *more)

    @property
    def api(self):
        return Api(self.said["url"], self.said["apiKey"])

    def host(self):
        return self.api.get(f"/v1/hosts/{self.said['hostId']}")

    def kill(self, which):
        """SIGKILL to the server or the agent; returns when it is gone."""
        pid = self.said["pid" if which == "server" else "agentPid"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: has_ended(pid), what=f"the {which} ending")

    def until_free(self, count):
        """Returns when so many of its GPUs are in nobody's hands: a deleted pod has its own until its containers are gone."""
        eventually(lambda: sum(not gpu["podId"] for gpu in self.host()["gpus"]) >= count, 60, what=f"{count} free GPUs")

    def until_empty(self):
        """Returns when no pod holds anything of its host: a deleted one has its vCPUs, too, until its containers are gone."""
        eventually(lambda: self.host()["pods"] == 0, 60, what="a host that nobody has anything of")

    def label(self):
        return f"gyre.host={self.said['hostId']}"

    def clean(self):
        """Everything ends, and what it made on the engine is removed."""
        self.down()
        if self.said and engine_socket():
            Docker(engine_socket()).remove_all(self.label())
        if os.environ.get("GYRE_TEST_KEEP") is None:
            shutil.rmtree(self.data, ignore_errors=True)

    def logs(self):
        return {name: (self.data / f"{name}.log").read_text(errors="replace")
                for name in ("server", "agent") if (self.data / f"{name}.log").exists()}


def stranger_key(gyre):
    """A key of another person in a workspace of their own, written by hand, as nobody can be invited yet."""
    key, name, now = "rpa_" + secrets.token_hex(20).upper(), "x" + secrets.token_hex(6), int(time.time() * 1000)
    with sqlite3.connect(gyre.data / "gyre.db", timeout=20) as db:
        db.execute("INSERT INTO accounts (id, name, is_operator, status, created_at) VALUES (?, 'stranger', 0, 'active', ?)", (name, now))
        db.execute("INSERT INTO workspaces (id, kind, name, created_at) VALUES (?, 'personal', 'elsewhere', ?)", (name, now))
        db.execute("INSERT INTO memberships (workspace, account, role, created_at) VALUES (?, ?, 'admin', ?)", (name, name, now))
        db.execute("INSERT INTO api_keys (id, workspace, account, name, digest, last_characters, scope, enabled, created_at)"
                   " VALUES (?, ?, ?, 'k', ?, ?, 'read_write', 1, ?)",
                   (name, name, name, hashlib.sha256(key.encode()).hexdigest(), key[-4:], now))
    return key
