"""Gyre on machines of other kinds: with PostgreSQL, Podman, a certificate of its own, and under systemd."""

import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest
import requests

from gyre import ROOT, BINARY, Docker, Gyre, eventually, image, lasting_ports
from test_survival import identity


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, timeout=60,
                          **more).stdout


# ---- ports ----

def test_what_is_written_down_lies_outside_the_range_of_outgoing_connections(gyre, api):
    with open("/proc/sys/net/ipv4/ip_local_port_range") as limits:
        first, last = map(int, limits.read().split())
    pod = api.run(image("hello"), ports=["8888/tcp"])
    ready = gyre.data / "gyre.yaml"
    chosen = [int(port) for port in re.findall(r":(\d+)\"", ready.read_text())] + list(pod["portMappings"].values())
    assert len(chosen) == 3, ready.read_text()
    assert not [port for port in chosen if first <= port <= last], chosen


# ---- PostgreSQL ----

@pytest.fixture
def postgres():
    """The address of a database of the test's own."""
    server = os.environ.get("GYRE_TEST_POSTGRES_URL")
    if not server:
        pytest.skip("no PostgreSQL: set GYRE_TEST_POSTGRES_URL (see tests/postgres.sh)")
    schema = f"e2e_{os.getpid()}"
    run("psql", server, "-qc", f"CREATE SCHEMA {schema}")
    yield server + ("&" if "?" in server else "?") + f"options=-csearch_path%3D{schema}"
    run("psql", server, "-qc", f"SET client_min_messages = warning; DROP SCHEMA {schema} CASCADE")


def configured(made, text):
    """Writes the server's configuration before its first start, as an operator may."""
    made.data.mkdir(mode=0o700, parents=True)
    (made.data / "gyre.yaml").write_text(text)


def test_a_pod_outlives_a_server_whose_state_is_in_postgresql(engine, docker, tmp_path, postgres):
    made = Gyre(tmp_path, engine=engine)
    port, agents = lasting_ports(2)
    configured(made, f'listen: ["127.0.0.1:{port}"]\nagents: {{listen: "127.0.0.1:{agents}"}}\n'
                     f'database: "{postgres}"\n')
    try:
        made.up()
        assert not (made.data / "gyre.db").exists()
        pod = made.api.run(image("hello"))
        before = identity(docker, pod)
        made.kill("server")
        assert identity(docker, pod) == before
        made.up()
        after = made.api.until(pod["id"], "running")
        assert identity(docker, after) == before
        made.api.post(f"/v1/pods/{pod['id']}/stop")
        made.api.until(pod["id"], "stopped")
    finally:
        made.clean()


# ---- Podman ----

def test_podman_runs_a_pod_through_its_life(tmp_path):
    path = os.environ.get("GYRE_TEST_PODMAN_SOCKET")
    if not path or not os.path.exists(path):
        pytest.skip("no Podman: set GYRE_TEST_PODMAN_SOCKET (see tests/images/engines.sh)")
    made = Gyre(tmp_path, engine=path)
    podman = Docker(path)
    try:
        made.up()
        api = made.api
        pod = api.run(image("hello"), env={"GREETING": "from podman"}, volumeInGb=1)
        container = podman.inspect(pod["containers"][0]["containerId"])
        assert container["State"]["Running"] and "GREETING=from podman" in container["Config"]["Env"]
        before = container["State"]["Pid"]
        made.kill("agent")
        made.up()
        assert podman.inspect(api.until(pod["id"], "running")["containers"][0]["containerId"])["State"]["Pid"] == before
        api.post(f"/v1/pods/{pod['id']}/stop")
        api.until(pod["id"], "stopped")
        assert podman.containers(made.label()) == [] or all(
            not one["State"] == "running" for one in podman.containers(made.label()))
        api.post(f"/v1/pods/{pod['id']}/start")
        api.until(pod["id"], "running")
        assert api.call("DELETE", f"/v1/pods/{pod['id']}").status_code == 204
        api.gone(pod["id"])
        eventually(lambda: podman.containers(made.label()) == [], what="no container left")
        eventually(lambda: podman.volumes(made.label()) == [], what="no volume left")
    finally:
        made.down()
        if made.said:
            podman.remove_all(made.label())
        made.clean()


# ---- TLS ----

@pytest.fixture
def authority(tmp_path):
    """Makes certificates of localhost that an authority of the test signs."""
    folder = tmp_path / "tls"
    folder.mkdir()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        "-subj", "/CN=test authority", "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")

    def issue(serial):
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=localhost", "-keyout", folder / "new.key", "-out", folder / "new.csr")
        run("openssl", "x509", "-req", "-in", folder / "new.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
            "-days", "1", "-set_serial", serial, "-extfile", folder / "names", "-out", folder / "new.crt")
        os.rename(folder / "new.key", folder / "server.key")
        os.rename(folder / "new.crt", folder / "server.crt")
    return folder, issue


def serial_of(port, authorities):
    context = ssl.create_default_context(cafile=authorities)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return int(secure.getpeercert()["serialNumber"], 16)


def test_the_api_has_a_certificate_of_its_own_and_takes_a_new_one_without_a_restart(engine, tmp_path, authority):
    folder, issue = authority
    issue(1001)
    port, agents = lasting_ports(2)
    made = Gyre(tmp_path, engine=engine)
    configured(made, f'listen: ["127.0.0.1:{port}"]\npublic_url: "https://localhost:{port}"\n'
                     f'agents: {{listen: "127.0.0.1:{agents}"}}\n'
                     f'tls: {{certificate: "{folder}/server.crt", key: "{folder}/server.key"}}\n')
    trusted = {"SSL_CERT_FILE": str(folder / "ca.crt")}
    made.environment = lambda **more: Gyre.environment(made, **(trusted | more))
    try:
        made.up()
        assert made.said["url"] == f"https://localhost:{port}"
        assert serial_of(port, folder / "ca.crt") == 1001
        # The command line with the authority, and one that was not told of it.
        assert made.cli("host", "list", "-o", "json").json()
        stranger = made.cli("host", "list", env={"SSL_CERT_FILE": ""}, expect=None)
        assert stranger.returncode != 0 and "certificate" in stranger.stderr.lower()
        issue(1002)
        os.kill(made.said["pid"], signal.SIGHUP)
        eventually(lambda: serial_of(port, folder / "ca.crt") == 1002, 10, what="the new certificate")
        # A key that does not belong to the certificate changes nothing.
        (folder / "server.key").write_text("no key")
        os.kill(made.said["pid"], signal.SIGHUP)
        eventually(lambda: made.logs()["server"].count("configuration reloaded") >= 2, 10, what="the second reload")
        assert serial_of(port, folder / "ca.crt") == 1002
        answer = requests.get(f"https://localhost:{port}/healthz", verify=str(folder / "ca.crt"), timeout=10)
        assert answer.status_code == 200
    finally:
        made.clean()


# ---- systemd ----

def test_the_units_are_what_systemd_understands(tmp_path):
    if not os.path.exists("/usr/bin/systemd-analyze"):
        pytest.skip("no systemd-analyze: install the package systemd")
    for unit in sorted((ROOT / "packaging/systemd").glob("*.service")):
        copy = tmp_path / unit.name
        # The program stands where the package will put it; here it is where it was built.
        copy.write_text(unit.read_text().replace("/usr/bin/gyre", str(BINARY)))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True,
                              timeout=60)
        about_ours = [line for line in done.stderr.splitlines() if unit.name in line]
        assert not about_ours, done.stderr


# ---- disks and networks ----

def test_a_pod_that_overfills_its_disk_is_stopped_and_keeps_its_volume(engine, docker, tmp_path):
    made = Gyre(tmp_path, engine=engine)
    try:
        made.up()
        api = made.api
        pod = api.create(image("hello"), containerDiskInGb=1, volumeInGb=1, restartPolicy="never",
                         dockerStartCmd=["sh", "-c", "dd if=/dev/zero of=/full bs=1M count=1100; sleep 1000"])
        def look():
            seen = api.pod(pod["id"])
            return seen["status"] == "failed" and seen
        # The file system of the engine bounds the disk, or the agent notices: it looks every 30 s.
        failed = eventually(look, 100, what="the pod being stopped")
        assert failed["reason"]["code"] == "container_disk_full", failed["reason"]
        assert "1 GB" in failed["reason"]["text"] or "1.0" in failed["reason"]["text"], failed["reason"]
        assert docker.volumes(made.label()) != []
    finally:
        made.clean()


def test_a_pod_on_a_bounded_disk_cannot_overfill_it_and_runs_on(tmp_path):
    socket_path = os.environ.get("GYRE_TEST_BOUNDED_DOCKER_SOCKET")
    if not socket_path:
        pytest.skip("no engine with bounded disks: GYRE_TEST_BOUNDED_DOCKER_SOCKET (tests/images/engines.sh)")
    subprocess.run(os.environ["GYRE_TEST_BOUNDED_RECOUNT"], shell=True, check=True, timeout=120)
    made = Gyre(tmp_path, engine=socket_path)
    try:
        made.up()
        api = made.api
        pod = api.create(image("fill"), containerDiskInGb=1, env={"MB": "3000"})
        said = eventually(lambda: "MB" in (log := api.logs(pod["id"])) and log, 300,
                          what="the program saying whether it could write")
        assert "could not write 3000 MB" in said
        assert api.pod(pod["id"])["status"] == "running"
    finally:
        made.clean()
        Docker(socket_path).remove_all(made.label())


class Neighbour:
    """Something else that listens on all addresses of this machine."""

    def __enter__(self):
        self.listener = socket.create_server(("0.0.0.0", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()
        return self

    def _answer(self):
        while True:
            try:
                guest, _ = self.listener.accept()
            except OSError:
                return
            guest.sendall(b"HTTP/1.0 200 OK\r\n\r\nneighbour")
            guest.close()

    def __exit__(self, *_):
        self.listener.close()


def test_a_pod_reaches_the_api_of_its_own_host_and_nothing_else_there(engine, docker, tmp_path):
    made = Gyre(tmp_path, engine=engine)
    api_port, agents_port = lasting_ports(2)
    configured(made, f'listen: ["0.0.0.0:{api_port}"]\nagents: {{listen: "0.0.0.0:{agents_port}"}}\n')
    try:
        with Neighbour() as neighbour:
            made.up()
            tries = "gateway=$(ip route | awk '/default/ {print $3}'); for port in %d %d %d; do echo \"port $port: " \
                    "$(timeout 5 wget -qO- http://$gateway:$port/healthz 2>&1 | head -c 200 | tr '\\n' ' ')\"; done; " \
                    "echo done; sleep 1000" % (api_port, agents_port, neighbour.port)
            pod = made.api.run(image("hello"), dockerStartCmd=["sh", "-c", tries])
            said = made.api.until_logged(pod["id"], "done", timeout=60)
            lines = dict(re.findall(r"port (\d+): (.*)", said))
            assert "ok" in lines[str(api_port)].lower(), said
            for closed in (agents_port, neighbour.port):
                assert "refused" in lines[str(closed)] or "unreachable" in lines[str(closed)], said
            assert "neighbour" not in said
    finally:
        made.clean()
