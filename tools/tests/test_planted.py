"""The list of planted bugs fits the sources, so that `tools/planted` can run whenever someone wants it."""
import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
loader = SourceFileLoader("planted", str(ROOT / "tools/planted"))
planted = importlib.util.module_from_spec(importlib.util.spec_from_loader("planted", loader))
loader.exec_module(planted)

BUGS = planted.bugs()
BY_NAME = {bug["name"]: bug for bug in BUGS}


def test_there_are_at_least_twenty_and_each_has_a_name_of_its_own():
    assert len(BY_NAME) == len(BUGS) >= 20


@pytest.mark.parametrize("name", BY_NAME)
def test_a_planted_bug_changes_what_it_means_to(name):
    for file, text in planted.planted(BY_NAME[name], BY_NAME, ROOT).items():
        assert text != (ROOT / file).read_text()
    assert BY_NAME[name]["why"]


def test_a_text_that_stands_nowhere_or_twice_is_said(tmp_path):
    (tmp_path / "a.cpp").write_text("x\nx\n")
    for find in ("x\n", "y\n"):
        bug = {"name": "b", "file": "a.cpp", "find": find, "replace": ""}
        with pytest.raises(SystemExit, match="not once"):
            planted.planted(bug, {"b": bug}, tmp_path)
