"""RunPod's own clients, unmodified, from their package registries at pinned versions, told what `gyre compat` says."""

import json
import os
import subprocess

from pypi import python_package


class Refused(AssertionError):
    """The client raised something: its class and its words."""

    def __init__(self, kind, words):
        super().__init__(f"{kind}: {words}")
        self.kind, self.words = kind, words


class Machine:
    """Whoever uses a client there: an environment with what `gyre compat CLIENT` prints and nothing else of ours, and,
    where the client has RunPod's names built in, an /etc/hosts of its own."""

    def __init__(self, gyre, client):
        self.gyre = gyre
        self.told = gyre.compat(client)
        (only,) = self.told["clients"]
        self.environment = only["environment"]
        self.hosts = self.told["hostsLine"]

    def variables(self, **more):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("GYRE_", "RUNPOD_", "PYTHON", "NODE_", "XDG_", "SSL_", "REQUESTS_"))}
        return kept | self.environment | {"HOME": str(self.gyre.home), "NO_PROXY": "*"} | more

    def command(self, *words):
        """The words that run this command there."""
        if not self.hosts:
            return [str(word) for word in words]
        hosts = self.gyre.home / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{self.hosts}\n")
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts), *map(str, words)]

    def run(self, *words, env=None, timeout=120, **more):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=timeout,
                              env=self.variables(**(env or {})), **more)


# Importing the package takes two seconds: one process runs many programs, each in a namespace of its own.
PROGRAMS = """
import json, os, sys, runpod
runpod.api_key = os.environ["RUNPOD_API_KEY"]
say, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    names = {"json": json, "os": os, "runpod": runpod}
    try:
        exec(json.loads(line), names)
        said = {"answer": names.get("answer")}
    except Exception as problem:
        said = {"kind": type(problem).__name__, "words": str(problem)}
    print(json.dumps(said), file=say, flush=True)
"""


class PythonClient:
    """Programs that `import runpod`, as a user of this Gyre would write them."""

    def __init__(self, version, gyre, key=None):
        self.version, self.gyre, self.key = version, gyre, key or gyre.said["apiKey"]
        self.folder = python_package("runpod", version)
        self.machine = Machine(gyre, f"runpod@{version}")
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.stdin.close()
            self.process.wait(60)
            self.process.stdout.close()

    @property
    def own(self):
        return {"PYTHONPATH": str(self.folder), "RUNPOD_API_KEY": self.key}

    def python(self, *words, **more):
        return self.machine.run("/usr/bin/python3", *words, env=self.own, **more)

    def type(self, program):
        """A program as it stands: what it prints."""
        done = self.python("-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, program):
        """What the program leaves in `answer`; raises Refused with what it raised."""
        if not self.process:
            self.process = subprocess.Popen(self.machine.command("/usr/bin/python3", "-c", PROGRAMS), text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            env=self.machine.variables(**self.own))
        print(json.dumps(program), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"the client ended: {self.process.poll()}"
        said = json.loads(line)
        if "kind" in said:
            raise Refused(said["kind"], said["words"])
        return said["answer"]

    def call(self, function, *arguments, **named):
        words = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in named.items())]
        return self.run(f"answer = runpod.{function}({', '.join(words)})")
