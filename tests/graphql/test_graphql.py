"""Our GraphQL engine beside the reference implementation: the same documents, the same answers (README.md)."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DRIVER = Path(os.environ.get("GYRE_GRAPHQL_DRIVER", ROOT / "build/dev/bin/graphql_driver"))
MODULES = ROOT / "build/graphql-judge"  # outside of the sources


@pytest.fixture(scope="session")
def reference():
    """The folder where npm put the reference, at the version that package-lock.json pins."""
    assert DRIVER.exists(), f"{DRIVER} is not built: ./dev build"
    MODULES.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    done = MODULES / "installed.lock"
    if not (done.exists() and done.read_bytes() == lock):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, MODULES / name)
        made = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=MODULES,
                              capture_output=True, text=True, timeout=300)
        assert made.returncode == 0, f"npm could not install the reference:\n{made.stdout}{made.stderr}"
        done.write_bytes(lock)
    return MODULES


def judge(reference, *words):
    done = subprocess.run(["node", HERE / "judge.mjs", DRIVER, reference, *words], capture_output=True, text=True,
                          timeout=240)
    assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr[-4000:]}"
    return done.stdout


def test_generated_documents_are_answered_like_the_reference(reference):
    count = os.environ.get("GYRE_GRAPHQL_DOCUMENTS", "3000")
    first = os.environ.get("GYRE_GRAPHQL_SEED", "1")
    print(judge(reference, "generated", count, first))


def test_documents_written_by_hand_are_answered_like_the_reference(reference):
    print(judge(reference, "nasty"))


def test_a_client_rebuilds_the_schema_from_introspection(reference):
    print(judge(reference, "introspection"))


def test_schemas_are_accepted_refused_and_printed_like_the_reference(reference):
    print(judge(reference, "schemas"))
