#!/usr/bin/python3
"""The API of a whole server on SQLite.   run.py BIN_FOLDER PART [--seconds 3] [--rounds 5] [--pods 100000] [--minutes 60]

Parts: `graphql` (the largest query of RunPod's clients over the whole HTTP path, of one pod: queries for each second of the server's
processor time), `api` (GET of a pod and POST of a durable pod beside nginx that answers 204, in pairs A B A B: requests for each second of
the server's processor time, the median of the rounds), `restart` (from the start of the server's process to the first answer
about a pod, with so many pods and with one, in pairs) and `overload` (twice the peak rate for so many minutes)."""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time

POD = {"name": "bench", "imageName": "nobody/runs:1", "gpuCount": 1, "gpuTypeIds": ["NVIDIA H100 80GB HBM3"]}
CONNECTIONS = 64
LISTED = 20
OVERLOAD_CONNECTIONS = 3000  # more than the requests that a server keeps in hand
TARGETS = {"GET": 0.35, "POST": 0.12}
NO_LIMIT = ("--limits-requests-per-second", "1000000", "--limits-requests-at-once", "1000000")
NO_LIMIT_OF_PODS = ("--limits-pods-per-workspace", "10000000")

QUERY = ("query myPods { myself { pods { id containerDiskInGb costPerHr desiredStatus dockerArgs dockerId env gpuCount imageName "
         "lastStatusChange machineId memoryInGb name podType port ports uptimeSeconds vcpuCount volumeInGb volumeMountPath "
         "runtime { ports { ip isIpPublic privatePort publicPort type } } machine { gpuDisplayName location } } } }")

NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_rlimit_nofile 20000;
events {{ worker_connections 4000; }}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000000;
  server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu(pid):
    """Seconds of processor time, of a process and its children."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    ticks = 0
    for one in [pid, *children]:
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the server is gone")


class Server:
    def __init__(self, options, folder, *more):
        self.folder, self.port, self.agents_port = pathlib.Path(folder), free_port(), free_port()
        self.folder.mkdir(exist_ok=True)
        self.key_file = self.folder / "key"
        self.command = [str(options.bin / "gyre"), "server", "--data-dir", str(self.folder / "data"), "--listen",
                        f"127.0.0.1:{self.port}", "--agents-listen", f"127.0.0.1:{self.agents_port}", "--first-key",
                        str(self.key_file), "--log-level", "warn", *more]
        self.process = None

    def start(self, core=None):
        """Returns the time at which it was started; on one core when it is named."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GYRE_", "XDG_"))}
        began = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            pinned = [] if core is None else ["taskset", "-c", str(core)]
            self.process = subprocess.Popen([*pinned, *self.command], env=kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return began

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body=json.dumps(body) if body is not None else None,
                           headers={"Authorization": f"Bearer {self.key_file.read_text().strip()}",
                                    "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def first_answer(self, path):
        """Waits for a 200 and returns the time at which it came."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended: {(self.folder / 'log').read_text()[-2000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", path)[0] == 200:
                    return time.monotonic()
            time.sleep(0.005)
        raise SystemExit("no answer for two minutes")

    def make_pod(self):
        status, pod = self.ask("POST", "/v1/pods", POD)
        if status != 201:
            raise SystemExit(f"no pod was made: {status} {pod}")
        return pod["id"]


@contextlib.contextmanager
def share_of_a_core(pid, share):
    """Holds a process to so much of one core (Linux's CFS quota; wants root)."""
    first_version = pathlib.Path("/sys/fs/cgroup/cpu")
    group = (first_version if first_version.is_dir() else pathlib.Path("/sys/fs/cgroup")) / f"gyre-bench-{pid}"
    group.mkdir()
    quota = int(share * 100_000)
    if first_version.is_dir():
        (group / "cpu.cfs_quota_us").write_text(str(quota))
    else:
        (group / "cpu.max").write_text(f"{quota} 100000")
    (group / "cgroup.procs").write_text(str(pid))
    try:
        yield
    finally:
        ((first_version if first_version.is_dir() else pathlib.Path("/sys/fs/cgroup")) / "cgroup.procs").write_text(str(pid))
        group.rmdir()


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder, self.stack = options, pathlib.Path(folder), contextlib.ExitStack()
        self.body = self.folder / "body.json"
        self.body.write_text(json.dumps(POD))
        self.none = self.folder / "none"
        self.none.write_text("")

    def server(self, name, *more, core=None):
        server = Server(self.options, self.folder / name, *more)
        self.stack.callback(server.stop)
        server.start(core)
        server.first_answer("/v1/pods?limit=1")
        return server

    def load(self, port, method, path, keys, connections, seconds, rate=0):
        body = self.body if method == "POST" else self.none
        return subprocess.Popen([str(word) for word in (self.options.bin / "api_load", port, method, path, body, keys, connections,
                                                        seconds, rate)], stdout=subprocess.PIPE, text=True)

    @staticmethod
    def result(load):
        out = load.communicate()[0]
        if load.returncode:
            raise SystemExit("the load generator failed")
        return json.loads(out)

    def measure(self, pid, *load):
        before = cpu(pid)
        found = self.result(self.load(*load))
        spent = cpu(pid) - before
        if found["good"] == 0 or sum(found[name] for name in ("status_429", "status_503", "other", "closed", "cut")):
            raise SystemExit(f"not every request was served: {found}")
        return {"per_cpu_second": found["good"] / spent, "per_second": found["good"] / found["seconds"],
                "p50_us": found["p50_us"], "p99_us": found["p99_us"]}

    def api(self):
        if not shutil.which("nginx"):
            raise SystemExit("nginx is not installed (bench/README.md)")
        ours = self.server("api", *NO_LIMIT)
        pod = ours.make_pod()
        port = free_port()
        path = self.folder / "nginx.conf"
        path.write_text(NGINX.format(folder=self.folder, port=port))
        nginx = subprocess.Popen(["nginx", "-c", str(path)])
        self.stack.callback(nginx.wait)
        self.stack.callback(nginx.terminate)
        time.sleep(1)
        print(f"{'':>4} {'server':>6} {'per cpu second':>15} {'per second':>11} {'p50 us':>7} {'p99 us':>7}")
        ratios = []
        for method, target in (("GET", f"/v1/pods/{pod}"), ("POST", "/v1/pods")):
            found = {"gyre": [], "nginx": []}
            for n in range(self.options.rounds):
                if method == "POST":  # the pods of one round wait in the queue and would slow the next one down
                    ours.stop()
                    ours = self.server(f"api{n}", *NO_LIMIT, *NO_LIMIT_OF_PODS)
                for name, pid, at in (("gyre", ours.process.pid, ours.port), ("nginx", nginx.pid, port)):
                    found[name].append(self.measure(pid, at, method, target, ours.key_file, CONNECTIONS, self.options.seconds))
            for name, all_of_it in found.items():
                one = {key: statistics.median(each[key] for each in all_of_it) for key in all_of_it[0]}
                print(f"{method:>4} {name:>6} {one['per_cpu_second']:>15.0f} {one['per_second']:>11.0f} {one['p50_us']:>7.0f} "
                      f"{one['p99_us']:>7.0f}", flush=True)
            pairs = [a["per_cpu_second"] / b["per_cpu_second"] for a, b in zip(found["gyre"], found["nginx"])]
            ratios.append(f"{method:>4} ours : nginx, requests per cpu second: {statistics.median(pairs):.3f} "
                          f"({min(pairs):.3f} to {max(pairs):.3f}; wanted {TARGETS[method]})")
        print("\n".join(ratios))

    def graphql(self):
        server = self.server("graphql", *NO_LIMIT)
        server.make_pod()
        self.body.write_text(json.dumps({"query": QUERY}))
        _, answer = server.ask("POST", "/graphql", {"query": QUERY})
        if "errors" in answer or len(answer["data"]["myself"]["pods"]) != 1:
            raise SystemExit(f"that is no answer: {answer}")  # 200 says little here
        found = [self.measure(server.process.pid, server.port, "POST", "/graphql", server.key_file, CONNECTIONS,
                              self.options.seconds) for _ in range(self.options.rounds)]
        for key, words in (("per_cpu_second", "queries per cpu second (wanted 8000)"), ("per_second", "a second"), ("p99_us", "p99 us")):
            print(f"{statistics.median(one[key] for one in found):>9.0f} {words}")

    def restart(self):
        made = {}
        for name, count in (("many", self.options.pods), ("one", 1)):
            server = self.server(name)
            pod = server.make_pod()
            server.stop()
            multiply(server.folder / "data/gyre.db", count - 1)
            made[name] = (server, pod)
        found = {name: [] for name in made}
        for _ in range(self.options.rounds):
            for name, (server, pod) in made.items():
                began = server.start()
                found[name].append((server.first_answer(f"/v1/pods/{pod}") - began) * 1000)
                memory = resident_mib(server.process.pid)
                server.stop()
                print(f"{name:>5} {found[name][-1]:>7.0f} ms {memory:>6.0f} MiB", flush=True)
        many, one = (statistics.median(found[name]) for name in ("many", "one"))
        print(f"first answer with {self.options.pods} pods, half queued and half stopped: {many:.0f} ms (wanted < 2000); "
              f"with one: {one:.0f} ms; {many / one:.2f} times")

    def overload(self):
        # The server has one core and the clients have another: who shares one with its clients is never overloaded.
        server = self.server("overload", *NO_LIMIT, "--limits-connections-per-address", "10000",
                             "--limits-requests-in-hand-per-client", "128", core=0)
        os.sched_setaffinity(0, {1})
        if self.options.share:
            self.stack.enter_context(share_of_a_core(server.process.pid, self.options.share))
        for _ in range(LISTED):  # an answer that is work: what one thread can read and another cannot answer is refused
            server.make_pod()
        path = f"/v1/pods?limit={LISTED}"
        keys = self.folder / "keys"
        made = [server.ask("POST", "/v1/apikeys", {"name": f"bench {n}"}) for n in range(100)]
        if any(status != 201 for status, _ in made):
            raise SystemExit(f"no keys were made: {made[-1]}")
        keys.write_text("".join(answer["key"] + "\n" for _, answer in made))
        peak = self.result(self.load(server.port, "GET", path, keys, CONNECTIONS, 5))
        rate = 2 * peak["good"] / peak["seconds"]
        load = self.load(server.port, "GET", path, keys, OVERLOAD_CONNECTIONS, self.options.minutes * 60, rate)
        seen = []
        while load.poll() is None:
            seen.append(resident_mib(server.process.pid))
            time.sleep(1)
        found = self.result(load)
        settled = seen[len(seen) // 10]
        print(f"peak {peak['good'] / peak['seconds']:.0f} a second, p99 {peak['p99_us'] / 1000:.1f} ms; twice that was due for "
              f"{self.options.minutes} minutes")
        sent = sum(found[name] for name in ("good", "status_429", "status_503", "other")) / found["seconds"]
        print(f"answered {sent:.0f} a second, {sent * peak['seconds'] / peak['good']:.2f} times the peak; what was due beyond that "
              f"is unsent, as all {OVERLOAD_CONNECTIONS} connections were waiting")
        print(json.dumps(found))
        parts = [max(seen[len(seen) * n // 6:len(seen) * (n + 1) // 6]) for n in range(6)] if len(seen) > 6 else seen
        print("memory at most, MiB, in each sixth of the time: " + ", ".join(f"{part:.1f}" for part in parts))
        print(f"memory: {settled:.1f} MiB after a tenth of the time, {max(seen):.1f} at most, {seen[-1]:.1f} at the end "
              f"({seen[-1] / settled:.3f} times)")


def multiply(path, count):
    """Copies the one pod of a stopped server: every second copy is stopped, the others wait in the queue."""
    database = sqlite3.connect(path)
    columns = [row[1] for row in database.execute("PRAGMA table_info(pods)")]
    original = dict(zip(columns, database.execute(f"SELECT {','.join(columns)} FROM pods").fetchone()))

    def copy(n):
        changed = original | {"id": f"{n:014d}", "host_name": f"{n:014d}-b8d6e3d4", "queue_order": n + 2,
                              "created_at": original["created_at"] + n}
        if n % 2:
            changed |= {"state": "stopped", "reason": "", "queue_order": None}
        return tuple(changed[column] for column in columns)

    with database:
        database.executemany(f"INSERT INTO pods ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})",
                             map(copy, range(count)))
    database.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("part", choices=["api", "graphql", "restart", "overload"])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pods", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--share", type=float, help="overload: what the server has of its core, 1 unless told")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gyre-bench-") as folder:
        # nginx gives up its rights: what it writes is in this folder.
        os.chmod(folder, 0o755)
        bench = Bench(options, folder)
        with bench.stack:
            getattr(bench, options.part)()


if __name__ == "__main__":
    main()
