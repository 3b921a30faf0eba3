"""The layers check must fail for what it forbids: each test makes a small tree with one thing wrong."""
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS = """
floor ground
base:
floor ports
db: base
floor nouns
pods: db
serverless: db
floor mains
server: *
sim: *

pods tests: sim
library sqlite sqlite3.h
library asio boost/asio
sees db: sqlite
private-header db/handle.hpp
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/layers.txt").write_text(LAYERS)
    write(tmp_path, "src/base/id.hpp", "#pragma once\n#include <string>\n")
    write(tmp_path, "src/db/db.hpp", '#pragma once\n#include "base/id.hpp"\n')
    write(tmp_path, "src/db/sqlite.cpp", '#include <sqlite3.h>\n\n#include "db/db.hpp"\n')
    write(tmp_path, "src/db/handle.hpp", "#include <sqlite3.h>\n")
    write(tmp_path, "src/pods/pod.cpp", '#include "db/db.hpp"\n#include "pods/pod.hpp"\n')
    write(tmp_path, "src/server/main.cpp", '#include "base/id.hpp"\n#include "pods/pod.hpp"\n')
    return tmp_path


def write(tree, path, text):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)


def check(tree):
    done = subprocess.run([ROOT / "tools/layers", "--root", tree], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_tree_whose_includes_go_down_passes(tree):
    assert check(tree) == (0, "")


@pytest.mark.parametrize(
    "path, text, sentence",
    [
        ("src/pods/x.cpp", "\n" * 11 + '#include "serverless/job.hpp"\n', "pods/ may not include serverless/ (src/pods/x.cpp:12)"),
        ("src/pods/x.cpp", '#include "base/id.hpp"\n', "pods/ may not include base/ (src/pods/x.cpp:1)"),
        ("src/base/x.hpp", '  #  include "pods/pod.hpp"\n', "base/ may not include pods/ (src/base/x.hpp:1)"),
        ("src/db/x.hpp", "#include <sqlite3.h>\n", "headers may not include sqlite, as <sqlite3.h> does (src/db/x.hpp:1)"),
        ("src/pods/x.cpp", "#include <sqlite3.h>\n", "pods/ may not see sqlite (src/pods/x.cpp:1)"),
        ("src/db/x.cpp", "#include <boost/asio/io_context.hpp>\n", "db/ may not see asio (src/db/x.cpp:1)"),
        ("src/server/x.cpp", '#include "db/handle.hpp"\n', "db/handle.hpp is private to db/ (src/server/x.cpp:1)"),
        ("src/pods/x.cpp", '#include "pod.hpp"\n', 'write "pod.hpp" from src/, with its folder (src/pods/x.cpp:1)'),
        ("src/billing/x.cpp", "\n", "src/billing/ has no floor in tools/layers.txt"),
        ("src/pods/x.cpp", '#include "billing/x.hpp"\n', "billing/ has no floor in tools/layers.txt (src/pods/x.cpp:1)"),
        ("src/pods/x.cpp", '#include "sim/world.hpp"\n', "pods/ may not include sim/ (src/pods/x.cpp:1)"),
    ],
)
def test_an_include_that_may_not_be_is_named_with_its_line(tree, path, text, sentence):
    write(tree, path, text)
    status, said = check(tree)
    assert status == 1
    assert sentence in said.splitlines()


def test_only_tests_may_use_what_their_tests_line_says(tree):
    write(tree, "src/pods/pod_test.cpp", '#include "sim/world.hpp"\n')
    assert check(tree) == (0, "")


def test_a_header_for_tests_counts_as_a_test_and_only_tests_include_it(tree):
    write(tree, "src/pods/test_world.hpp", '#include "sim/world.hpp"\n')
    write(tree, "src/pods/pod_test.cpp", '#include "pods/test_world.hpp"\n')
    assert check(tree) == (0, "")
    write(tree, "src/pods/x.cpp", '#include "pods/test_world.hpp"\n')
    status, said = check(tree)
    assert status == 1
    assert "only tests may include pods/test_world.hpp (src/pods/x.cpp:1)" in said.splitlines()


def test_the_list_itself_may_not_point_upwards(tree):
    write(tree, "tools/layers.txt", LAYERS.replace("db: base", "db: base pods", 1))
    status, said = check(tree)
    assert status == 1
    assert "db/ may only include folders on lower floors, pods/ is not on one (tools/layers.txt:5)" in said


def test_the_page_must_show_the_current_picture(tree):
    write(tree, "docs/architecture.md", "before\n<!-- layers: printed by tools/layers write -->\nold\n<!-- layers end -->\nafter\n")
    status, said = check(tree)
    assert status == 1
    assert "docs/architecture.md shows an old picture: run tools/layers write" in said
    subprocess.run([ROOT / "tools/layers", "write", "--root", tree], check=True)
    assert check(tree) == (0, "")
    page = (tree / "docs/architecture.md").read_text()
    assert page.startswith("before\n") and page.endswith("after\n") and "|  pods/ serverless/  |" in page


def test_a_page_without_a_place_for_the_picture_fails(tree):
    write(tree, "docs/architecture.md", "no picture here\n")
    status, said = check(tree)
    assert status == 1
    assert "has no place for the picture" in said
