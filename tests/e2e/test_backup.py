"""A backup of a running installation, and back: drilled, on SQLite and on PostgreSQL."""

import json
import os
import stat
import subprocess
import tarfile
import urllib.parse

import pytest

from gyre import EXIT_CONFLICT, Gyre, eventually, image


def identity(docker, pod):
    seen = [docker.inspect(container["containerId"]) for container in pod["containers"]]
    return [(one["Id"], one["State"]["StartedAt"], one["State"]["Pid"]) for one in seen]


@pytest.fixture
def installation(engine, tmp_path, database):
    """A Gyre on either database."""
    kind, settings = database
    gyre = Gyre(tmp_path, engine=engine)
    gyre.settings |= settings
    try:
        gyre.up()
        yield gyre, kind
    finally:
        gyre.clean()


def test_a_restored_installation_has_its_state_and_its_containers_run_on(installation, docker, tmp_path):
    gyre, kind = installation
    api = gyre.api
    kept = api.run(image("hello"), name="kept")
    restarted = api.run(image("hello"), name="restarted")
    stopped = api.run(image("hello"), name="stopped", volumeInGb=1)
    api.post(f"/v1/pods/{stopped['id']}/stop")
    api.until(stopped["id"], "stopped")

    file = tmp_path / "gyre.backup"
    made = gyre.cli("backup", file, "--data", gyre.data, "-o", "json")
    facts = made.json()
    assert facts["database"] == kind and facts["schema"] > 0 and "secret" in made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        assert archive.getnames()[0] == "manifest.json"
        assert {"secret.key", "authority/ca.key", "authority/ca.crt"} <= set(archive.getnames())
    gyre.cli("backup", file, "--data", gyre.data, expect=EXIT_CONFLICT)

    # The world goes on: what the backup does not know.
    api.post(f"/v1/pods/{restarted['id']}/restart")
    eventually(lambda: (pod := api.pod(restarted["id"]))["status"] == "running" and pod["run"] == 2, 60)
    api.post(f"/v1/pods/{stopped['id']}/start")
    api.until(stopped["id"], "running")
    later = api.run(image("hello"), name="later")
    before = {pod: identity(docker, api.pod(pod)) for pod in (kept["id"], restarted["id"], stopped["id"], later["id"])}

    # A running server is not overwritten.
    refused = gyre.cli("restore", file, "--data", gyre.data, "--replace", "-o", "json", expect=EXIT_CONFLICT)
    assert "data_dir_in_use" in refused.stdout + refused.stderr
    gyre.kill("server")
    # The agent goes on by itself; its certificate is what it had.
    refused = gyre.cli("restore", file, "--data", gyre.data, "-o", "json", expect=EXIT_CONFLICT)
    assert "restore_would_replace" in refused.stdout + refused.stderr
    said = gyre.cli("restore", file, "--data", gyre.data, "--replace", "-o", "json").json()
    assert said["setAside"] and os.path.isdir(said["setAside"])
    identity_file = (gyre.data / "agent" / "identity.json").read_bytes()
    gyre.up()

    api = gyre.api
    assert api.pod(kept["id"])["name"] == "kept"
    for pod in (kept["id"], restarted["id"], stopped["id"]):
        # What the table shows at first is that of the backup, until its host has spoken.
        def taken_over(pod=pod):
            seen = api.pod(pod)
            ids = [container["containerId"] for container in seen["containers"]]
            return seen["status"] == "running" and ids == [one[0] for one in before[pod]] and seen

        after = eventually(taken_over, 60, what="the container being taken over")
        assert identity(docker, after) == before[pod], "the same container, since the same moment"
    assert api.call("GET", f"/v1/pods/{later['id']}").status_code == 404
    one = docker.inspect(before[later["id"]][0][0])
    assert (one["State"]["StartedAt"], one["State"]["Pid"]) == before[later["id"]][0][1:], "nobody ordered its end"
    assert (gyre.data / "agent" / "identity.json").read_bytes() == identity_file
    assert gyre.host()["online"] is True
    # And it is not only a picture: the agent obeys.
    for pod in (restarted["id"], stopped["id"]):
        eventually(lambda pod=pod: api.call("POST", f"/v1/pods/{pod}/stop").status_code == 200, 30, what="a stop being taken")
        api.until(pod, "stopped")
    assert identity(docker, api.pod(kept["id"])) == before[kept["id"]]


def test_a_damaged_or_newer_backup_changes_nothing(tmp_path, engine):
    gyre = Gyre(tmp_path, engine=engine)
    try:
        gyre.up()
        good = tmp_path / "good"
        gyre.cli("backup", good, "--data", gyre.data)
        gyre.down()
        bytes_ = good.read_bytes()
        target = tmp_path / "elsewhere"

        def refused(content, code):
            (tmp_path / "bad").write_bytes(content)
            done = gyre.cli("restore", tmp_path / "bad", "--data", target, "-o", "json", expect=EXIT_CONFLICT)
            assert code in done.stdout + done.stderr
            assert not (target / "gyre.db").exists() and not (target / "secret.key").exists()

        refused(bytes_[: len(bytes_) // 2], "backup_damaged")
        refused(b"not a backup", "backup_damaged")
        refused(b"", "backup_damaged")
        taken = tmp_path / "taken"
        with tarfile.open(good) as archive:
            archive.extractall(taken)
        manifest = json.loads((taken / "manifest.json").read_text())

        def packed():
            subprocess.run(["tar", "-czf", tmp_path / "packed", "-C", taken, "manifest.json",
                            *[member["path"] for member in manifest["files"]]], check=True)
            return (tmp_path / "packed").read_bytes()

        key = (taken / "secret.key").read_bytes()
        (taken / "secret.key").write_bytes(bytes(32))
        refused(packed(), "backup_damaged")
        (taken / "secret.key").write_bytes(key)
        (taken / "manifest.json").write_text(json.dumps(manifest | {"schema": 9999, "gyre": "99.0"}))
        refused(packed(), "backup_is_newer")
        (taken / "manifest.json").write_text(json.dumps(manifest | {"database": "postgresql"}))
        refused(packed(), "backup_damaged")
        # The whole one is good, also in a folder that is new.
        gyre.cli("restore", good, "--data", target)
        assert (target / "gyre.db").exists() and (target / "gyre.yaml").exists()
        # In Korean, too.
        (tmp_path / "bad").write_bytes(b"x")
        korean = gyre.cli("restore", tmp_path / "bad", "--data", tmp_path / "third", "--lang", "ko", expect=EXIT_CONFLICT)
        assert "백업" in korean.stderr
    finally:
        gyre.clean()
