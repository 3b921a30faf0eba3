#!/usr/bin/python3
"""Our proxy beside nginx and HAProxy on one upstream.   run.py BIN_FOLDER [--seconds 3] [--rounds 5] [--only PART]

Parts: `http` and `websocket` (pairs A B A B of ours and each other, the median of the rounds: requests or messages a second,
processor time of the proxy for each, the time that the proxy adds to the median), `idle` (memory of an idle WebSocket), `tunnels`
(memory of an idle connection in a tunnel, at both ends of the link) and `changes` (requests while routes change)."""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

HOST = "pod4321-8888.proxy.localhost"
CASES = [(size, connections) for size in (64, 65536) for connections in (1, 64, 256)]
ROUTES = 10_000
CHANGES = 100  # in a second

NGINX = """daemon off; worker_processes {threads}; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_rlimit_nofile 20000;
events {{ worker_connections 19900; }}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000000; proxy_read_timeout 1h;
  upstream pod {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://pod; proxy_http_version 1.1; proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_buffering on; }} }} }}
"""
HAPROXY = """global
  nbthread {threads}
  maxconn 9800
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{upstream} pool-max-conn 512
"""


def family(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *map(int, children)]


def cpu(pid):
    """Seconds of processor time, of a process and its children."""
    ticks = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """KiB that are resident and its own."""
    kib = 0
    for one in family(pid):
        for line in pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                kib += int(line.split()[1])
    return kib


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder, self.started = options, folder, []
        self.load = options.bin / "proxy_load"

    def start(self, *command):
        process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def ours(self, changes=0):
        process = self.start(self.options.bin / "proxy_edge", self.upstream, ROUTES, self.options.threads, changes)
        return process.pid, int(process.stdout.readline())

    def others(self):
        made = {}
        for name, port, text, command in (("nginx", 28181, NGINX, ["nginx", "-c"]), ("haproxy", 28182, HAPROXY, ["haproxy", "-db", "-f"])):
            if not shutil.which(command[0]):
                print(f"{name} is not installed")
                continue
            path = pathlib.Path(self.folder) / f"{name}.conf"
            path.write_text(text.format(folder=self.folder, port=port, upstream=self.upstream, threads=self.options.threads))
            made[name] = (self.start(*command, path).pid, port)
        time.sleep(1)
        return made

    def measure(self, proxy, kind, size, connections):
        pid, port = proxy
        before = cpu(pid) if pid else 0
        out = subprocess.run([self.load, kind, str(port), HOST, str(size), str(connections), str(self.options.seconds)],
                             capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(f"{kind} {size} {connections}: {out.stderr}")
        result = json.loads(out.stdout)
        result["cpu_us"] = (cpu(pid) - before) / result["requests"] * 1e6 if pid else 0
        return result

    def rounds(self, proxies, case):
        """The median of each figure, by proxy; each round tries them all once."""
        measured = {name: [] for name in proxies}
        for _ in range(self.options.rounds):
            for name, proxy in proxies.items():
                measured[name].append(self.measure(proxy, *case))
        return {name: {key: statistics.median(one[key] for one in all_of_it) for key in all_of_it[0]}
                for name, all_of_it in measured.items()}

    def http(self):
        self.cases("load", "http")

    def websocket(self):
        self.cases("echo", "ws")

    def cases(self, kind, called):
        proxies = {"gyre": self.ours(), **self.others(), "direct": (None, self.upstream)}
        print(f"{'case':>17} {'proxy':>8} {'per second':>11} {'cpu us':>8} {'p50 us':>7} {'p99 us':>7} failed")
        ratios = []
        for case in CASES:
            found = self.rounds(proxies, (kind, *case))
            name = f"{called:>5} {case[0]:>6} {case[1]:>4}"
            for proxy, one in found.items():
                print(f"{name} {proxy:>8} {one['per_second']:>11.0f} {one['cpu_us']:>8.1f} {one['p50_us']:>7.0f} "
                      f"{one['p99_us']:>7.0f} {one['failed']:.0f}", flush=True)
            peers = [found[peer] for peer in ("nginx", "haproxy") if peer in found]
            if not peers:
                continue
            line = f"{name} {found['gyre']['per_second'] / max(one['per_second'] for one in peers):>10.2f}"
            if "nginx" in found:
                line += f" {found['gyre']['per_second'] / found['nginx']['per_second']:>9.2f} {found['gyre']['cpu_us'] / found['nginx']['cpu_us']:>9.2f}"
                line += f" {found['gyre']['p50_us'] - found['direct']['p50_us']:>5.0f} : {found['nginx']['p50_us'] - found['direct']['p50_us']:.0f}"
            ratios.append(line)
        print(f"\n{'ours : theirs':>17} {'/s : best':>10} {'/s : nginx':>9} {'cpu:nginx':>9} {'added p50 us, ours : nginx'}")
        print("\n".join(ratios))

    def idle(self):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        count = min(50_000, (files - 400) // 2)
        print(f"\nidle WebSockets: {count} ({files} open files are allowed to a process here)")
        for name, (pid, port) in {"gyre": self.ours(), **self.others()}.items():
            before = memory(pid)
            clients = self.start(self.load, "idle", port, HOST, count)
            if clients.stdout.readline() != "open\n":
                print(f"{name:>8} could not hold them")
                continue
            each = (memory(pid) - before) / count
            clients.stdin.write("\n")
            clients.stdin.flush()
            print(f"{name:>8} {each:.1f} KiB each; {clients.stdout.readline().strip()} answered afterwards", flush=True)

    def tunnels(self):
        out = subprocess.run([self.options.bin / "proxy_idle_tunnels", "5", "10000"], capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(f"idle tunnels: {out.stderr}")
        found = json.loads(out.stdout)
        print(f"\nidle tunnels: {found['tunnels']} of 5 hosts, {found['server_kib']} KiB each at the server, "
              f"{found['agent_kib']} KiB at the agents; all answered afterwards: {found['all_answered']}")

    def changes(self):
        found = self.rounds({"still": self.ours(), "changing": self.ours(CHANGES)}, ("load", 64, 64))
        print(f"\n{CHANGES} route changes a second, every second one of the pod that is asked for: "
              f"{found['changing']['per_second'] / found['still']['per_second']:.2f} times the requests without, "
              f"{found['changing']['failed']:.0f} failed of {found['changing']['requests']:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["http", "websocket", "idle", "tunnels", "changes"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for part in ("http", "websocket", "idle", "tunnels", "changes"):
            if options.only not in (None, part):
                continue
            bench = Bench(options, folder)
            try:
                bench.upstream = int(bench.start(bench.load, "upstream").stdout.readline())
                getattr(bench, part)()
            finally:
                for process in reversed(bench.started):
                    process.terminate()
                for process in bench.started:
                    process.wait()


if __name__ == "__main__":
    main()
