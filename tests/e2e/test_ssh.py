"""The SSH gateway, with OpenSSH's own client: ssh, scp and sftp against real containers."""

import hashlib
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest
import requests

from gyre import Gyre, eventually, image, stranger_key
from test_exec import Terminal
from test_tunnel import Apart


class Ssh:
    """Somebody with a key of their own, and a gateway to go to."""

    def __init__(self, folder, address):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host, self.port = address.rsplit(":", 1)
        self.key = self.folder / "key"
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)

    @property
    def public(self):
        return self.key.with_suffix(".pub").read_text()

    def options(self):
        return ["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
                "-o", f"UserKnownHostsFile={self.folder}/known", "-o", "LogLevel=ERROR", "-i", str(self.key)]

    def command(self, user, *words):
        return ["ssh", *self.options(), "-p", self.port, f"{user}@{self.host}", *words]

    def run(self, user, *words, expect=0, timeout=300, **more):
        more.setdefault("stdin" if "input" not in more else "close_fds", subprocess.DEVNULL if "input" not in more else True)
        done = subprocess.run(self.command(user, *words), capture_output=True, timeout=timeout, **more)
        assert expect is None or done.returncode == expect, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done


def let_in(gyre, who):
    """This key is one of the administrator's."""
    before = gyre.api.get("/v1/me/settings")["pubKey"]
    answer = gyre.api.call("PATCH", "/v1/me/settings", json={"pubKey": before + "\n" + who.public})
    assert answer.status_code == 200, answer.text


def gateway(gyre):
    ready = (gyre.data / "server.json").read_text()
    return re.search(r'"ssh":"([^"]+)"', ready.replace('": "', '":"')).group(1)


def with_gateway(folder, engine):
    made = Gyre(folder, engine=engine)
    made.settings = {"GYRE_SSH_LISTEN": "127.0.0.1:0"}
    return made


@pytest.fixture(scope="module")
def gyre(engine, tmp_path_factory):
    made = with_gateway(tmp_path_factory.mktemp("ssh"), engine)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def pod(gyre):
    return gyre.api.run(image("sftp"), name="by-ssh")["id"]


@pytest.fixture(scope="module")
def ssh(gyre, tmp_path_factory):
    who = Ssh(tmp_path_factory.mktemp("who"), gateway(gyre))
    let_in(gyre, who)
    return who


class SshTerminal(Terminal):
    def __init__(self, command, rows=30, columns=100):
        self.command = command
        super().__init__(None, rows=rows, columns=columns)


def terminal(who, *words):
    """A terminal on which ssh runs."""
    class Words:
        @staticmethod
        def environment():
            return os.environ | {"TERM": "xterm"}
    import test_exec
    before = test_exec.BINARY
    test_exec.BINARY = "ssh"
    try:
        return Terminal(Words, *words)
    finally:
        test_exec.BINARY = before


def test_a_command_has_its_outputs_and_its_exit_code(ssh, pod):
    done = ssh.run(pod, "echo out; echo err >&2; exit 7", expect=7)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert ssh.run(pod, "echo 'a  b' 한글 $HOME").stdout.decode() == "a  b 한글 /root\n"
    assert ssh.run(pod, "nosuch-command", expect=127).returncode == 127


def test_the_whole_host_name_is_a_user_too(gyre, ssh, pod):
    name = ssh.run(pod, "hostname").stdout.decode().strip()
    assert name.startswith(pod + "-"), name
    assert ssh.run(name, "echo yes").stdout == b"yes\n"
    ssh.run(pod + "-00000000", "echo no", expect=255)


@pytest.mark.parametrize("megabytes, times", [(1, 10), (16, 2), (64, 1)])
def test_what_goes_in_comes_back(ssh, pod, megabytes, times):
    for _ in range(times):
        data = os.urandom(megabytes * 1024 * 1024)
        done = ssh.run(pod, "cat", input=data)
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest(), len(done.stdout)


def test_a_program_that_reads_nothing_and_one_that_is_not_read(ssh, pod):
    ssh.run(pod, "exit 3", input=os.urandom(3_000_000), expect=3)
    reading = subprocess.Popen(ssh.command(pod, "cat /dev/zero | head -c 20000000"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    assert len(reading.stdout.read(1000)) == 1000
    assert ssh.run(pod, "echo others go on").stdout == b"others go on\n"
    assert len(reading.stdout.read()) == 20_000_000 - 1000
    assert reading.wait(60) == 0


def test_a_terminal_has_its_size_its_signals_and_its_exit_code(ssh, pod):
    at = terminal(ssh, *ssh.command(pod)[1:])
    try:
        at.until("[#$] ", 60)
        at.type("echo 한'글' $TERM\r")
        at.until("한글 xterm\r\n", 60)
        at.type("stty size\r")
        at.until("30 100\r\n", 60)
        at.resize(41, 123)
        os.kill(at.process.pid, signal.SIGWINCH)
        eventually(lambda: at.type("stty size\r") is None and "41 123" in at.until(r"\d+ \d+\r\n", 60), 60, 0.2, "the size")
        at.type("trap 'echo interrupted; trap - INT' INT; echo ready-$((1+1)); sleep 1000\r")
        at.until("ready-2\r\n", 60)
        at.type("\x03")
        at.until("interrupted|[#$] ", 60)
        at.type("exit 5\r")
        assert at.end(60) == 5
    finally:
        at.close()


def test_a_terminal_that_is_left_hangs_up(ssh, pod):
    at = terminal(ssh, *ssh.command(pod, "-tt", "echo begun; exec sleep 98765")[1:])
    at.until("begun", 60)
    assert b"98765" in ssh.run(pod, "ps | grep '[9]8765'").stdout
    at.close()
    eventually(lambda: ssh.run(pod, "ps | grep '[9]8765'", expect=None).returncode == 1, 60, 0.5, "the program being gone")


def test_files_are_copied_by_scp_and_sftp(ssh, pod, tmp_path):
    data = os.urandom(5_000_000)
    (tmp_path / "한글.bin").write_bytes(data)
    for old in ([], ["-O"])[:1]:
        there, back = f"{pod}@{ssh.host}:/tmp/there.bin", tmp_path / "back.bin"
        for source, target in ((tmp_path / "한글.bin", there), (there, back)):
            subprocess.run(["scp", *old, *ssh.options(), "-P", ssh.port, str(source), str(target)], check=True, timeout=300,
                           stdin=subprocess.DEVNULL)
        assert back.read_bytes() == data
    batch = f"put {tmp_path}/back.bin by-sftp.bin\nget by-sftp.bin {tmp_path}/again.bin\nrm by-sftp.bin\n"
    subprocess.run(["sftp", "-b", "-", *ssh.options(), "-P", ssh.port, f"{pod}@{ssh.host}"], input=batch.encode(),
                   check=True, timeout=300, capture_output=True)
    assert (tmp_path / "again.bin").read_bytes() == data


def test_a_pod_without_an_sftp_server_says_so(gyre, ssh, tmp_path):
    plain = gyre.api.run(image("hello"))["id"]
    done = subprocess.run(["sftp", "-b", "-", *ssh.options(), "-P", ssh.port, f"{plain}@{ssh.host}"], input=b"ls\n",
                          capture_output=True, timeout=300)
    assert done.returncode != 0 and b"no sftp-server" in done.stderr, done.stderr


def test_a_pod_that_does_not_run_says_why_in_two_languages(gyre, ssh):
    stopped = gyre.api.run(image("hello"))["id"]
    gyre.api.post(f"/v1/pods/{stopped}/stop")
    gyre.api.until(stopped, "stopped")
    assert b"stopped" in ssh.run(stopped, "id", expect=255).stderr
    korean = ssh.run(stopped, "id", expect=255, env=os.environ | {"LC_ALL": "ko_KR.UTF-8"}, timeout=120)
    assert b"stopped" in korean.stderr


def test_nobody_else_comes_in(gyre, ssh, pod, tmp_path):
    stranger = Ssh(tmp_path / "stranger", f"{ssh.host}:{ssh.port}")
    done = stranger.run(pod, "id", expect=255)
    assert b"Permission denied (publickey)" in done.stderr, done.stderr
    # The key of an account that is no member of the pod's workspace.
    answer = requests.patch(gyre.said["url"] + "/v1/me/settings", json={"pubKey": stranger.public}, timeout=30,
                            headers={"Authorization": f"Bearer {stranger_key(gyre)}"})
    assert answer.status_code == 200, answer.text
    stranger.run(pod, "id", expect=255)
    ssh.run("nosuchpod00000", "id", expect=255)
    password = subprocess.run(["ssh", *ssh.options()[:-2], "-o", "PreferredAuthentications=password", "-o", "BatchMode=no",
                               "-o", "NumberOfPasswordPrompts=1", "-p", ssh.port, f"{pod}@{ssh.host}", "id"],
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    assert password.returncode == 255 and b"Permission denied (publickey)" in password.stderr, password.stderr


def test_a_killed_server_ends_the_connection_and_a_new_one_works(engine, tmp_path):
    made = with_gateway(tmp_path, engine)
    try:
        made.up()
        pod = made.api.run(image("hello"))["id"]
        who = Ssh(tmp_path / "who", gateway(made))
        let_in(made, who)
        running = subprocess.Popen(who.command(pod, "echo begun; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        assert running.stdout.readline() == b"begun\n"
        made.kill("server")
        assert running.wait(60) == 255
        made.up()
        made.api.until(pod, "running")
        again = Ssh(tmp_path / "who", gateway(made))
        (again.folder / "known").unlink()  # its port is another, by the test's wish; the key is the same
        eventually(lambda: again.run(pod, "echo again", expect=None).stdout == b"again\n", 60, 0.5, "a new connection")
    finally:
        made.clean()


def test_who_is_refused_too_often_waits(engine, tmp_path):
    made = with_gateway(tmp_path, engine)
    try:
        made.up()
        stranger = Ssh(tmp_path / "stranger", gateway(made))
        refusals = [stranger.run("nosuchpod00000", "id", expect=255).stderr for _ in range(40)]
        assert b"Permission denied" in refusals[0]
        assert b"Permission denied" not in refusals[-1], refusals[-1]
        with socket.create_connection((stranger.host, int(stranger.port)), timeout=60) as raw:
            assert b"too many failed log-ins" in raw.recv(1000)
    finally:
        made.clean()


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_a_host_that_only_its_agent_reaches(engine, tmp_path):
    apart = Apart(tmp_path, engine)
    from test_tunnel import SERVER
    apart.settings = {"GYRE_SSH_LISTEN": f"{SERVER}:7022"}
    try:
        apart.up()
        pod = apart.api.run(image("hello"))["id"]
        who = Ssh(tmp_path / "who", f"{SERVER}:7022")
        let_in(apart, who)
        data = os.urandom(1_000_000)
        assert who.run(pod, "cat", input=data).stdout == data
    finally:
        apart.clean()
