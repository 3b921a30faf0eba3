"""A container's disk as its owner sees it, on a file system that bounds it (R-73, R-222, R-223, R-224)."""

import pytest

from gyre import image

GIB = 1024**3


def mounted(gyre, pod):
    """What `df` says in it: mount point to (what, bytes in all)."""
    said = gyre.cli("pod", "exec", pod, "--", "df", "-k").stdout.splitlines()[1:]
    rows = [line.split() for line in said]
    return {row[5]: (row[0], int(row[1]) * 1024) for row in rows}


@pytest.mark.parametrize("size", [20, 7])
def test_df_reads_the_disk_that_was_asked_for(gyre, api, size):
    pod = api.run(image("web"), containerDiskInGb=size, volumeInGb=1, env={"PORT": "8888"})["id"]
    human = gyre.cli("pod", "exec", pod, "--", "df", "-h").stdout
    print(human)
    root, = [line.split() for line in human.splitlines() if line.split()[-1] == "/"]
    assert root[0] == "overlay" and root[1] in (f"{size}G", f"{size}.0G"), human
    rows = mounted(gyre, pod)
    assert rows["/"] == ("overlay", size * GIB)
    assert rows["/dev"] == ("tmpfs", 64 * 1024**2)
    assert rows["/dev/shm"][0] == "shm"
    assert rows["/workspace"][1] > 50 * GIB, "the volume is not the container's disk"
    api.call("DELETE", f"/v1/pods/{pod}")
    api.gone(pod)


def test_more_than_was_asked_for_is_not_written_and_the_pod_goes_on(api):
    pod = api.run(image("fill"), containerDiskInGb=1, env={"MB": "1100"})["id"]
    api.until_logged(pod, "could not write 1100 MB", timeout=300)
    assert "No space left" in api.logs(pod)
    assert api.pod(pod)["status"] == "running"
    api.call("DELETE", f"/v1/pods/{pod}")
    api.gone(pod)


def test_what_is_removed_is_free_at_once(gyre, api):
    pod = api.run(image("web"), containerDiskInGb=2)["id"]

    def free():
        return int(gyre.cli("pod", "exec", pod, "--", "df", "-k", "/").stdout.splitlines()[1].split()[3])

    before = free()
    gyre.cli("pod", "exec", pod, "--", "dd", "if=/dev/zero", "of=/file", "bs=1048576", "count=100")
    assert before - free() >= 100 * 1024
    gyre.cli("pod", "exec", pod, "--", "rm", "/file")
    assert before - free() < 1024
