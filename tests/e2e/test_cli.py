"""The command line as a script and a person see it: what is printed where, and how it ends."""

import csv
import io
import json
import os
import pty
import re
import select
import shutil
import stat
import subprocess
import time

import pytest
import yaml

from gyre import (BINARY, EXIT_CONFLICT, EXIT_FAILED, EXIT_FORBIDDEN, EXIT_LOG_IN, EXIT_NOT_FOUND, EXIT_OK, EXIT_TIMED_OUT,
                  EXIT_UNREACHABLE, EXIT_USAGE, Gyre, eventually, image)


def test_list_works_right_after_up_without_any_flag(gyre, api):
    assert gyre.cli("pod", "list", "-o", "json").json() == []
    assert "gyre pod create" in gyre.cli("pod", "list").stderr


def test_the_first_pod_from_create_to_delete(gyre, api):
    made = gyre.cli("pod", "create", image("hello"), "--name", "학습 1", "--gpus", 1, "--gpu-type", "NVIDIA A40", "--env", "A=1",
                    "--env", "B=x y", "--volume", 1, "--disk", 1, "--wait")
    assert "running" in made.stdout and "학습 1" in made.stdout
    (pod,) = gyre.cli("pod", "list", "-o", "json").json()
    table = gyre.cli("pod", "list").stdout.splitlines()
    assert table[0].split()[:3] == ["ID", "NAME", "STATUS"] and pod["id"] in table[1]
    logs = eventually(lambda: "B=x y" in (said := gyre.cli("pod", "logs", pod["id"])).stdout and said.stdout)
    assert "A=1" in logs
    assert "hello from gyre" in logs
    assert "/workspace" in gyre.cli("pod", "get", "학습 1").stdout
    assert gyre.cli("pod", "stop", pod["id"], "--wait", "-o", "json").json()["status"] == "stopped"
    assert gyre.cli("pod", "start", pod["id"], "--wait", "-o", "json").json()["status"] == "running"
    assert gyre.cli("pod", "delete", pod["id"], "--wait", "-o", "json").json() == {"id": pod["id"], "deleted": True}
    gyre.cli("pod", "get", pod["id"], expect=EXIT_NOT_FOUND)


def test_a_pod_from_a_template_a_secret_and_a_network_volume(gyre, api, tmp_path):
    value = tmp_path / "value"
    value.write_text("hidden\n")
    secret = gyre.cli("secret", "create", "cli_token", "--value-file", value, "-o", "json").json()
    login = gyre.cli("registry", "create", "cli-hub", "--username", "alice", "-o", "json", input="a password\n").json()
    volume = gyre.cli("volume", "create", "학습 자료", "--size", 10, "-o", "json").json()
    assert gyre.cli("volume", "grow", "학습 자료", "--size", 20, "-o", "json").json()["size"] == 20
    template = gyre.cli("template", "create", "cli", "--image", image("hello"), "--disk", 1, "--env",
                        "TOKEN={{ RUNPOD_SECRET_cli_token }}", "--registry-auth", login["id"], "-o", "json").json()
    for noun, thing in (("secret", secret), ("registry", login), ("volume", volume), ("template", template)):
        assert thing["id"] in gyre.cli(noun, "list").stdout
        assert gyre.cli(noun, "get", thing["name"], "-o", "json").json()["id"] == thing["id"]
        assert thing["id"] in gyre.cli(noun, "list", "-o", "name").stdout.split()
        assert noun in gyre.cli("--help").stdout
    assert "10 GB" not in gyre.cli("volume", "list").stdout and "20 GB" in gyre.cli("volume", "list").stdout
    eventually(lambda: gyre.cli("volume", "get", volume["id"], "-o", "json").json()["ready"], 60, what="the volume being ready")

    pod = gyre.cli("pod", "create", "--template", template["id"], "--network-volume", volume["id"], "--gpu-type", "NVIDIA A40",
                   "--wait", "-o", "json").json()
    assert (pod["templateId"], pod["networkVolumeId"]) == (template["id"], volume["id"])
    assert "TOKEN=hidden" in eventually(lambda: "TOKEN" in (said := gyre.cli("pod", "logs", pod["id"])).stdout and said.stdout)
    for noun, thing in (("volume", volume), ("template", template), ("registry", login)):
        assert "_in_use" in gyre.cli(noun, "delete", thing["id"], "--yes", expect=EXIT_CONFLICT).stderr
    gyre.cli("pod", "delete", pod["id"], "--wait")
    for noun, thing in (("volume", volume), ("template", template), ("registry", login), ("secret", secret)):
        assert gyre.cli(noun, "delete", thing["name"], "--yes", "-o", "json").json() == {"id": thing["id"], "deleted": True}
        gyre.cli(noun, "get", thing["id"], expect=EXIT_NOT_FOUND)
    gyre.cli("volume", "create", "no size", expect=EXIT_USAGE)


def test_the_operator_names_a_gpu_type_and_says_what_it_costs(gyre, api):
    assert gyre.cli("gpu", "add", "NVIDIA Test 9", "--name", "T9", "--memory", 9, "-o", "json").json()["displayName"] == "T9"
    assert "gpu_type_exists" in gyre.cli("gpu", "add", "NVIDIA Test 9", "--memory", 9, expect=EXIT_CONFLICT).stderr
    assert "no amount of dollars" in gyre.cli("gpu", "price", "NVIDIA Test 9", "--secure", "a lot", expect=EXIT_USAGE).stderr
    assert "--secure" in gyre.cli("gpu", "price", "NVIDIA Test 9", expect=EXIT_USAGE).stderr
    assert "gpu_type_not_found" in gyre.cli("gpu", "price", "NVIDIA None", "--secure", 1, expect=EXIT_NOT_FOUND).stderr
    assert "gyre gpu price" in gyre.cli("gpu", "prices", "NVIDIA Test 9").stderr
    gyre.cli("gpu", "price", "NVIDIA Test 9", "--secure", "0.44", "--secure-spot", "0.123456")
    gyre.cli("gpu", "price", "NVIDIA Test 9", "--secure", "0.5", "--from", "2100-01-01T00:00:00Z")
    shown = gyre.cli("gpu", "get", "NVIDIA Test 9", "-o", "json").json()
    assert (shown["securePrice"], shown["secureSpotPrice"], shown["communityPrice"]) == (0.44, 0.123456, None)
    assert [one["securePrice"] for one in gyre.cli("gpu", "prices", "NVIDIA Test 9", "-o", "json").json()] == [0.44, 0.5]
    listed = gyre.cli("gpu", "types").stdout
    assert "NVIDIA A40" in listed and "0.123456" in next(line for line in listed.splitlines() if "NVIDIA Test 9" in line)


def test_the_command_after_two_dashes_is_the_containers(gyre, api):
    made = gyre.cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--wait", "-o", "json", "--",
                    "sh", "-c", "echo said --wait; exec sleep 1000").json()
    assert made["dockerStartCmd"] == ["sh", "-c", "echo said --wait; exec sleep 1000"]
    assert "said --wait" in eventually(lambda: gyre.cli("pod", "logs", made["id"]).stdout)


def test_a_bad_image_ends_the_wait_with_words_and_exit_code_1(gyre, api):
    nowhere = os.environ["GYRE_TEST_REGISTRY"] + "/gyre/nothing:1"
    failed = gyre.cli("pod", "create", nowhere, "--gpu-type", "NVIDIA A40", "--wait", expect=EXIT_FAILED)
    assert "error: " in failed.stderr and "gyre/nothing:1" in failed.stderr and "image_not_found" in failed.stderr


def test_exit_codes(gyre, api):
    gyre.cli("pod", "get", "nosuchpod00000", expect=EXIT_NOT_FOUND)
    gyre.cli("host", "get", "nosuchhost", expect=EXIT_NOT_FOUND)
    gyre.cli("pod", "create", image("hello"), "--port", "99999/tcp", expect=EXIT_USAGE)
    gyre.cli("pod", "create", expect=EXIT_USAGE)
    gyre.cli("pod", "fly", expect=EXIT_USAGE)
    gyre.cli("pod", "list", "--api-key", "rpa_WRONG", expect=EXIT_LOG_IN)
    reader = gyre.cli("key", "create", "reader", "--read-only").stdout.strip()
    gyre.cli("pod", "create", image("hello"), "--api-key", reader, expect=EXIT_FORBIDDEN)
    waiting = gyre.cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--gpus", 8, "-o", "name").stdout.strip()
    gyre.cli("pod", "get", waiting, "--wait", "--timeout", "1s", expect=EXIT_TIMED_OUT)
    gyre.cli("pod", "restart", waiting, expect=EXIT_CONFLICT)
    gyre.cli("pod", "list", "--server", "http://127.0.0.1:9", expect=EXIT_UNREACHABLE)
    gyre.cli("--help", expect=EXIT_OK)
    assert re.match(r"gyre \d+\.\d+\.\d+\n", gyre.cli("version").stdout)


def test_errors_in_json_mode_are_one_object_on_standard_error(gyre, api):
    failed = gyre.cli("pod", "create", image("hello"), "--port", "8888/http", "--port", "22/quic", "-o", "json", expect=EXIT_USAGE)
    problem = json.loads(failed.stderr)
    assert failed.stdout == "" and problem["field"] == "ports[1]" and problem["exit"] == EXIT_USAGE and problem["requestId"]


def test_the_language_is_the_users(gyre, api):
    korean = gyre.cli("pod", "get", "nosuchpod00000", expect=EXIT_NOT_FOUND, env={"LC_ALL": "ko_KR.UTF-8"})
    assert korean.stderr.startswith("오류:") and "파드" in korean.stderr
    gyre.cli("pod", "create", image("hello"), "--name", "한글 이름", "--gpu-type", "NVIDIA A40", "--wait", "--lang", "ko")
    assert "실행 중" in gyre.cli("pod", "list", "--lang", "ko").stdout


def test_a_dry_run_makes_nothing(gyre, api):
    said = gyre.cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--gpus", 64, "--dry-run")
    assert "wait" in said.stdout and api.get("/v1/pods") == []


def test_on_a_terminal_the_progress_is_one_line_and_tables_fit(gyre, api):
    """A terminal of 60 columns: nothing is wider, and there are colours unless NO_COLOR says otherwise."""
    api.run(image("hello"), name="아주 긴 이름을 가진 파드라서 좁은 터미널에는 다 들어가지 않아요")

    def on_terminal(*arguments, **env):
        parent, child = pty.openpty()
        process = subprocess.Popen([str(BINARY), *arguments], stdout=child, stderr=child, stdin=child,
                                   env=gyre.environment(COLUMNS="60", TERM="xterm", **env))
        os.close(child)
        said = b""
        while True:
            if select.select([parent], [], [], 30)[0]:
                try:
                    piece = os.read(parent, 65536)
                except OSError:  # the other end is closed
                    break
                if not piece:
                    break
                said += piece
        assert process.wait(10) == 0
        os.close(parent)
        return said.decode()

    colored = on_terminal("pod", "list")
    assert "\033[32m" in colored
    plain = on_terminal("pod", "list", NO_COLOR="1")
    assert "\033[" not in plain
    for line in plain.replace("\r", "").splitlines():
        wide = sum(2 if "\u1100" <= c <= "\u115f" or "\uac00" <= c <= "\ud7a3" else 1 for c in line)
        assert wide <= 60, line


def test_up_is_idempotent_and_its_secrets_are_private(fresh_gyre):
    first = fresh_gyre.said
    second = fresh_gyre.up().json()
    assert second["alreadyRunning"] is True
    assert (second["pid"], second["agentPid"], second["url"], second["apiKey"]) == \
        (first["pid"], first["agentPid"], first["url"], first["apiKey"])
    assert "token=" in first["console"] and "token=" not in second["console"]
    for file in (fresh_gyre.data / "api-key", fresh_gyre.data / "context.yaml", fresh_gyre.home / ".config/gyre/config.yaml",
                 fresh_gyre.data / "gyre.db"):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, f"{file} may be read by others"
    for log in fresh_gyre.logs().values():
        assert first["apiKey"] not in log


def test_two_ups_at_once_start_one_gyre(engine, tmp_path):
    gyre = Gyre(tmp_path, engine=engine)
    command = [str(BINARY), "up", "--data", str(gyre.data), "--detach", "-o", "json", "--listen", "127.0.0.1:0",
               "--simulate-gpus", "NVIDIA A40:1", "--engine", engine]
    try:
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=gyre.environment()) for _ in range(2)]
        said = [json.loads(one.communicate(timeout=90)[0]) for one in both]
        gyre.said = said[0]
        assert said[0]["pid"] == said[1]["pid"] and said[0]["hostId"] == said[1]["hostId"]
        assert len(gyre.api.get("/v1/hosts")) == 1
    finally:
        gyre.clean()


def test_a_taken_port_is_said_in_words(gyre, tmp_path):
    other = Gyre(tmp_path, engine=gyre.engine)
    address = gyre.said["url"].removeprefix("http://")
    failed = other.cli("up", "--data", other.data, "--detach", "--listen", address, expect=None)
    assert failed.returncode != 0
    assert address in failed.stderr and "address_in_use" in failed.stderr, failed.stderr
    assert not (other.data / "gyre.yaml").exists(), "an address that did not work is remembered"


def test_a_data_directory_that_cannot_be_used_is_said_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    failed = Gyre(tmp_path).cli("up", "--data", tmp_path / "file" / "data", "--detach", expect=None)
    assert failed.returncode != 0 and "file/data" in failed.stderr


def test_up_without_an_engine_succeeds_and_warns(tmp_path):
    gyre = Gyre(tmp_path, engine=str(tmp_path / "no-such.sock"))
    try:
        said = gyre.up()
        assert gyre.said["engineError"] and "warning" in said.stderr
        assert gyre.host()["engine"]["reachable"] is False
    finally:
        gyre.down()


def test_a_wrong_configuration_names_file_line_and_key(tmp_path):
    config = tmp_path / "gyre.yaml"
    config.write_text("log:\n  level: loud\nlimits:\n  body_byte: 1MiB\n")
    failed = Gyre(tmp_path).cli("server", "--config", config, "--data-dir", tmp_path / "d", expect=EXIT_USAGE)
    assert "gyre.yaml:2" in failed.stderr and "log.level" in failed.stderr
    assert "gyre.yaml:4" in failed.stderr and "limits.body_bytes" in failed.stderr


def test_print_config_can_be_used_as_a_file(tmp_path):
    gyre = Gyre(tmp_path)
    printed = gyre.cli("server", "--print-config", "--log-level", "debug").stdout
    (tmp_path / "again.yaml").write_text(printed)
    assert "level: debug" in gyre.cli("server", "--print-config", "--config", tmp_path / "again.yaml").stdout


def test_a_reload_takes_what_is_safe_and_names_the_rest(fresh_gyre):
    import signal
    config = fresh_gyre.data / "gyre.yaml"
    text = config.read_text()
    config.write_text(text + "log:\n  level: debug\nlimits:\n  connections: 77\n")
    os.kill(fresh_gyre.said["pid"], signal.SIGHUP)

    def told():
        log = (fresh_gyre.data / "server.log").read_text()
        return "log.level" in log and "limits.connections" in log and log
    assert eventually(told, 10, what="the reload in the log")
    assert fresh_gyre.api.call("GET", "/readyz").status_code == 200


def test_in_the_foreground_a_crashed_child_is_started_again(engine, tmp_path):
    gyre = Gyre(tmp_path, engine=engine)
    process = subprocess.Popen([str(BINARY), "up", "--data", str(gyre.data), "-o", "json", "--listen", "127.0.0.1:0",
                                "--simulate-gpus", "NVIDIA A40:1", "--engine", engine],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=gyre.environment())
    try:
        gyre.said = json.loads(process.stdout.readline())
        first = gyre.said["pid"]
        gyre.kill("server")

        def back():
            try:
                return gyre.api.call("GET", "/readyz").status_code == 200
            except OSError:
                return False
        eventually(back, 30, what="the server being back")
        assert json.loads((gyre.data / "server.json").read_text())["pid"] != first
        assert gyre.cli("up", "--data", gyre.data, "-o", "json", "--detach").json()["alreadyRunning"] is True
        process.terminate()
        assert process.wait(40) == 0
        time.sleep(0)  # both children are gone with it:
        assert "Nothing runs" in gyre.down().stderr
    finally:
        if process.poll() is None:
            process.kill()
        gyre.clean()


def test_a_host_can_join_with_a_token_and_be_retired(gyre, engine, tmp_path):
    command = gyre.cli("host", "token", "-o", "json").json()
    assert "gyre agent join" in command["command"] and command["token"] in command["command"]
    folder = tmp_path / "second"
    environment = {"GYRE_AGENT_TOKEN": command["token"]}
    gyre.cli("agent", "join", "--server", gyre.said["url"], "--data", folder, env=environment)
    again = gyre.cli("agent", "join", "--server", gyre.said["url"], "--data", tmp_path / "third", env=environment, expect=None)
    assert again.returncode == EXIT_FORBIDDEN and "token" in again.stderr
    hosts = gyre.cli("host", "list", "-o", "json").json()
    assert len(hosts) == 2
    (second,) = [host for host in hosts if host["id"] != gyre.said["hostId"]]
    gyre.cli("host", "retire", second["id"], "--yes")
    assert second["id"] not in [host["id"] for host in gyre.cli("host", "list", "-o", "json").json() if host["status"] != "retired"]


def completed(shell, script, line):
    """What a real shell offers for this line."""
    words = line.split(" ")
    if shell == "bash":
        quoted = " ".join(f"'{word}'" for word in words)
        probe = f'source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _gyre; printf "%s\\n" "${{COMPREPLY[@]}}"'
        return subprocess.run(["bash", "-c", probe], capture_output=True, text=True, timeout=20).stdout.split()
    if shell == "fish":
        said = subprocess.run(["fish", "--no-config", "-c", f'source {script}; complete -C "{line}"'], capture_output=True,
                              text=True, timeout=20)
        return [offer.split("\t")[0] for offer in said.stdout.splitlines()]
    # zsh completes only within its line editor; what the function hands to it there is written out instead.
    quoted = " ".join(f"'{word}'" for word in words)
    probe = f"""
    compdef() {{ }}
    compadd() {{ shift; print -l -- "$@" }}
    _files() {{ print -- FILES }}
    _describe() {{
      while [[ $1 == -* ]]; do [[ $1 == -t ]] && shift; shift; done
      for item in "${{(@P)2}}"; do print -- "${{item%%:*}}"; done
    }}
    source {script}
    words=({quoted}); CURRENT={len(words)}; _gyre"""
    said = subprocess.run(["zsh", "-f", "-c", probe], capture_output=True, text=True, timeout=20)
    assert not said.stderr, said.stderr
    return [offer for offer in said.stdout.split() if offer.startswith(words[-1])]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_in_a_real_shell_knows_every_command(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / f"gyre.{shell}"
    script.write_text(Gyre(tmp_path).cli("completion", shell).stdout)
    assert "create" in completed(shell, script, "gyre pod cr")
    assert "delete" in completed(shell, script, "gyre -o json key d"), "a value of an option is no command"
    assert "jsonl" in completed(shell, script, "gyre -o js")
    assert "--columns" in completed(shell, script, "gyre pod list --col")


def test_a_list_in_every_format(gyre, api):
    pod = gyre.cli("pod", "create", image("hello"), "--name", "학습, 1", "--gpu-type", "NVIDIA A40", "--wait", "-o", "json").json()
    plain = gyre.cli("pod", "list", "-o", "json").json()
    assert [one["id"] for one in plain] == [pod["id"]]
    lines = gyre.cli("pod", "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [pod["id"]]
    assert yaml.safe_load(gyre.cli("pod", "list", "-o", "yaml").stdout) == plain
    assert yaml.safe_load(gyre.cli("pod", "get", pod["id"], "-o", "yaml").stdout)["name"] == "학습, 1"
    assert gyre.cli("pod", "list", "-o", "name").stdout == pod["id"] + "\n"
    (row,) = csv.DictReader(io.StringIO(gyre.cli("pod", "list", "-o", "csv", "--lang", "ko").stdout))
    assert row["id"] == pod["id"] and row["name"] == "학습, 1" and row["status"] == "running"
    assert "PORTS" not in gyre.cli("pod", "list").stdout.upper() and "PORTS" in gyre.cli("pod", "list", "-o", "wide").stdout.upper()
    chosen = gyre.cli("pod", "list", "--columns", "name,gpu.id", "--filter", "status=running", "-o", "csv").stdout
    assert chosen.splitlines() == ["name,gpu.id", '"학습, 1",NVIDIA A40']
    assert pod["id"] in gyre.cli("ps").stdout
    gyre.cli("pod", "update", pod["id"], "--name", "renamed", "--locked", "true")
    gyre.cli("pod", "delete", pod["id"], expect=EXIT_CONFLICT)
    assert "renamed" in gyre.cli("pod", "update", pod["id"], "--locked", "false").stdout
    gyre.cli("stop", "renamed", "--wait")
    assert gyre.cli("ps", "-o", "name").stdout == ""
    assert pod["id"] in gyre.cli("ps", "-a", "-o", "name").stdout


def test_gpus_are_listed_with_what_is_free(gyre, api):
    # The pod of the test before may still be on its way out.
    eventually(lambda: gyre.cli("gpu", "list", "-o", "json").json()[0]["free"] == 4, what="all GPUs being free")
    (kind,) = gyre.cli("gpu", "list", "-o", "json").json()
    assert (kind["id"], kind["total"], kind["free"], kind["mostFreeOnOneHost"], kind["simulated"]) == ("NVIDIA A40", 4, 4, 4, True)
    gyre.cli("pod", "create", image("hello"), "--gpu-type", "NVIDIA A40", "--gpus", 3, "--wait")
    assert gyre.cli("gpu", "list", "-o", "csv", "--columns", "id,free,total").stdout.splitlines()[1] == "NVIDIA A40,1,4"


def test_a_key_from_making_to_deleting(gyre, api):
    secret = gyre.cli("key", "create", "ci").stdout.strip()
    assert gyre.cli("pod", "list", "--api-key", secret, "-o", "json").json() == []
    gyre.cli("key", "disable", "ci")
    gyre.cli("pod", "list", "--api-key", secret, expect=EXIT_LOG_IN)
    gyre.cli("key", "enable", "ci")
    assert secret not in gyre.cli("key", "list", "-o", "json").stdout
    gyre.cli("key", "delete", "ci", "--no-input", expect=EXIT_USAGE)
    gone = gyre.cli("key", "delete", "ci", "--yes")
    assert gone.stderr.startswith("context: local (http://")
    gyre.cli("pod", "list", "--api-key", secret, expect=EXIT_LOG_IN)
    gyre.cli("key", "enable", "ci", expect=EXIT_NOT_FOUND)


def test_contexts_and_the_projects_file(gyre, api, tmp_path):
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    gyre.cli("pod", "list", env=elsewhere, expect=EXIT_USAGE)
    key = tmp_path / "key"
    key.write_text(gyre.said["apiKey"] + "\n")
    gyre.cli("context", "add", "here", "--server", gyre.said["url"], "--key-file", key, env=elsewhere)
    gyre.cli("context", "add", "nowhere", "--server", "http://127.0.0.1:9", "--use", env=elsewhere)
    assert [row["name"] for row in gyre.cli("context", "list", "-o", "json", env=elsewhere).json()] == ["here", "nowhere"]
    gyre.cli("pod", "list", env=elsewhere, expect=EXIT_UNREACHABLE)
    project = tmp_path / "project" / "deep"
    project.mkdir(parents=True)
    (tmp_path / "project" / ".gyre.yaml").write_text("context: here\n")
    assert gyre.cli("pod", "list", "-o", "json", env=elsewhere, cwd=project).json() == []
    shown = gyre.cli("context", "show", "-o", "json", env=elsewhere, cwd=project).json()
    assert (shown["name"], shown["source"]) == ("here", "project")
    gyre.cli("context", "use", "here", env=elsewhere)
    gyre.cli("context", "remove", "nowhere", "--yes", env=elsewhere)
    assert gyre.cli("pod", "list", "-o", "json", env=elsewhere).json() == []
