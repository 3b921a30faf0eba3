import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
pytest.register_assert_rewrite("fixtures", "gyre")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, help="chance's own; the one of a run that failed tries the same order of disasters")
    parser.addoption("--minutes", type=float, default=0, help="go on for so long, also when all counts are reached")
