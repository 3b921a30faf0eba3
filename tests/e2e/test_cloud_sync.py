"""Cloud syncs (R-255) with real containers, Debian's rclone, and a store that checks signatures."""

import os

import pytest

from browsers import chromium, log_in
from buckets import Store
from gyre import EXIT_FAILED, eventually, image, stranger_key


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = Store(tmp_path_factory.mktemp("store"))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture
def pod(api):
    made = api.run(image("web"), volumeInGb=1)
    yield made["id"]
    api.call("DELETE", f"/v1/pods/{made['id']}")


def in_pod(gyre, pod, script):
    return gyre.cli("pod", "exec", pod, "--", "sh", "-c", script).stdout


def begun(api, store, pod, direction, expect=(201,), **more):
    return api.post("/v1/cloudsyncs", {"podId": pod, "direction": direction, "bucket": store.bucket, "endpointUrl": store.endpoint,
                                       "accessKeyId": store.key, "secretAccessKey": store.secret} | more, expect=expect)


def ended(api, sync, timeout=120):
    def look():
        seen = api.get(f"/v1/cloudsyncs/{sync['id']}")
        return seen["endedAt"] and seen
    return eventually(look, timeout, what="the sync's end")


def test_what_goes_up_comes_down_again_byte_for_byte(gyre, api, docker, store, pod):
    in_pod(gyre, pod, "mkdir -p '/workspace/결과/run 1' && head -c 20000000 /dev/urandom > '/workspace/결과/run 1/weights' && "
                      "echo hello > /workspace/hello && ln -s /etc/passwd /workspace/outside")
    before = in_pod(gyre, pod, "sha256sum '/workspace/결과/run 1/weights'").split()[0]
    sync = begun(api, store, pod, "TO_CLOUD", prefix="backup")
    seen = ended(api, sync)
    log = api.call("GET", f"/v1/cloudsyncs/{sync['id']}/logs").text
    assert seen["status"] == "SUCCEEDED", (seen, log)
    assert store.keys() == {"backup/hello": 6, "backup/결과/run 1/weights": 20000000}
    assert store.read("backup/hello") == b"hello\n"
    assert "100%" in log
    # Down again, into another pod.
    other = api.run(image("web"), volumeInGb=1)["id"]
    sync = begun(api, store, other, "FROM_CLOUD", prefix="backup", path="/workspace/restored")
    assert ended(api, sync)["status"] == "SUCCEEDED"
    assert in_pod(gyre, other, "sha256sum '/workspace/restored/결과/run 1/weights'").split()[0] == before
    # No pod is left over, and neither are keys: not in a log, not in the database.
    assert sorted(one["id"] for one in api.get("/v1/pods")) == sorted([pod, other])
    for name, text in gyre.logs().items():
        assert store.secret not in text, name
    assert store.secret.encode() not in (gyre.data / "gyre.db").read_bytes()
    # Its container is small, without a GPU, and goes with the pod.
    container, = docker.containers(f"gyre.pod={sync['id']}")
    limits = docker.inspect(container["Id"])["HostConfig"]
    assert limits["NanoCpus"] == 1_000_000_000 and limits["Memory"] == 1_000_000_000
    assert not limits["Privileged"] and not limits["DeviceRequests"]
    api.call("DELETE", f"/v1/pods/{other}")
    api.gone(other)
    eventually(lambda: not docker.containers(f"gyre.pod={sync['id']}"), 60, what="its container being gone")
    eventually(lambda: not docker.volumes(f"gyre.pod={other}"), 60, what="its volume being gone")


def test_a_pod_without_its_gpus_and_a_stopped_one_reach_their_data(gyre, api, store, pod):
    in_pod(gyre, pod, "echo data > /workspace/file")
    api.post(f"/v1/pods/{pod}/stop")
    api.until(pod, "stopped")
    assert ended(api, begun(api, store, pod, "TO_CLOUD", prefix="stopped"))["status"] == "SUCCEEDED"
    assert store.keys()["stopped/file"] == 5
    api.call("POST", f"/v1/pods/{pod}/start", params={"gpuCount": 0})
    seen = api.until(pod, "running")
    assert seen["gpuCount"] == 0 and seen["vcpuCount"] <= 2 and seen["memoryInGb"] <= 8, "small limits"
    assert ended(api, begun(api, store, pod, "TO_CLOUD", prefix="without", path="/workspace/file"))["status"] == "SUCCEEDED"
    assert store.keys()["without/file"] == 5


def test_nothing_to_copy_is_said(api, store, pod):
    for wish in ({"direction": "TO_CLOUD", "path": "/workspace/none"}, {"direction": "FROM_CLOUD", "bucket": "no-such-bucket"}):
        seen = ended(api, begun(api, store, pod, **wish))
        assert seen["status"] == "FAILED" and seen["reason"]["code"] == "cloud_sync_source_missing", seen
    for wish in ({"direction": "TO_CLOUD"}, {"direction": "FROM_CLOUD", "prefix": "nothing/there"}):
        seen = ended(api, begun(api, store, pod, **wish))
        assert seen["status"] == "SUCCEEDED" and seen["reason"]["code"] == "cloud_sync_nothing_copied", seen


def test_wrong_keys_fail_with_the_stores_words(gyre, api, store, pod):
    in_pod(gyre, pod, "echo data > /workspace/file")
    sync = begun(api, store, pod, "TO_CLOUD", secretAccessKey="not-the-key", prefix="denied")
    seen = ended(api, sync, timeout=300)
    assert seen["status"] == "FAILED" and seen["reason"]["code"] == "cloud_sync_failed", seen
    assert "SignatureDoesNotMatch" in (log := api.call("GET", f"/v1/cloudsyncs/{sync['id']}/logs").text), log
    assert not [key for key in store.keys() if key.startswith("denied")]


def test_a_symbolic_link_leads_nowhere_outside_the_volume(gyre, api, store, pod):
    store.write("trap/link/passwd", b"overwritten")
    in_pod(gyre, pod, "ln -s /etc /workspace/link")
    before = in_pod(gyre, pod, "sha256sum /etc/passwd")
    with open("/etc/passwd", "rb") as file:
        of_the_host = file.read()
    ended(api, begun(api, store, pod, "FROM_CLOUD", prefix="trap"))
    assert in_pod(gyre, pod, "sha256sum /etc/passwd") == before
    with open("/etc/passwd", "rb") as file:
        assert file.read() == of_the_host


def test_it_goes_on_without_server_and_agent_and_can_be_cancelled(gyre, api, docker, store, pod):
    in_pod(gyre, pod, "mkdir /workspace/many && for i in $(seq 1 400); do echo $i > /workspace/many/$i; done")
    sync = begun(api, store, pod, "TO_CLOUD", prefix="many", path="/workspace/many")
    eventually(lambda: api.get(f"/v1/cloudsyncs/{sync['id']}")["status"] != "STARTING", 60, what="the copy having begun")
    gyre.kill("server")
    gyre.kill("agent")
    gyre.up()
    seen = ended(gyre.api, sync)
    assert seen["status"] == "SUCCEEDED", seen
    assert len([key for key in store.keys() if key.startswith("many/")]) == 400
    in_pod(gyre, pod, "head -c 300000000 /dev/zero > /workspace/large")
    sync = begun(gyre.api, store, pod, "TO_CLOUD", prefix="large", path="/workspace/large")
    assert gyre.api.call("DELETE", f"/v1/cloudsyncs/{sync['id']}").status_code == 204
    assert ended(gyre.api, sync)["status"] == "CANCELLED"
    assert not docker.containers(f"gyre.pod={sync['id']}")


def test_another_tenant_sees_nothing_of_it(gyre, api, store, pod):
    sync = begun(api, store, pod, "TO_CLOUD")
    ended(api, sync)
    theirs = type(api)(api.url, stranger_key(gyre))
    for target in (f"/v1/cloudsyncs/{sync['id']}", f"/v1/cloudsyncs/{sync['id']}/logs"):
        assert theirs.call("GET", target).status_code == 404
    assert theirs.get("/v1/cloudsyncs") == []
    begun(theirs, store, pod, "TO_CLOUD", expect=(404,))


def test_the_command_line(gyre, store, pod):
    in_pod(gyre, pod, "echo by hand > /workspace/cli")
    keys = {"AWS_ACCESS_KEY_ID": store.key, "AWS_SECRET_ACCESS_KEY": store.secret, "AWS_ENDPOINT_URL": store.endpoint}
    done = gyre.cli("sync", "create", pod, "--to", f"s3://{store.bucket}/cli", env=keys)
    assert "100%" in done.stdout, done.stdout
    assert store.read("cli/cli") == b"by hand\n"
    failed = gyre.cli("sync", "create", pod, "--from", f"s3://{store.bucket}/cli", "--path", "/workspace/x",
                      env=keys | {"AWS_SECRET_ACCESS_KEY": "wrong"}, expect=EXIT_FAILED, timeout=300)
    assert "gyre sync" in failed.stderr or "logs" in failed.stderr, failed.stderr
    listed = gyre.cli("sync", "list", pod, "-o", "json").json()
    assert [one["status"] for one in listed] == ["FAILED", "SUCCEEDED"]
    gyre.cli("sync", "cancel", listed[0]["id"])
    assert len(gyre.cli("sync", "list", pod, "-o", "json").json()) == 1
    unset = gyre.cli("sync", "create", pod, "--to", f"s3://{store.bucket}", expect=None, env={"AWS_ACCESS_KEY_ID": ""})
    assert unset.returncode != 0 and "AWS_ACCESS_KEY_ID" in unset.stderr
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") is None


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium(tmp_path_factory.mktemp("chromium"))


def test_the_form_in_a_browser(fresh_gyre, browser, store):
    from selenium.webdriver.common.by import By
    gyre, api = fresh_gyre, fresh_gyre.api
    log_in(browser, gyre)
    pod = api.run(image("web"), volumeInGb=1, name="with-a-volume")["id"]
    in_pod(gyre, pod, "echo from the form > /workspace/form")

    def one(name):
        return browser.find_element(By.ID, name)

    def type_in(**fields):
        for name, text in fields.items():
            one(name).clear()
            one(name).send_keys(text)

    def words():
        return browser.find_element(By.TAG_NAME, "main").text

    # From the list of pods, as a person finds it.
    eventually(lambda: browser.find_elements(By.LINK_TEXT, "Cloud sync"), 20, what="the way to the form")[0].click()
    eventually(lambda: browser.find_elements(By.ID, "form") and one("form").is_displayed(), 20, what="the form")
    assert one("path").get_attribute("value") == "/workspace"
    type_in(bucket="no bucket", endpointUrl=store.endpoint, accessKeyId=store.key, secretAccessKey=store.secret)
    one("form").submit()
    eventually(lambda: "bucket" in one("problem").text, 10, what="the refusal")
    assert one("bucket").get_attribute("aria-invalid") == "true"
    type_in(bucket=store.bucket, prefix="form")
    one("form").submit()
    eventually(lambda: "Done" in one("status").text, 60, what="the copy's end")
    assert store.read("form/form") == b"from the form\n"
    eventually(lambda: "100%" in one("latest").text, 10, what="how far it was")
    assert one("secretAccessKey").get_attribute("value") == "", "the key is kept nowhere"
    if folder := os.environ.get("GYRE_TEST_PICTURES"):
        browser.save_screenshot(f"{folder}/sync-en.png")
    # In Korean, and what failed says why; after a reload it is in the list.
    one("language").click()
    eventually(lambda: "클라우드 동기화" in words(), 10, what="Korean")
    type_in(bucket="no-such-bucket", secretAccessKey=store.secret)
    browser.find_element(By.CSS_SELECTOR, "input[value=FROM_CLOUD]").click()
    one("form").submit()
    eventually(lambda: "실패" in one("status").text, 60, what="its failing")
    eventually(lambda: "no-such-bucket" in one("why").text and "아무것도 없습니다" in one("why").text, 10, what="why")
    if folder:
        browser.save_screenshot(f"{folder}/sync-ko.png")
    browser.refresh()
    eventually(lambda: "실패" in one("rows").text and "완료" in one("rows").text, 20, what="the earlier ones")
    if folder:
        browser.set_window_size(420, 900)
        browser.save_screenshot(f"{folder}/sync-phone.png")
        browser.get(gyre.said["url"])
        eventually(lambda: browser.find_elements(By.LINK_TEXT, "클라우드 동기화"), 20, what="the list")
        browser.save_screenshot(f"{folder}/pods-phone.png")
        browser.set_window_size(1000, 700)
        browser.save_screenshot(f"{folder}/pods.png")
        browser.back()
        eventually(lambda: browser.find_elements(By.ID, "form") and one("form").is_displayed(), 20, what="the form")
        browser.set_window_size(1000, 700)
    # One that is under way is found again and cancelled.
    in_pod(gyre, pod, "head -c 900000000 /dev/zero > /workspace/large")
    type_in(bucket=store.bucket, prefix="large", endpointUrl=store.endpoint, accessKeyId=store.key, secretAccessKey=store.secret)
    one("form").submit()
    eventually(lambda: one("cancel").is_displayed(), 30, what="a way to cancel")
    browser.refresh()
    eventually(lambda: one("cancel").is_displayed(), 30, what="the same after a reload")
    one("cancel").click()
    eventually(lambda: "취소됨" in words(), 60, what="its being cancelled")
    errors = [line["message"] for line in browser.get_log("browser") if "Content Security Policy" in line["message"]]
    assert not errors, errors
