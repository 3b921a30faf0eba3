"""docs/limits.md is true: its figures stand in the code, its tests exist, and no file keeps a queue without a row."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for path in (ROOT / "src").rglob("*.[ch]pp")]
QUEUE = re.compile(r"std::(deque|queue|list|priority_queue)<")


def rows():
    for line in (ROOT / "docs/limits.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0] != "what" and not set(cells[0]) <= set("-"):
            yield dict(zip(("what", "bound", "over", "file", "test"), cells))


ROWS = list(rows())
TESTS = "\n".join(path.read_text() for path in SOURCES if path.name.endswith("_test.cpp"))


@pytest.mark.parametrize("row", ROWS, ids=[row["what"] for row in ROWS])
def test_a_row_says_what_the_code_says(row):
    file = ROOT / row["file"].strip("`")
    text = file.read_text()
    folder = "\n".join(path.read_text() for path in file.parent.glob("*.[ch]pp") if "_test" not in path.name)
    for figure in re.findall(r"`(\w+ = [^`]+)`", row["bound"]):
        name, value = figure.split(" = ")
        assert re.search(rf"\b{name}\b[{{ =]+{re.escape(value)}", folder), f"{figure} does not stand in {file.parent}"
    for key in re.findall(r"`(limits\.\w+)`", row["bound"]):
        assert f'"{key}"' in (ROOT / "src/server/config.cpp").read_text()
    if row["test"]:
        assert re.search(rf"TEST(_F|_P)?\(\w+, {row['test']}\)", TESTS), f"there is no test {row['test']}"
    assert text


def test_no_queue_without_a_row():
    said = {row["file"].strip("`") for row in ROWS}
    kept = {str(path.relative_to(ROOT)) for path in SOURCES
            if "_test" not in path.name and not path.name.startswith("test_") and QUEUE.search(path.read_text())}
    # The other half of a class may be where its row points.
    missing = [file for file in kept if file not in said and re.sub(r"\.[ch]pp$", ".hpp", file) not in said
               and re.sub(r"\.[ch]pp$", ".cpp", file) not in said]
    assert not missing, "docs/limits.md says nothing of the queues in " + ", ".join(sorted(missing))
