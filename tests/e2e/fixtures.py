"""What end-to-end tests are given: an engine, a Gyre, an API. Shared by tests/e2e and tests/compat."""

import os
import subprocess
import urllib.parse

import pytest

import gyre as helpers
from gyre import Docker, Gyre, engine_socket
from servers import Installation, Replicated


@pytest.fixture(scope="session")
def engine():
    """The socket of a real container engine."""
    path = engine_socket()
    if not path:
        pytest.skip("no container engine: set GYRE_TEST_DOCKER_SOCKET (see tests/e2e/README.md)")
    if not helpers.os.environ.get("GYRE_TEST_REGISTRY"):
        pytest.skip("no registry: set GYRE_TEST_REGISTRY (see tests/e2e/README.md)")
    return path


@pytest.fixture(scope="session")
def docker(engine):
    return Docker(engine)


def started(folder, settings=(), kind=Gyre, **options):
    made = kind(folder, **options)
    shared = made.home / "shared"  # network volumes
    shared.mkdir()
    made.settings["GYRE_VOLUMES_SHARED_PATHS"] = f"LOCAL={shared}"
    made.settings["GYRE_CLOUD_SYNC_IMAGE"] = helpers.image("rclone")
    made.settings.update(settings)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def gyre(engine, tmp_path_factory):
    """A Gyre for the whole file; tests that kill or fill it take `fresh_gyre`."""
    yield from started(tmp_path_factory.mktemp("gyre"), engine=engine)


@pytest.fixture
def fresh_gyre(engine, tmp_path):
    yield from started(tmp_path, engine=engine)


def installed(kind, folder):
    made = kind(folder)
    try:
        made.start()
        yield made
    finally:
        made.clean()


@pytest.fixture
def installation(tmp_path):
    """Three servers on one PostgreSQL."""
    yield from installed(Installation, tmp_path)


@pytest.fixture
def replicated(tmp_path):
    """Three servers on a PostgreSQL with a copy."""
    yield from installed(Replicated, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """Each kind of database, and the settings of a Gyre that has one of its own."""
    if request.param == "sqlite":
        yield "sqlite", {}
        return
    server = os.environ.get("GYRE_TEST_POSTGRES_URL")
    if not server:
        pytest.skip("no PostgreSQL: set GYRE_TEST_POSTGRES_URL (tests/postgres.sh start DIR)")
    name = f"gyre_e2e_{os.getpid()}"

    def psql(command):
        subprocess.run(["psql", server, "-qc", command], check=True)

    psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    psql(f"CREATE DATABASE {name}")
    address = urllib.parse.urlunsplit(urllib.parse.urlsplit(server)._replace(path=f"/{name}"))
    yield "postgresql", {"GYRE_DATABASE": address}
    psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def two_gpus(engine, tmp_path):
    """A Gyre with two simulated GPUs."""
    yield from started(tmp_path, engine=engine, simulate="NVIDIA A40:2")


@pytest.fixture
def api(gyre):
    """The API of the file's Gyre, without any pod left by the test before."""
    yield gyre.api
    left = [pod["id"] for pod in gyre.api.get("/v1/pods?limit=1000")]
    for pod in left:
        gyre.api.call("DELETE", f"/v1/pods/{pod}")
    for pod in left:
        gyre.api.gone(pod)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows the end of what server and agent logged."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for name in ("gyre", "fresh_gyre", "two_gpus", "installation", "replicated"):
            made = item.funcargs.get(name)
            if made:
                for which, text in made.logs().items():
                    report.sections.append((f"{which}.log", text[-6000:]))
