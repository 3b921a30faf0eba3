"""RunPod's own clients, unmodified, from their package registries at pinned versions."""

import json
import os
import subprocess

from pypi import python_package


class Refused(AssertionError):
    """The client raised something: its class and its words."""

    def __init__(self, kind, words):
        super().__init__(f"{kind}: {words}")
        self.kind, self.words = kind, words


class PythonClient:
    """Programs that `import runpod`, each in a process of its own, as a user of this Gyre would write them."""

    def __init__(self, version, gyre, key=None):
        self.version, self.gyre, self.key = version, gyre, key or gyre.said["apiKey"]
        self.folder = python_package("runpod", version)

    def run(self, program):
        """What the program leaves in `answer`; raises Refused with what it raised."""
        wrapped = ("import json, os, runpod\n"
                   "runpod.api_key = os.environ['RUNPOD_API_KEY']\n"
                   "try:\n" + "".join(f"    {line}\n" for line in program.strip().splitlines()) +
                   "except Exception as problem:\n"
                   "    print(json.dumps({'kind': type(problem).__name__, 'words': str(problem)}))\n"
                   "else:\n"
                   "    print(json.dumps({'answer': answer}))\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GYRE_", "RUNPOD_", "PYTHON"))}
        done = subprocess.run(["/usr/bin/python3", "-c", wrapped], capture_output=True, text=True, timeout=120, env=kept | {
            "PYTHONPATH": str(self.folder), "RUNPOD_API_KEY": self.key, "RUNPOD_API_BASE_URL": self.gyre.said["url"],
            "HOME": str(self.gyre.home), "NO_PROXY": "*"})
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout.splitlines()[-1])
        if "kind" in said:
            raise Refused(said["kind"], said["words"])
        return said["answer"]

    def call(self, function, *arguments, **named):
        words = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in named.items())]
        return self.run(f"answer = runpod.{function}({', '.join(words)})")
