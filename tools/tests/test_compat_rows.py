"""The list of promised rows names tests that there are, and every test that is named after rows stands in it."""
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = tomllib.loads((ROOT / "tests/compat/rows.toml").read_text())


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_its_tests(row):
    assert ROWS[row]
    for place in ROWS[row]:
        file, name = place.split("::")
        text = (ROOT / file).read_text()
        pattern = rf"^TEST(_F|_P)?\(\w+, {name}\)" if file.endswith(".cpp") else rf"^def {name}"
        assert re.search(pattern, text, re.MULTILINE), place


@pytest.mark.parametrize("file", sorted((ROOT / "tests/compat").glob("test_*.py")), ids=lambda file: file.name)
def test_a_test_named_after_rows_is_listed(file):
    for name in re.findall(r"^def (test_c\d\w*)", file.read_text(), re.MULTILINE):
        for row in re.findall(r"_c(\d+)(?=_)", name):
            if f"C{row}" in ROWS:
                assert any(name.startswith(place.split("::")[1]) for place in ROWS[f"C{row}"]), name
            else:
                assert row in {"52"}, f"{name}: C{row} is not in rows.toml"  # its half that runs jobs is to come
