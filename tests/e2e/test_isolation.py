"""Who may do what, generated from the server's own list of routes; what a container can reach; and where secrets are not.

Each is a claim about security, shown against real processes and containers.
"""

import json
import os
import pathlib
import re
import secrets
import socket
import socketserver
import sqlite3
import threading

import pytest
import requests

from gyre import Api, eventually, image, stranger_key

# PATCH of one's own account, with a session only, refused with a code of its own; GraphQL, where each mutation asks for
# the right by itself (test_a_key_that_reads_changes_nothing_over_graphql).
READS_WITHOUT_ACCESS = {"/v1/me", "/graphql", "/v1"}


# ---- every route, every kind of key ----

@pytest.fixture(scope="module")
def keys(gyre):
    """A key of each kind."""
    made = gyre.api.post("/v1/apikeys", {"name": "matrix-reader", "scope": "READ"})
    disabled = gyre.api.post("/v1/apikeys", {"name": "matrix-disabled"})
    assert gyre.api.call("PATCH", f"/v1/apikeys/{disabled['id']}", json={"enabled": False}).status_code == 200
    stranger = stranger_key(gyre)
    return {"none": None, "wrong": "rpa_" + "A" * 40, "disabled": disabled["key"], "reader": made["key"], "stranger": stranger}


def routes(gyre):
    document = requests.get(gyre.said["url"] + "/openapi.json", timeout=30).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict) and "responses" in operation:
                yield method.upper(), path, operation.get("x-gyre-access")


def resources(api):
    """One of each thing that a workspace keeps, by the beginning of its paths."""
    template = api.post("/v1/templates", {"name": "victim", "imageName": "x:1", "isServerless": True})["id"]
    registry = api.post("/v1/containerregistryauth", {"name": "victim", "username": "u", "password": "p"})["id"]
    volume = api.post("/v1/networkvolumes", {"name": "victim", "size": 1, "dataCenterId": "LOCAL"})["id"]
    endpoint = api.post("/v1/endpoints", {"templateId": template})["id"]
    return {
        "/v1/templates/": template,
        "/v1/endpoints/": endpoint,
        "/v1/secrets/": api.post("/v1/secrets", {"name": "victim", "value": "v"})["id"],
        "/v1/containerregistryauth/": registry,
        "/v1/networkvolumes/": volume,
        "/v2/templates/": template,
        "/v2/registries/": registry,
        "/v2/network-volumes/": volume,
        "/v2/serverless/": endpoint,
    }


def expected(access, who, path, method):
    """Which statuses are right. A number above 0 is the only right one; "in" is anything but 401 and 403."""
    if access == "open" or (access == "guest" and who == "none"):
        return "open"
    if who in ("none", "wrong", "disabled"):
        return 401
    if access == "admin":
        return 403
    if access == "writer" and who == "reader":
        return 403
    if who == "stranger" and "{" in path:
        return 404
    return "in"


def test_a_key_that_reads_changes_nothing_over_graphql(gyre, keys):
    def ask(who, document):
        return requests.post(gyre.said["url"] + "/graphql", json={"query": document}, timeout=30,
                             headers={"Authorization": f"Bearer {keys[who]}"})
    names = [field["name"] for field in ask("reader", "{ __schema { mutationType { fields { name } } } }").json()["data"]
             ["__schema"]["mutationType"]["fields"]]
    assert len(names) >= 15 and {"podTerminate", "saveTemplate", "secretCreate"} <= set(names)
    arguments = {"deleteTemplate": 'templateName: "x"', "deleteEndpoint": 'id: "x"', "secretDelete": 'id: "x"',
                 "deleteRegistryAuth": 'registryAuthId: "x"', "saveTemplate":
                 'input: {name: "x", imageName: "x", containerDiskInGb: 1, volumeInGb: 0, env: []}',
                 "saveRegistryAuth": 'input: {name: "x", username: "u", password: "p"}',
                 "updateRegistryAuth": 'input: {id: "x", username: "u", password: "p"}',
                 "secretCreate": 'input: {name: "x", value: "v"}', "updateUserSettings": 'input: {pubKey: ""}',
                 "updateEndpointTemplate": 'input: {templateId: "x", endpointId: "x"}', "saveEndpoint": 'input: {name: "x"}',
                 "podFindAndDeployOnDemand": 'input: {imageName: "x"}', "deployCpuPod": 'input: {imageName: "x"}',
                 "podRentInterruptable": 'input: {imageName: "x", bidPerGpu: 1}', "podBidResume": 'input: {podId: "x", bidPerGpu: 1}'}
    for name in names:
        call = f"{name}({arguments.get(name, 'input: {podId: %s}' % json.dumps('x'))})"
        nothing = name in ("podTerminate", "deleteTemplate", "deleteEndpoint", "deleteRegistryAuth", "secretDelete")
        answer = ask("reader", f"mutation {{ {call} {'' if nothing else '{ id }'} }}")
        assert answer.status_code == 200, answer.text
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["access_denied"], (name, answer.text)
    assert ask("wrong", "{ myself { id } }").status_code == 401 and ask("disabled", "{ myself { id } }").status_code == 401


def test_every_route_lets_in_exactly_whom_it_says(gyre, keys):
    """The matrix: each route of /openapi.json with each kind of key, on things of somebody else."""
    pod = gyre.api.run(image("hello"), name="victim")["id"]
    key = gyre.api.post("/v1/apikeys", {"name": "victim-key"})["id"]
    kept = resources(gyre.api)
    # The catalogue is the same for everybody: there it is asked for what nobody has.
    things = {"/v1/hosts/": gyre.said["hostId"], "/v1/apikeys/": key, "/v2/catalog/": "nothing"} | kept
    before = (gyre.api.pod(pod)["generation"], gyre.api.pod(pod)["name"])
    asked, wrong = 0, []
    for method, path, access in routes(gyre):
        assert access in ("open", "guest", "reader", "writer", "admin"), f"{method} {path} does not say who may use it"
        target = path
        for name in re.findall(r"{(\w+)}", path):
            thing = next((one for prefix, one in things.items() if path.startswith(prefix)), pod)
            target = target.replace("{%s}" % name, thing)
        for who, secret in keys.items():
            right = expected(access, who, path, method)
            if right == "in" and who == "reader" and method != "GET" and path not in READS_WITHOUT_ACCESS:
                wrong.append(f"{method} {path} changes something and needs only to read")
                continue
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            # A body that no route can act on: a stranger must be turned away before it is looked at, or by it.
            body = None if method in ("GET", "HEAD", "DELETE") else "{}"
            with requests.request(method, gyre.said["url"] + target, headers=headers | {"Content-Type": "application/json"},
                                  data=body, stream=True, timeout=30, allow_redirects=False) as answer:
                status = answer.status_code
                code = answer.json().get("code") if status in (401, 403) else None
            asked += 1
            if path in READS_WITHOUT_ACCESS and method != "GET" and right == "in":
                good = status in (400, 403) and code in (None, "session_needed")
            elif right == "open":
                good = code not in ("not_logged_in", "access_denied")
            elif right == "in":
                good = status not in (401, 403) and status < 500
            else:
                good = status == right or (right == 404 and status in (400, 422))  # the body may be looked at first
            if not good:
                wrong.append(f"{method} {path} ({access}) as {who}: {status} {code}, expected {right}")
    assert not wrong, "\n".join(wrong)
    assert asked >= 5 * 25, f"only {asked} requests: is the list of routes complete?"
    left = gyre.api.pod(pod)
    assert left["status"] == "running" and (left["generation"], left["name"]) == before
    assert [one["enabled"] for one in gyre.api.get("/v1/apikeys") if one["id"] == key] == [True]
    assert gyre.host()["status"] == "listed"
    for prefix, one in kept.items():
        assert gyre.api.call("GET", prefix + one).status_code == 200, f"{prefix}{one} is gone"
    gyre.api.call("DELETE", f"/v1/pods/{pod}")


def test_a_stranger_cannot_tell_what_exists(gyre, api, keys):
    """Somebody else's pod and a pod that never was get the same words."""
    stranger = Api(gyre.said["url"], keys["stranger"])
    pod = api.create(image("hello"))["id"]
    nowhere = "a" * len(pod)
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("POST", "/start"), ("GET", "/logs"), ("GET", "/events")):
        theirs, none = (stranger.call(method, f"/v1/pods/{one}{path}") for one in (pod, nowhere))
        assert theirs.status_code == none.status_code == 404, f"{method} {path}"
        assert theirs.json()["detail"].replace(pod, nowhere) == none.json()["detail"], f"{method} {path}"


# ---- from inside a container ----

INSIDE = r"""
say() { echo "CHECK $1: $2"; }
try() { name=$1; shift; if ( "$@" ) > /tmp/out 2>&1; then say "$name" open; else say "$name" closed; fi; }
for s in /var/run/docker.sock /run/docker.sock /run/podman/podman.sock /run/containerd/containerd.sock; do try "engine socket $s" test -e $s; done
for n in net pid mnt ipc uts; do say "namespace $n" "$(readlink /proc/self/ns/$n)"; done
say interfaces "$(ls /sys/class/net | tr '\n' ' ')"
say devices "$(ls /dev | tr '\n' ' ')"
say capabilities "$(sed -n 's/^CapEff:\t//p' /proc/self/status) $(sed -n 's/^CapBnd:\t//p' /proc/self/status)"
say privileges "$(sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
say seccomp "$(sed -n 's/^Seccomp:\t//p' /proc/self/status)"
for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/panic_on_oom /proc/sys/net/ipv4/ip_forward; do
  try "write $f" sh -c ": >> $f"; done
try "read /proc/kcore" sh -c 'dd if=/proc/kcore of=/dev/null bs=1 count=1 && test -s /proc/kcore'
for d in /sys/kernel /sys/module /proc/sys; do try "mkdir or write $d" sh -c "touch $d/gyre-was-here || mkdir $d/gyre-was-here"; done
# Under version 1 /sys/fs/cgroup itself is the container's own empty tmpfs: what counts is a real control group.
try "new control group" sh -c 'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -e $d/cgroup.procs ] && mkdir $d/gyre-was-here && exit 0; done; exit 1'
try "write a control group" sh -c 'for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/release_agent; do [ -e $f ] && echo 1 > $f && exit 0; done; exit 1'
try "mount" mount -t tmpfs none /mnt
try "mknod" mknod /tmp/disk b 8 0
try "new namespace" unshare -m true
try "chroot out" sh -c 'chroot /proc/1/root test -e /proc/1/root/var/lib/dpkg'
try "kernel log" dmesg
try "metadata" sh -c 'nc -w 3 169.254.169.254 80 < /dev/null'
gateway=$(ip route | awk '/default/ {print $3}')
try "service of the host at its gateway" sh -c "nc -w 3 $gateway $HOST_PORT < /dev/null | grep greetings"
try "neighbour of another workspace" sh -c "nc -w 3 $FOREIGN 7777 < /dev/null | grep greetings"
try "neighbour of one's own workspace" sh -c "nc -w 3 $OWN 7777 < /dev/null | grep greetings"
say volumes "$(grep ' /workspace ' /proc/self/mountinfo | awk '{print $4}')"
try "volume of another workspace" sh -c "grep -rqs TREASURE /workspace /mnt /var/lib"
echo "CHECK end: end"
sleep 1000
"""


@pytest.fixture(scope="module")
def greeter():
    """The port of a service of this host that listens on every address, as many do, and greets who connects."""
    class Greet(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"greetings\n")

    with socketserver.ThreadingTCPServer(("0.0.0.0", 0), Greet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as here:
            assert here.recv(20) == b"greetings\n"
        yield port
        server.shutdown()


@pytest.fixture(scope="module")
def inside(gyre, keys, docker, greeter):
    """What a container found when it tried to get out: {"mount": "closed", ...}."""
    greet = ["sh", "-c", "echo TREASURE > /workspace/treasure; while true; do echo greetings | nc -l -p 7777; done"]
    stranger = Api(gyre.said["url"], keys["stranger"])
    foreign = stranger.run(image("hello"), dockerStartCmd=greet, volumeInGb=1)["id"]
    own = gyre.api.run(image("hello"), dockerStartCmd=greet)["id"]

    def address(pod):
        (container,) = docker.containers(f"gyre.pod={pod}")
        (network,) = docker.inspect(container["Id"])["NetworkSettings"]["Networks"].values()
        return network["IPAddress"]

    pod = gyre.api.run(image("hello"), dockerStartCmd=["sh", "-c", INSIDE], volumeInGb=1,
                       env={"FOREIGN": address(foreign), "OWN": address(own), "HOST_PORT": str(greeter)})["id"]
    log = gyre.api.until_logged(pod, "CHECK end", timeout=60)
    found = dict(re.findall(r"^CHECK ([^:]+): ?(.*)$", log, re.MULTILINE))
    yield found
    for api, one in ((stranger, foreign), (gyre.api, own), (gyre.api, pod)):
        api.call("DELETE", f"/v1/pods/{one}")


@pytest.mark.parametrize("way_out", [
    "engine socket /var/run/docker.sock", "engine socket /run/docker.sock", "engine socket /run/podman/podman.sock",
    "engine socket /run/containerd/containerd.sock", "write /proc/sysrq-trigger", "write /proc/sys/kernel/core_pattern",
    "write /proc/sys/kernel/modprobe", "write /proc/sys/vm/panic_on_oom", "write /proc/sys/net/ipv4/ip_forward",
    "read /proc/kcore", "new control group", "write a control group", "mkdir or write /sys/kernel", "mkdir or write /sys/module",
    "mkdir or write /proc/sys", "mount", "mknod", "new namespace", "chroot out", "kernel log", "metadata",
    "service of the host at its gateway", "neighbour of another workspace", "volume of another workspace"])
def test_a_way_out_of_a_container_is_closed(inside, way_out):
    if way_out == "volume of another workspace":
        assert inside[way_out] == "closed", "another workspace's file was found"
    assert inside[way_out] == "closed"


def test_the_network_between_pods_of_one_workspace_is_open(inside):
    """Else the test of the foreign neighbour would show nothing."""
    assert inside["neighbour of one's own workspace"] == "open"


def test_a_container_has_namespaces_of_its_own(inside):
    for name in ("net", "pid", "mnt", "ipc", "uts"):
        assert inside[f"namespace {name}"] and inside[f"namespace {name}"] != os.readlink(f"/proc/self/ns/{name}"), name
    assert set(inside["interfaces"].split()) <= {"lo", "eth0", "bonding_masters", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0",
                                                 "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"}, inside["interfaces"]


def test_a_container_has_no_device_of_the_host(inside):
    harmless = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
                "tty", "urandom", "zero"}
    assert set(inside["devices"].split()) <= harmless, inside["devices"]


def test_a_container_has_no_capability_that_reaches_beyond_it(inside):
    dangerous = {2: "DAC_READ_SEARCH", 12: "NET_ADMIN", 13: "NET_RAW", 16: "SYS_MODULE", 17: "SYS_RAWIO", 19: "SYS_PTRACE",
                 21: "SYS_ADMIN", 22: "SYS_BOOT", 25: "SYS_TIME", 27: "MKNOD", 34: "SYSLOG", 38: "PERFMON", 39: "BPF"}
    effective, bounding = (int(text, 16) for text in inside["capabilities"].split())
    assert [name for bit, name in dangerous.items() if (effective | bounding) >> bit & 1] == []
    assert inside["privileges"] == "1" and inside["seccomp"] == "2"


# ---- secrets ----

def test_secrets_are_in_no_log_no_metric_and_no_list_of_processes(fresh_gyre):
    """A run with secrets in every place that takes one; then they are looked for in all that is written or shown."""
    gyre, api = fresh_gyre, fresh_gyre.api
    mark = secrets.token_hex(8)
    known = {name: f"{name}-{mark}" for name in ("variable", "registry", "idempotency", "password", "wrongkey", "argument")}
    pod = api.create(image("hello"), env={"TOKEN": known["variable"]}, registryAuth={"username": "u", "password": known["registry"]},
                     dockerStartCmd=["sh", "-c", f": {known['argument']}; exec sleep 1000"])["id"]
    eventually(lambda: api.pod(pod)["status"] in ("running", "failed"), 60, what="the pod being on its host")
    made = api.post("/v1/apikeys", {"name": "secret"})
    token = api.post("/v1/hosts/tokens", {})["token"]
    known |= {"key": made["key"], "join": token, "first": gyre.said["apiKey"],
              "login": gyre.said["console"].split("token=")[1].split("&")[0]}
    # Mistakes are logged more than what works.
    url = gyre.said["url"]
    for query in ({"api_key": known["wrongkey"]}, {"api_key": made["key"]}, {"api_key": made["key"], "limit": "x"}):
        requests.get(url + "/v1/pods", params=query, timeout=10)
    requests.post(url + "/v1/auth/login", json={"email": "a@b.example", "password": known["password"]}, timeout=10)
    requests.post(url + "/v1/auth/one-time", json={"token": known["login"] + "x", "password": known["password"]}, timeout=10)
    requests.post(url + "/v1/hosts/join", json={"token": token, "csr": "no", "hostname": "h"}, timeout=10)
    requests.post(url + "/v1/pods", data='{"env": {"TOKEN": "' + known["variable"] + '"}, "nonsense": ',
                  headers={"Authorization": f"Bearer {made['key']}", "Content-Type": "application/json"}, timeout=10)
    api.call("POST", "/v1/pods", json={"imageName": image("hello"), "env": {"TOKEN": known["variable"], "0 bad": "x"}},
             headers={"Idempotency-Key": known["idempotency"]})
    gyre.cli("pod", "list", "--api-key", made["key"])
    shown = gyre.logs() | {"metrics": requests.get(url + "/metrics", timeout=10).text,
                           "openapi": requests.get(url + "/openapi.json", timeout=10).text,
                           "events": api.call("GET", f"/v1/pods/{pod}/events").text,
                           "processes": "\n".join(pathlib.Path(f"/proc/{gyre.said[pid]}/cmdline").read_text()
                                                  for pid in ("pid", "agentPid"))}
    assert "request" in shown["server"] and "order accepted" in shown["agent"], "the logs say nothing: this shows nothing"
    leaks = [f"{name} is in {where}" for name, secret in known.items() for where, text in shown.items() if secret in text]
    assert not leaks, leaks
    pod_key = [line.split("=", 1)[1] for line in api.logs(pod).splitlines() if line.startswith("RUNPOD_API_KEY=")]
    assert not [key for key in pod_key for text in shown.values() if key and key in text]
    with sqlite3.connect(f"file:{gyre.data / 'gyre.db'}?mode=ro", uri=True, timeout=20) as db:
        rows = "\n".join(str(row) for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
                         for row in db.execute(f'SELECT * FROM "{table}"'))
    for name in ("key", "join", "first", "login", "registry"):
        assert known[name] not in rows, f"the database holds the {name} as it is, not its digest or sealed"
