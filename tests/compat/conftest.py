import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

pytest.register_assert_rewrite("fixtures", "gyre")

from fixtures import *  # noqa: E402,F401,F403
