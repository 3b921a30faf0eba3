"""Programs and terminals in pods: the command line against real containers, and what happens when things break."""

import contextlib
import hashlib
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import fcntl

import pytest
from gyre import BINARY, EXIT_CONFLICT, EXIT_FORBIDDEN, EXIT_NOT_FOUND, eventually, image


@pytest.fixture(scope="module")
def pod(gyre):
    return gyre.api.run(image("web"), name="exec-me")["id"]


class Terminal:
    """`gyre ...` on a terminal of its own."""

    def __init__(self, gyre, *arguments, rows=30, columns=100):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen([str(BINARY), *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                                        env=gyre.environment(), start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def until(self, pattern, timeout=20):
        """Reads until the pattern is there; what was read before it is forgotten."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern.encode(), self.text)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} did not appear: {self.text.decode(errors='replace')!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.text += os.read(self.master, 65536)
                except OSError as gone:
                    raise AssertionError(f"it ended without {pattern!r}: {self.text!r}") from gone
        self.text = self.text[found.end():]
        return found.group().decode()

    def end(self, timeout=20):
        with contextlib.suppress(OSError):
            while select.select([self.master], [], [], timeout)[0] and os.read(self.master, 65536):
                pass
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(gyre):
    opened = []

    def make(which, *arguments, **options):
        opened.append(Terminal(which, *arguments, **options))
        return opened[-1]
    yield make
    for one in opened:
        one.close()


def test_outputs_stay_apart_and_the_exit_code_is_the_programs(gyre, pod):
    done = gyre.cli("pod", "exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7", expect=7)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert gyre.cli("pod", "exec", "exec-me", "--", "echo", "a b", "한글 $HOME").stdout == "a b 한글 $HOME\n"
    gyre.cli("pod", "exec", pod, "--", "nosuch-command", expect=None).returncode in (4, 126, 127)


def test_input_is_read_without_waiting_for_the_program_to_speak_first(gyre, pod):
    """It was once read only when something came from the server: here, the ping that comes after 20 s of silence."""
    done = subprocess.run([str(BINARY), "pod", "exec", "-i", pod, "--", "cat"], input=b"abc\n", capture_output=True,
                          timeout=15, env=gyre.environment(), check=True)
    assert done.stdout == b"abc\n"


def test_piped_input_goes_through_to_its_end(gyre, pod):
    data = os.urandom(3_000_000)
    for _ in range(5):  # input and output once waited for each other, two times of three
        done = subprocess.run([str(BINARY), "pod", "exec", "-i", pod, "--", "cat"], input=data, capture_output=True,
                              timeout=60, env=gyre.environment(), check=True)
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest(), len(done.stdout)


def test_a_program_that_writes_more_than_it_reads_is_given_its_input(gyre, pod):
    lines = 8192
    done = subprocess.run([str(BINARY), "pod", "exec", "-i", pod, "--", "sed", "s/a/0123456789/g"], capture_output=True,
                          input=(b"a" * 63 + b"\n") * lines, timeout=60, env=gyre.environment(), check=True)
    assert len(done.stdout) == lines * 631


def test_a_terminal_speaks_hangul_and_has_the_size_of_the_window(gyre, pod, terminal):
    at = terminal(gyre, "pod", "exec", "-it", pod, "--", "sh")
    at.until("[#$] ")
    at.type("echo 한'글'\r")
    at.until("한글\r\n")
    at.type("stty size\r")
    at.until("30 100\r\n")
    at.resize(41, 123)
    eventually(lambda: at.type("stty size\r") is None and "41 123" in at.until(r"\d+ \d+\r\n"), 10, 0.2, "the new size")
    at.type("exit 5\r")
    assert at.end() == 5


def test_who_may_not_is_told_why(gyre, pod):
    read = gyre.api.post("/v1/apikeys", {"name": "r", "scope": "READ"})["key"]
    refused = gyre.cli("--api-key", read, "pod", "exec", pod, "--", "id", expect=EXIT_FORBIDDEN)
    assert "READ_WRITE" in refused.stderr
    gyre.cli("pod", "exec", "nosuch", "--", "id", expect=EXIT_NOT_FOUND)
    stopped = gyre.api.run(image("hello"))["id"]
    gyre.api.post(f"/v1/pods/{stopped}/stop")
    gyre.api.until(stopped, "stopped")
    said = gyre.cli("pod", "exec", stopped, "--", "id", expect=EXIT_CONFLICT).stderr
    assert "stopped" in said, said


def test_files_and_folders_are_copied_both_ways(gyre, pod, tmp_path):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "sub" / "한글.bin").write_bytes(os.urandom(700_000))
    (tmp_path / "data" / "run").write_text("#!/bin/sh\n")
    (tmp_path / "data" / "run").chmod(0o755)
    gyre.cli("pod", "cp", tmp_path / "data", f"{pod}:/tmp/copied")
    gyre.cli("pod", "cp", f"{pod}:/tmp/copied", tmp_path / "back")
    assert (tmp_path / "back/sub/한글.bin").read_bytes() == (tmp_path / "data/sub/한글.bin").read_bytes()
    assert (tmp_path / "back/run").stat().st_mode & 0o111
    gyre.cli("pod", "cp", tmp_path / "data/run", f"{pod}:/tmp/")  # into a folder
    assert gyre.cli("pod", "exec", pod, "--", "cat", "/tmp/run").stdout == "#!/bin/sh\n"
    missing = gyre.cli("pod", "cp", f"{pod}:/nosuch", tmp_path, expect=None)
    assert missing.returncode != 0 and "nosuch" in missing.stderr
    assert not list(tmp_path.glob(".gyre-cp*"))


COUNT = 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo "n$i"; sleep 0.02; done; read line; echo "read:$line"; exit 9'


def counted(done):
    return [line for line in done.splitlines() if line.startswith("n")]


def start_counting(gyre, pod):
    process = subprocess.Popen([str(BINARY), "pod", "exec", "-i", pod, "--", "sh", "-c", COUNT], env=gyre.environment(),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = [process.stdout.readline() for _ in range(20)]
    assert seen[0] == "n1\n", seen
    return process, "".join(seen)


def test_a_server_that_is_killed_loses_nothing_of_a_session(fresh_gyre):
    pod = fresh_gyre.api.run(image("web"))["id"]
    process, before = start_counting(fresh_gyre, pod)
    fresh_gyre.kill("server")
    fresh_gyre.up()
    out, err = process.communicate("typed\n", timeout=60)
    assert process.returncode == 9, err
    assert counted(before + out) == [f"n{n}" for n in range(1, 401)]
    assert out.endswith("read:typed\n"), out[-200:]
    assert "connection lost" in err or err == ""


def test_an_agent_that_is_killed_ends_its_sessions_with_a_reason(fresh_gyre):
    pod = fresh_gyre.api.run(image("web"))["id"]
    process, _ = start_counting(fresh_gyre, pod)
    fresh_gyre.kill("agent")
    fresh_gyre.up()
    _, err = process.communicate(timeout=60)
    assert process.returncode == EXIT_NOT_FOUND, err
    assert "the session is gone" in err
    # And the pod has not noticed.
    assert fresh_gyre.cli("pod", "exec", pod, "--", "echo", "alive").stdout == "alive\n"
