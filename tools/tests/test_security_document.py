"""docs/security.md names the test that shows each of its claims: what it names exists."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "tests", "fuzz"], cwd=ROOT,
                       capture_output=True, text=True, check=True).stdout.split()
NAMED = set(re.findall(r"`([^`\s]+)`", (ROOT / "docs/security.md").read_text()))


def test_every_test_it_names_exists():
    named = {name for name in NAMED if re.fullmatch(r"test_[a-z0-9_]+|[A-Z][a-z]*(?:[A-Z][A-Za-z0-9]*){2,}", name)}
    assert len(named) > 10
    text = "\n".join((ROOT / file).read_text() for file in FILES
                     if (file.endswith("_test.cpp") or Path(file).name.startswith("test_")) and (ROOT / file).exists())
    missing = [name for name in sorted(named) if not re.search(rf"(?:def |[,(] ?){name}\b", text)]
    assert missing == []


def test_every_file_it_names_exists():
    named = {name for name in NAMED if re.search(r"\.(cpp|hpp|py)$", name)}
    assert named
    assert [name for name in sorted(named) if not any(file == name or file.endswith("/" + name) for file in FILES)] == []
