"""The law of the house on a machine that falls apart: no work is killed, nothing acknowledged is lost."""

import collections
import pathlib
import random
import secrets
import tempfile
import time

import pytest

from clients import PATIENCE, Client
from gyre import Docker, Gyre, eventually
from machine import Clock, Daemon, Disk, remove

CONTAINERS, KILLS = 200, 30
CLIENTS, PODS_EACH = 4, 4  # so many live at a time


class Drill:
    def __init__(self, folder, seed):
        self.folder, self.chance = pathlib.Path(folder), random.Random(seed)
        self.happened = collections.Counter()
        self.clients, self.gyre = [], None
        self.daemon = Daemon(self.folder)
        self.seed = seed

    def start(self):
        self.daemon.start()
        self.server_disk = Disk(self.folder / "server.img", self.folder / "data", 96)
        self.agent_disk = Disk(self.folder / "agent.img", self.folder / "data/agent", 48)
        self.gyre = Gyre(self.folder, engine=self.daemon.socket, simulate=f"NVIDIA A40:{CLIENTS * PODS_EACH}")
        self.clock = Clock(self.folder / "clock")
        self.gyre.settings = self.clock.settings
        self.gyre.up()
        self.clients = [Client(f"client{n}", self.gyre.said["url"], self.gyre.said["apiKey"], self.daemon.socket,
                               random.Random(f"{self.seed}-{n}"), PODS_EACH) for n in range(CLIENTS)]
        for client in self.clients:
            client.start()

    # ---- how it stands ----

    def acknowledged(self):
        return sum((collections.Counter(client.acknowledged) for client in self.clients), collections.Counter())

    def containers(self):
        return sum(len(client.seen) for client in self.clients)

    def kills(self):
        return sum(count for name, count in self.happened.items() if name.startswith("kill "))

    def healthy(self):
        for client in self.clients:
            assert not client.failure, client.failure

    def goes_on(self, more):
        """So many requests later: whatever happened, it works again."""
        before = self.acknowledged().total()

        def did():
            self.healthy()
            return self.acknowledged().total() >= before + more
        eventually(did, PATIENCE, every=0.05, what=f"{more} more requests being acknowledged")
        time.sleep(self.chance.random() * 0.5)  # in the middle of anything

    def refused(self):
        return sum(sum(client.refused.values()) for client in self.clients)

    # ---- what goes wrong ----

    def kill(self, *victims):
        for victim in victims:
            self.daemon.kill() if victim == "dockerd" else self.gyre.kill(victim)
            self.happened[f"kill {victim}"] += 1

    def come_back(self, *victims):
        if "dockerd" in victims:
            self.daemon.start()
        if {"server", "agent"} & set(victims):
            self.gyre.up()

    def kill_and_come_back(self, *victims):
        self.kill(*victims)
        self.come_back(*victims)

    def fill(self, disk, name, victim):
        refused = self.refused()
        disk.fill()
        self.happened[f"full {name}"] += 1
        until = time.monotonic() + 3  # whether or not anything was to be written there meanwhile
        while self.refused() == refused and time.monotonic() < until:
            time.sleep(0.05)
        dies = self.chance.random() < 0.5
        if dies:
            self.kill(victim)
        disk.empty()
        if dies:
            self.come_back(victim)

    def wrong_clock(self):
        """It jumps, somebody may die and come back meanwhile, and it jumps back."""
        self.clock.jump(self.chance.choice((-3600, 3600, 2 * 86400)))
        self.happened["clock jump"] += 1
        self.goes_on(self.chance.randint(2, 4))
        if self.chance.random() < 0.5:
            self.kill_and_come_back(self.chance.choice(("server", "agent")))
        self.clock.jump(0)
        self.happened["clock jump"] += 1

    def disasters(self):
        """Each of them in each round, in another order each time."""
        while True:
            round = [lambda: self.kill_and_come_back("server"), lambda: self.kill_and_come_back("agent"),
                     lambda: self.kill_and_come_back("dockerd"), lambda: self.kill_and_come_back("agent", "dockerd"),
                     lambda: self.kill_and_come_back("server", "agent", "dockerd"),
                     lambda: self.fill(self.server_disk, "server's disk", "server"),
                     lambda: self.fill(self.agent_disk, "agent's disk", "agent"), self.wrong_clock]
            self.chance.shuffle(round)
            yield from round

    # ---- what must be true in the end ----

    def settle(self):
        for client in self.clients:
            client.ending.set()
        for client in self.clients:
            client.end()
        for client in self.clients:
            for pod in client.pods:
                client.await_running(pod) if pod.wanted == "running" and not pod.identity else client.check(pod)
                eventually(lambda: client.look(pod)["status"] == pod.wanted, PATIENCE, what=f"{pod.name} being {pod.wanted}")
        listed = [(pod["name"], pod["id"]) for pod in self.gyre.api.get("/v1/pods?limit=1000")]
        assert sorted(listed) == sorted((pod.name, pod.id) for client in self.clients for pod in client.pods), \
            "the database has other pods than were acknowledged"
        running = {pod.id: pod.identity[0] for client in self.clients for pod in client.pods if pod.wanted == "running"}
        kept = {pod.id for client in self.clients for pod in client.pods}
        docker = Docker(self.daemon.socket)

        def agree():
            there = docker.containers()
            what = {"running": sorted((one["Labels"]["gyre.pod"], one["Id"]) for one in there if one["State"] == "running"),
                    "of no pod": [one["Names"] for one in there if one["Labels"].get("gyre.pod") not in kept],
                    "strays": self.gyre.host()["stray"], "processes": sorted(self.daemon.shims())}
            wanted = {"running": sorted(running.items()), "of no pod": [], "strays": [], "processes": sorted(running.values())}
            self.difference = {key: (what[key], wanted[key]) for key in wanted if what[key] != wanted[key]}
            return not self.difference
        try:
            eventually(agree, PATIENCE, every=1, what="database and engine agreeing")
        except AssertionError as late:
            raise AssertionError(f"{late}: there is, there should be: {self.difference}") from None
        for client in self.clients:
            for pod in client.pods:
                client.check(pod)

    def tell(self, began):
        refused = sum((collections.Counter(client.refused) for client in self.clients), collections.Counter())
        checked = sum(client.checked for client in self.clients)
        return (f"\ncrash: seed {self.seed}: {self.containers()} containers ran, {self.kills()} kills, "
                f"{time.monotonic() - began:.0f} s\n  happened: {dict(self.happened)}\n  acknowledged: {dict(self.acknowledged())}"
                f"\n  told to try again: {dict(refused)}\n  found as they were: {checked} times\n")

    def logs(self):
        return {path.stem: path.read_text(errors="replace")[-6000:] for path in
                (*self.folder.glob("*.log"), *self.folder.glob("data/*.log"))}

    def clean(self):
        for client in self.clients:
            client.ending.set()
        if self.gyre and self.gyre.said:
            self.gyre.cli("down", "--data", self.gyre.data, expect=None)
        self.daemon.clean()


def test_nothing_acknowledged_is_lost_and_nobody_is_restarted(request, capsys):
    seed = request.config.getoption("seed")
    seed = secrets.randbelow(2**32) if seed is None else seed
    if request.config.getoption("minutes") < 0:
        pytest.fail("--minutes is at least 0")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gyre-crash-"))
    began, drill = time.monotonic(), Drill(folder, seed)
    with capsys.disabled():
        print(f"\ncrash: seed {seed}", flush=True)
    try:
        drill.start()
        drill.goes_on(4)
        for disaster in drill.disasters():
            disaster()
            drill.goes_on(drill.chance.randint(2, 6))
            long_enough = time.monotonic() - began > 60 * request.config.getoption("minutes")
            if drill.containers() >= CONTAINERS and drill.kills() >= KILLS and long_enough:
                break
        drill.settle()
    except BaseException:
        for name, text in drill.logs().items():
            print(f"---- {name} ----\n{text}")
        raise
    finally:
        with capsys.disabled():
            print(drill.tell(began), flush=True)
        drill.clean()
        remove(folder)
