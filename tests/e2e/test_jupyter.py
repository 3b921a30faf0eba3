"""Jupyter through the pods' proxy: pages, an API and WebSockets of a program that knows nothing of us."""

import pytest
from browsers import chromium
from notebooks import Notebook


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("chromium"))


def test_a_cell_runs_in_a_browser(api, browser):
    Notebook(api, browser).works()
