"""A machine beside this one: a network namespace with one cable to it."""

import os
import subprocess


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)


class Namespace:
    """`tag`: two letters that tell it from others; `there` and `here`: its address and ours, at the cable's ends."""

    def __init__(self, tag, there, here):
        self.there, self.here = there, here
        self.name = f"gyre-{tag}-{os.getpid()}"
        self.inside, self.outside = f"g{tag}i{os.getpid() % 10**6}", f"g{tag}o{os.getpid() % 10**6}"

    def command(self, *arguments):
        """The words that run this command there."""
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]

    def run(self, *arguments, check=True):
        return ip("netns", "exec", self.name, *arguments, check=check)

    def up(self):
        ip("netns", "add", self.name)
        ip("link", "add", self.outside, "type", "veth", "peer", "name", self.inside)
        ip("link", "set", self.inside, "netns", self.name)
        ip("addr", "add", f"{self.here}/30", "dev", self.outside)
        ip("link", "set", self.outside, "up")
        for command in (["addr", "add", f"{self.there}/30", "dev", self.inside], ["link", "set", self.inside, "up"],
                        ["link", "set", "lo", "up"]):
            self.run("ip", *command)

    def plug(self, state):
        ip("link", "set", self.outside, state)

    def down(self):
        ip("link", "del", self.outside, check=False)
        ip("netns", "del", self.name, check=False)
