"""Packages of PyPI at pinned versions, each in a folder of its own beside the build, installed once."""

import shutil
import subprocess

import pytest

from gyre import ROOT

KEPT = ROOT / ".local/clients"


def python_package(name, version):
    """The folder with the package and what it needs, for PYTHONPATH. Skips when PyPI cannot be reached."""
    folder = KEPT / f"python-{name.partition('[')[0]}-{version}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target",
                           str(folder), f"{name}=={version}"], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        pytest.skip(f"PyPI cannot be reached: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'pip failed'}")
    (folder / "complete").touch()
    return folder
