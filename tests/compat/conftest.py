import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

pytest.register_assert_rewrite("clients", "fixtures", "gyre")

from fixtures import *  # noqa: E402,F401,F403
from fixtures import started  # noqa: E402
from gyre import ROOT, Gyre  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ROOT / ".local/clients/npm"


class CompatGyre(Gyre):
    """One that also serves clients with RunPod's names built in, on an address of its own in 127.0.0.0/8."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        number = os.getpid() % 2**22
        self.address = f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        self.authority = pathlib.Path(folder) / "authority"
        self.authority.mkdir()
        # Exactly the commands that are printed for an operator.
        told = self.compat("runpod@1.6.1", server="http://127.0.0.1:1")
        done = subprocess.run(["sh", "-e", "-c", told["makeAuthority"]], cwd=self.authority, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        for key in self.authority.glob("*.key"):
            assert key.stat().st_mode & 0o777 == 0o600
        self.settings |= {"GYRE_COMPAT_LISTEN": f"{self.address}:443",
                          "GYRE_COMPAT_CERTIFICATE": str(self.authority / "gyre-compat.crt"),
                          "GYRE_COMPAT_KEY": str(self.authority / "gyre-compat.key")}

    def compat(self, *clients, server=None):
        """What `gyre compat` says of these clients."""
        return self.cli("compat", *clients, "--server", server or self.said["url"], "--address", self.address, "--authority",
                        self.authority / "gyre-compat-ca.crt", "-o", "json").json()


@pytest.fixture(scope="module")
def gyre(engine, tmp_path_factory):
    yield from started(tmp_path_factory.mktemp("gyre"), kind=CompatGyre, engine=engine)


@pytest.fixture(scope="session")
def modules():
    """The folder where npm put the packages, at the versions that package-lock.json pins."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"the newest of them needs Node 20 or later; here is {version}")
    MODULES.mkdir(parents=True, exist_ok=True)
    lock, done = (HERE / "package-lock.json").read_bytes(), MODULES / "installed.lock"
    if not (done.exists() and done.read_bytes() == lock):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, MODULES / name)
        made = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=MODULES, capture_output=True,
                              text=True, timeout=600)
        if made.returncode != 0:
            pytest.skip(f"npm's registry cannot be reached: {made.stderr.strip().splitlines()[-1]}")
        done.write_bytes(lock)
    return MODULES / "node_modules"
