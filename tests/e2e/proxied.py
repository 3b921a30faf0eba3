"""What tests of the proxy are written with: raw connections to a pod's port by its name."""

import contextlib
import socket
import urllib.parse

from gyre import eventually, image


class Web:
    """One connection to a pod's HTTP port through the proxy, at the level of bytes."""

    def __init__(self, url, timeout=30, server=None):
        self.host = urllib.parse.urlsplit(url).netloc
        # Browsers find *.localhost by themselves; we go where the server listens.
        self.sock = socket.create_connection((server or "127.0.0.1", int(self.host.rsplit(":", 1)[1])), timeout=timeout)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.sock.close()

    def send(self, method, path, *headers, body=b""):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *headers]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def more(self):
        got = self.sock.recv(1 << 18)
        self.left += got
        return bool(got)

    def head(self):
        """The status and the headers, in lower case, of the next answer; (0, {}) when there is none."""
        while b"\r\n\r\n" not in self.left:
            if not self.more():
                return 0, {}
        text, self.left = self.left.split(b"\r\n\r\n", 1)
        first, *lines = text.decode("latin-1").split("\r\n")
        return int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def exactly(self, size):
        while len(self.left) < size:
            assert self.more(), f"ended after {len(self.left)} of {size} bytes"
        out, self.left = self.left[:size], self.left[size:]
        return out

    def get(self, path, *headers, method="GET", body=b""):
        """Status, headers and body."""
        self.send(method, path, *headers, body=body)
        status, answered = self.head()
        return status, answered, self.exactly(int(answered.get("content-length", 0)))

    def download(self, enough=None, at=0, each=None):
        """Takes what comes, checks every byte of /big, until `enough` or the end. How far it came, and whether it was cut."""
        begun, self.left = self.left, b""
        with contextlib.ExitStack():
            while True:
                piece = begun or self._piece()
                begun = b""
                if not piece:
                    return at, piece is None
                assert piece == pattern(at, len(piece)), f"wrong bytes near {at}"
                at += len(piece)
                if each:
                    each(at)
                if enough and at >= enough:
                    return at, False

    def _piece(self):
        try:
            return self.sock.recv(1 << 18)
        except ConnectionResetError:
            return None


_period = b"".join(bytes([i]) * 4096 for i in range(251))
_patterns = _period * 2


def pattern(at, size):
    """Bytes at..at+size of what /big sends."""
    start = at % len(_period)
    if start + size > len(_patterns):
        return (_patterns * 2)[start:start + size]
    return _patterns[start:start + size]


def app(api, **more):
    """A running gyre/app whose port answers, with its address."""
    pod = api.run(image("app"), ports=["8888/http"], **more)
    url = pod["proxyUrls"]["8888"]

    def answers():
        with Web(url, server=urllib.parse.urlsplit(api.url).hostname) as web:
            return web.get("/head")[0] == 200
    eventually(answers, what="the pod's port")
    return pod["id"], url
