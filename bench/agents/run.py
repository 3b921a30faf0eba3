#!/usr/bin/python3
"""What ten thousand agents cost a server that has nothing else to do.   run.py BIN_FOLDER [--agents 10000] [--seconds 60]

Every agent has a connection of its own (gRPC, mutual TLS, on loopback) and reports every 5 s. Printed: the server's processor
time and memory while all report, how long a host that fell silent was still shown as online, and how long all took to come back
to a server that was started again."""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
import run as whole  # noqa: E402

REPORT_EVERY, OFFLINE_AFTER = 5, 45


class Agents:
    def __init__(self, options, data):
        self.process = subprocess.Popen([str(options.bin / "agents_load"), str(data), str(options.agents)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.first = self.process.stdout.readline().split()[1]
        self.connected, self.reports = 0, 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.connected, self.reports = map(int, line.split())

    def tell(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def until_connected(self, count, patience=600):
        began = time.monotonic()
        while self.connected != count:
            if self.process.poll() is not None:
                raise SystemExit("the agents are gone")
            if time.monotonic() - began > patience:
                raise SystemExit(f"only {self.connected} of {count} agents connected within {patience} s")
            time.sleep(0.05)
        return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gyre-bench-") as folder:
        server = whole.Server(options, pathlib.Path(folder) / "server")
        server.start()
        server.first_answer("/v1/pods?limit=1")
        server.stop()
        agents = Agents(options, server.folder / "data")
        try:
            server.start()
            server.first_answer("/v1/pods?limit=1")
            empty = whole.resident_mib(server.process.pid)
            agents.tell(f"go 127.0.0.1:{server.agents_port}")
            took = agents.until_connected(options.agents)
            print(f"{options.agents} agents connected in {took:.1f} s", flush=True)
            time.sleep(2 * REPORT_EVERY)
            spent, sent, began = whole.cpu(server.process.pid), agents.reports, time.monotonic()
            time.sleep(options.seconds)
            passed = time.monotonic() - began
            spent, sent = whole.cpu(server.process.pid) - spent, agents.reports - sent
            memory = whole.resident_mib(server.process.pid)
            print(f"while they report: {spent / passed:.3f} of a core (wanted 0.15), {sent / passed:.0f} reports a second, "
                  f"{spent / max(1, sent) * 1e6:.0f} us each; {memory:.0f} MiB (wanted 150), {empty:.0f} without agents", flush=True)

            agents.tell("silence")
            silent = time.monotonic()
            while server.ask("GET", f"/v1/hosts/{agents.first}")[1]["online"]:
                if time.monotonic() - silent > 10 * OFFLINE_AFTER:
                    raise SystemExit("a silent host stays online")
                time.sleep(0.1)
            print(f"a host that fell silent was offline {time.monotonic() - silent:.1f} s later (limit {OFFLINE_AFTER} s; wanted "
                  f"{OFFLINE_AFTER + REPORT_EVERY + 1} at most)", flush=True)

            server.stop()
            agents.until_connected(0)
            server.start()
            server.first_answer("/v1/pods?limit=1")
            took = agents.until_connected(options.agents)
            print(f"all were back {took:.1f} s after a restarted server's first answer (wanted {REPORT_EVERY})", flush=True)
        finally:
            agents.process.kill()
            server.stop()


main()
