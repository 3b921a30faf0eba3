"""What the drill breaks: a Docker daemon of its own, small disks, and the clock of who looks at it."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess

from gyre import BINARY, Docker, eventually, has_ended


def free_network():
    """N of a 10.N.0.0/16 without a route or an address here, from above, as tests/images/engines.sh looks from below."""
    routes = subprocess.run(["ip", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True).stdout
    return next(n for n in range(254, 210, -1) if f"10.{n}." not in routes)


class Clock:
    """The wall clock of processes that run with `settings` (drill_clock.cpp)."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(bytes(8))
        library = BINARY.parents[1] / "tests/crash/libdrill_clock.so"
        assert library.exists(), f"{library} is not built"
        self.settings = {"LD_PRELOAD": str(library), "GYRE_DRILL_CLOCK": str(self.path)}

    def jump(self, seconds):
        """So far from the true time, from now on."""
        with open(self.path, "r+b") as file:  # in place: it is mapped
            file.write(struct.pack("=q", int(seconds * 1e9)))


class Daemon:
    """dockerd as tests/images/engines.sh starts it: its containers outlive it. It leaves iptables to other engines."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.socket = str(self.folder / "docker.sock")
        self.network = free_network()
        self.process = None

    def start(self):
        with open(self.folder / "docker.log", "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", self.folder / "docker", "--exec-root", self.folder / "run", "--pidfile",
                 self.folder / "dockerd.pid", "-H", f"unix://{self.socket}", "--live-restore", "--bridge", "none",
                 "--iptables=false", "--ip6tables=false", "--default-address-pool", f"base=10.{self.network}.0.0/18,size=24"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        eventually(self.answers, 120, what="Docker answering")

    def answers(self):
        assert self.process.poll() is None, "dockerd ended: " + (self.folder / "docker.log").read_text(errors="replace")[-2000:]
        with contextlib.suppress(OSError):
            return Docker(self.socket).request("GET", "/version")[0] == 200

    def kill(self):
        """SIGKILL; its containerd dies with it, and what runs does not."""
        file = self.folder / "run/containerd/containerd.pid"
        containerd = int(file.read_text()) if file.exists() else None
        self.process.kill()
        self.process.wait(60)
        if containerd:
            eventually(lambda: has_ended(containerd), 60, what="containerd ending")
            file.unlink(missing_ok=True)  # where nobody reaps the dead, dockerd would wait for this one for ever

    def shims(self):
        """What really runs under this daemon's containerd, by container: pids of shims."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if pathlib.Path(words[0]).name.startswith("containerd-shim") and "-id" in words \
                        and str(self.folder / "run/containerd/containerd.sock") in words:
                    found.setdefault(words[words.index("-id") + 1], []).append(int(entry.name))
        return found

    def clean(self):
        if self.process and self.process.poll() is None:
            with contextlib.suppress(AssertionError, OSError):
                docker = Docker(self.socket)
                for container in docker.containers():
                    docker.request("DELETE", f"/containers/{container['Id']}?force=1&v=1")
                docker.request("POST", "/networks/prune")
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
            self.kill()
        for pids in self.shims().values():
            for pid in pids:
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
                with contextlib.suppress(OSError):
                    for child in children.read_text().split():
                        os.kill(int(child), signal.SIGKILL)
                    os.kill(pid, signal.SIGKILL)


class Disk:
    """A small file system, so that it can be full."""

    def __init__(self, image, folder, megabytes):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(self.folder)], check=True)
        self.folder.chmod(0o700)

    def fill(self):
        with open(self.folder / "filling", "ab", buffering=0) as file:
            for piece in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(piece))

    def empty(self):
        (self.folder / "filling").unlink()


def unmount_all(folder):
    """What is mounted below, the innermost first."""
    points = [re.sub(r"\\040", " ", line.split()[1]) for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", point], check=False)


def remove(folder):
    unmount_all(folder)
    shutil.rmtree(folder, ignore_errors=True)
