"""The entry script and the set-up: what a stranger meets first."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command, cwd="/", **environment):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment})


def test_help_works_from_any_directory_and_through_a_link(tmp_path):
    (tmp_path / "dev").symlink_to(ROOT / "dev")
    for command in (ROOT / "dev", tmp_path / "dev"):
        done = run(command, "help", cwd=tmp_path)
        assert done.returncode == 0
        assert "usage: ./dev COMMAND" in done.stdout


def test_every_command_of_the_makefile_is_one_of_dev():
    words = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1).split()
    offered = run(ROOT / "dev", "help").stdout
    for word in set(words) - {"help"}:
        assert re.search(rf"^  {word}\b", offered, re.MULTILINE), word


def test_an_unknown_command_fails_with_words():
    done = run(ROOT / "dev", "biuld")
    assert done.returncode == 1
    assert "no command 'biuld'" in done.stderr


@pytest.mark.parametrize("words", [("build", "fast"), ("test", "units"), ("lint", "--fats")])
def test_an_unknown_word_fails_before_anything_is_done(words):
    done = run(ROOT / "dev", *words)
    assert done.returncode == 1
    assert f"'{words[1]}'" in done.stderr


def test_every_package_is_listed_once_and_says_why():
    seen = set()
    for line in (ROOT / "tools/packages.txt").read_text().splitlines():
        if not line or line.startswith(("#", "[")):
            continue
        name, _, why = line.partition("#")
        assert why.strip(), f"{name.strip()} does not say why it is needed"
        assert name.strip() not in seen, f"{name.strip()} is listed twice"
        seen.add(name.strip())
    assert len(seen) > 30


def other_system(tmp_path):
    (tmp_path / "os-release").write_text('ID=fedora\nVERSION_ID="39"\n')
    return str(tmp_path / "os-release")


def test_set_up_refuses_another_distribution_with_words(tmp_path):
    done = run(ROOT / "tools/setup.sh", "build", GYRE_OS_RELEASE=other_system(tmp_path))
    assert done.returncode == 1
    assert "this is 'fedora 39'" in done.stderr and "GYRE_SETUP_FORCE=1" in done.stderr


def test_set_up_goes_on_elsewhere_when_forced_and_installs_nothing_that_is_there(tmp_path):
    done = run(ROOT / "tools/setup.sh", "build", GYRE_OS_RELEASE=other_system(tmp_path), GYRE_SETUP_FORCE="1")
    assert done.returncode == 0
    assert "going on because GYRE_SETUP_FORCE=1" in done.stderr
    assert "packages are installed" in done.stdout
