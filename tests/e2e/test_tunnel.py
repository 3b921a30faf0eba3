"""The agent's tunnel: server and agent in different network namespaces, and no way from the server to the host's ports,
until the host's operator opens one.

The server lives in a namespace of its own with one cable to the host; the engine and its mapped ports are on the host's
127.0.0.1, where nothing leads from there."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from browsers import chromium
from gyre import BINARY, Docker, Gyre, eventually
from namespaces import Namespace
from notebooks import Notebook
from proxied import Web, app

SERVER, HOST = "10.231.77.1", "10.231.77.2"


class Apart(Gyre):
    """`gyre server` in the namespace, `gyre agent run` outside of it."""

    def __init__(self, folder, engine):
        super().__init__(folder, engine=engine)
        self.data.mkdir()
        self.namespace = Namespace("ap", SERVER, HOST)
        self.processes = {}

    def begin(self, name, *command):
        log = open(self.data / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                env=self.environment(GYRE_PROXY_ANSWER_TIMEOUT="5s"))

    def up(self):
        self.namespace.up()
        self.server()
        self.said = {"url": f"http://{SERVER}:7001", "apiKey": (self.data / "key").read_text().strip()}
        token = self.api.post("/v1/hosts/tokens")["token"]
        joined = self.cli("agent", "join", "--data", self.data / "agent", "-o", "json", "--token", token, "--server",
                          self.said["url"])
        self.said["hostId"] = joined.json()["hostId"]
        self.agent()

    def server(self):
        ready = self.data / "server.json"
        ready.unlink(missing_ok=True)
        self.begin("server", *self.namespace.command(), BINARY, "server", "--data-dir", self.data, "--listen",
                   f"{SERVER}:7001", "--agents-listen", f"{SERVER}:7002", "--first-key", self.data / "key")
        eventually(ready.exists, what="the server being ready")

    def agent(self, *flags):
        self.begin("agent", BINARY, "agent", "run", "--data", self.data / "agent", "--engine", self.engine,
                   "--simulate-gpus", self.simulate, *flags)
        eventually(lambda: self.host()["status"] == "listed" and self.host()["online"], what="the agent being there")

    def end(self, name, how=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if process:
            process.send_signal(how)
            process.wait(timeout=30)

    def clean(self):
        for name in ("agent", "server"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.end(name)
        if self.said and "hostId" in self.said:
            Docker(self.engine).remove_all(self.label())
        self.namespace.down()
        shutil.rmtree(self.data, ignore_errors=True)


@pytest.fixture(scope="module")
def gyre(engine, tmp_path_factory):
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    made = Apart(tmp_path_factory.mktemp("gyre"), engine)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def served(gyre):
    return app(gyre.api)


def web(served, **more):
    return Web(served[1], server=SERVER, **more)


def connections(gyre, how):
    """How many the proxy has opened to pods: straight, or through a tunnel."""
    name = f'gyre_proxy_connections_total{{how="{how}"}} '
    lines = gyre.api.call("GET", "/metrics").text.splitlines()
    return sum(float(line[len(name):]) for line in lines if line.startswith(name))


def test_the_server_has_no_way_to_the_hosts_ports(gyre, served, docker):
    container = docker.containers(f"gyre.pod={served[0]}")[0]["Id"]
    ports = docker.inspect(container)["NetworkSettings"]["Ports"]["8888/tcp"][0]
    assert ports["HostIp"] == "127.0.0.1"
    with socket.create_connection(("127.0.0.1", int(ports["HostPort"])), timeout=5):
        pass  # from here there is one
    for address in (HOST, "127.0.0.1"):
        tried = gyre.namespace.run("bash", "-c",
                   f"timeout 2 bash -c '</dev/tcp/{address}/{ports['HostPort']}'", check=False)
        assert tried.returncode != 0


def test_requests_go_through_the_agent(gyre, served):
    with web(served) as one:
        for _ in range(20):
            status, _, body = one.get("/head")
            assert status == 200 and b"X-Forwarded-For: " + HOST.encode() in body
        status, _, body = one.get("/count", f"Content-Length: {1 << 20}", method="POST", body=b"x" * (1 << 20))
        assert status == 200 and body == b"%d\n" % (1 << 20)
    assert connections(gyre, "straight") == 0
    assert connections(gyre, "tunnel") >= 1


def test_a_host_that_opens_its_http_ports_is_reached_straight_and_by_the_tunnel_when_that_fails(gyre, served, docker):
    gyre.end("agent")
    gyre.agent("--http-address", HOST)
    try:
        opened = app(gyre.api)
        container = docker.containers(f"gyre.pod={opened[0]}")[0]["Id"]
        bound = docker.inspect(container)["NetworkSettings"]["Ports"]["8888/tcp"]
        assert {one["HostIp"] for one in bound} == {"127.0.0.1", HOST}
        tunnelled = connections(gyre, "tunnel")
        with web(opened) as one:
            assert one.get("/head")[0] == 200
        assert connections(gyre, "straight") == 1 and connections(gyre, "tunnel") == tunnelled
        # A pod from before is bound on 127.0.0.1 alone.
        with web(served) as one:
            assert one.get("/head")[0] == 200
        # A firewall that swallows what is sent to the new pod's port.
        swallow = ["OUTPUT", "-p", "tcp", "-d", HOST, "--dport", bound[0]["HostPort"], "-j", "DROP"]
        gyre.namespace.run("iptables", "-I", *swallow)
        straight, tunnelled = connections(gyre, "straight"), connections(gyre, "tunnel")
        with web(opened, timeout=60) as one:  # what is no GET never rides on a resting connection
            assert one.get("/count", "Content-Length: 3", method="POST", body=b"xyz")[::2] == (200, b"3\n")
        assert connections(gyre, "straight") == straight + 1, "it was tried"
        assert connections(gyre, "tunnel") == tunnelled + 1
        gyre.api.call("DELETE", f"/v1/pods/{opened[0]}")
        gyre.api.gone(opened[0])
    finally:
        gyre.end("agent")
        gyre.agent()
        eventually(lambda: _ok(served), what="the tunnel being back")


def test_large_downloads_and_upgrades_come_through_whole(served):
    with web(served) as one:
        one.send("GET", f"/big?{64 << 20}")
        assert one.head()[0] == 200
        assert one.download(enough=64 << 20)[0] == 64 << 20
    with web(served) as one:
        one.send("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket")
        assert one.head()[0] == 101
        said = os.urandom(1 << 20)
        one.sock.settimeout(60)
        import threading
        threading.Thread(target=one.sock.sendall, args=(said,)).start()
        assert one.exactly(len(said)) == said
        one.sock.shutdown(socket.SHUT_WR)
        assert one.sock.recv(1) == b""


def test_a_slow_reader_holds_neither_end(gyre, served):
    pids = {name: process.pid for name, process in gyre.processes.items()}
    resident = lambda pid: int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])  # noqa: E731
    before = {name: resident(pid) for name, pid in pids.items()}
    with contextlib.ExitStack() as held:
        for _ in range(20):
            one = held.enter_context(web(served))
            one.send("GET", f"/big?{1 << 28}")
            assert one.head()[0] == 200
        time.sleep(1.5)  # nobody reads: all that can fill up does
        for name, pid in pids.items():
            grown = (resident(pid) - before[name]) / 20
            print(f"\n{name}: {grown:.0f} KiB for each slow reader")
            assert grown < 1536
        with web(served) as quick:  # and others are not held up
            assert quick.get("/head")[0] == 200


def test_an_agents_restart_ends_a_download_so_that_it_can_be_resumed(gyre, served):
    size = 1 << 30
    with web(served, timeout=60) as one:
        one.send("GET", f"/big?{size}")
        assert one.head()[0] == 200
        at, _ = one.download(enough=50 << 20)
        gyre.end("agent", signal.SIGKILL)
        at, cut = one.download(at=at)
        assert 50 << 20 <= at < size and cut, "it must be seen that something is missing"
    with web(served) as one:
        status, _, body = one.get("/head")
        assert status == 502 and b"cannot be reached" in body
    gyre.agent()
    eventually(lambda: _ok(served), what="the tunnel being back")
    with web(served, timeout=60) as one:  # the same container, the rest of the bytes
        one.send("GET", f"/big?{size}", f"Range: bytes={at}-")
        status, headers = one.head()
        assert status == 206 and headers["content-range"].startswith(f"bytes {at}-")
        one.download(at=at, enough=at + (50 << 20))


def _ok(served):
    with web(served) as one:
        return one.get("/head")[0] == 200


def test_a_cable_that_is_cut_and_mended(gyre, served):
    assert _ok(served)
    with web(served) as one:
        one.send("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket")
        assert one.head()[0] == 101
        gyre.namespace.plug("down")
        time.sleep(1)
        gyre.namespace.plug("up")
        # A second is nothing to TCP: what was open goes on.
        one.sock.sendall(b"still here")
        assert one.exactly(10) == b"still here"
    assert _ok(served)


def test_nothing_listens_is_said_through_the_tunnel_too(gyre):
    from gyre import image
    pod = gyre.api.run(image("hello"), ports=["8888/http"])
    with Web(pod["proxyUrls"]["8888"], server=SERVER) as one:
        status, _, body = one.get("/")
        assert status == 502 and b"nothing answers on port 8888" in body
    gyre.api.call("DELETE", f"/v1/pods/{pod['id']}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One for which pods are where the server is, as if it had a domain."""
    yield from chromium(tmp_path_factory.mktemp("chromium"), f"--host-resolver-rules=MAP *.localhost {SERVER}")


def test_jupyter_in_a_browser_goes_through_the_tunnel_too(gyre, browser):
    straight, tunnelled = connections(gyre, "straight"), connections(gyre, "tunnel")
    notebook = Notebook(gyre.api, browser)
    notebook.works()
    assert connections(gyre, "straight") == straight and connections(gyre, "tunnel") > tunnelled
    gyre.api.call("DELETE", f"/v1/pods/{notebook.pod}")
