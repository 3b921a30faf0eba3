#!/usr/bin/python3
"""Our proxy beside nginx and HAProxy on one upstream.   run.py BIN_FOLDER [--seconds 3] [--rounds 5]

For each case: pairs A B A B of ours and each other, the median of the rounds; requests a second, processor time of the
proxy for each request, and the time that the proxy adds to the median at one connection."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

HOST = "pod4321-8888.proxy.localhost"
CASES = [(kind, size, connections) for kind in ("load", "echo") for size in (64, 65536) for connections in (1, 64, 256)]

NGINX = """daemon off; worker_processes {threads}; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000000;
  upstream pod {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://pod; proxy_http_version 1.1; proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_buffering on; }} }} }}
"""
HAPROXY = """global
  nbthread {threads}
  maxconn 8192
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


def cpu(pids):
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def with_children(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *map(int, children)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    started = []

    def start(*command):
        process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    with tempfile.TemporaryDirectory() as folder:
        try:
            upstream = int(start(options.bin / "proxy_load", "upstream").stdout.readline())
            ours = start(options.bin / "proxy_edge", upstream, 10_000, options.threads)
            proxies = {"gyre": (ours.pid, int(ours.stdout.readline()))}
            for name, port, text, command in (("nginx", 28181, NGINX, ["nginx", "-c"]), ("haproxy", 28182, HAPROXY, ["haproxy", "-db", "-f"])):
                if not shutil.which(command[0]):
                    print(f"{name} is not installed")
                    continue
                path = pathlib.Path(folder) / f"{name}.conf"
                path.write_text(text.format(folder=folder, port=port, upstream=upstream, threads=options.threads))
                proxies[name] = (start(*command, path).pid, port)
            time.sleep(1)

            def measure(port, pid, case):
                kind, size, connections = case
                pids = with_children(pid) if pid else []
                before = cpu(pids)
                out = subprocess.run([options.bin / "proxy_load", kind, str(port), HOST, str(size), str(connections),
                                      str(options.seconds)], capture_output=True, text=True)
                if out.returncode:
                    raise SystemExit(f"{case}: {out.stderr}")
                result = json.loads(out.stdout)
                result["cpu_us"] = (cpu(pids) - before) / result["requests"] * 1e6
                return result

            print(f"{'case':>18} {'proxy':>8} {'per second':>11} {'cpu us':>8} {'p50 us':>7} {'p99 us':>7} failed")
            for case in CASES:
                rounds = {name: [] for name in proxies}
                for _ in range(options.rounds):
                    for name, (pid, port) in proxies.items():
                        rounds[name].append(measure(port, pid, case))
                for name, all_of_it in rounds.items():
                    middle = {key: statistics.median(one[key] for one in all_of_it) for key in all_of_it[0]}
                    print(f"{case[0]:>5} {case[1]:>6} {case[2]:>5} {name:>8} {middle['per_second']:>11.0f} {middle['cpu_us']:>8.1f} "
                          f"{middle['p50_us']:>7.0f} {middle['p99_us']:>7.0f} {middle['failed']:.0f}", flush=True)
        finally:
            for process in reversed(started):
                process.terminate()


if __name__ == "__main__":
    main()
