"""A pod's HTTP ports through the proxy, straight to the host, with real containers."""

import contextlib
import os
import re
import socket
import time

import pytest
import requests

from gyre import Gyre, eventually, image
from proxied import Web, app


class Quick(Gyre):
    """With time-outs that a test can wait for, and room for ten thousand connections of one client."""

    def environment(self, **more):
        return super().environment(GYRE_PROXY_ANSWER_TIMEOUT="2s", GYRE_LIMITS_HEADER_TIMEOUT="2s",
                                   GYRE_LIMITS_CONNECTIONS="15000", GYRE_LIMITS_CONNECTIONS_PER_ADDRESS="15000", **more)


@pytest.fixture(scope="module")
def gyre(engine, tmp_path_factory):
    made = Quick(tmp_path_factory.mktemp("gyre"), engine=engine)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def served(gyre):
    """One pod for most of the file: its id and its address."""
    return app(gyre.api)


def metric(gyre, name):
    text = gyre.api.call("GET", "/metrics").text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(re.escape(name) + r"[ {]", line))


def test_a_port_has_an_address_that_answers(gyre, served):
    pod, url = served
    port = gyre.said["url"].rsplit(":", 1)[1]
    assert url == f"http://{pod}-8888.proxy.localhost:{port}"
    straight = metric(gyre, 'gyre_proxy_connections_total{how="straight"}')
    with Web(url) as web:
        status, headers, body = web.get("/head?a=b", "X-Mine: yes", "X-Forwarded-For: 6.6.6.6", "Connection: X-Once",
                                        "X-Once: 1")
        assert status == 200 and headers["content-type"] == "text/plain"
        lines = body.decode().split("\r\n")
        assert lines[0] == "GET /head?a=b HTTP/1.1"
        assert f"Host: {web.host}" in lines and "X-Mine: yes" in lines
        assert "X-Forwarded-For: 127.0.0.1" in lines and "X-Forwarded-Proto: http" in lines
        assert f"X-Forwarded-Host: {web.host}" in lines
        assert f'Forwarded: for=127.0.0.1;host="{web.host}";proto=http' in lines
        assert "6.6.6.6" not in body.decode() and "X-Once" not in body.decode()
        assert web.get("/head")[0] == 200  # the same connection
    assert metric(gyre, 'gyre_proxy_connections_total{how="straight"}') >= straight
    assert metric(gyre, 'gyre_proxy_connections_total{how="tunnel"}') == 0


def test_tcp_ports_are_an_address_and_a_port(gyre):
    pod = gyre.api.run(image("web"), ports=["8888/tcp"])
    assert pod["proxyUrls"] == {} and pod["publicIp"]
    mapped = eventually(lambda: (gyre.api.pod(pod["id"])["portMappings"] or {}).get("8888"), what="a mapped port")
    eventually(lambda: requests.get(f"http://{pod['publicIp']}:{mapped}/file.txt", timeout=5).ok, what="the web server")
    gyre.api.call("DELETE", f"/v1/pods/{pod['id']}")


def test_what_is_not_exposed_is_404_and_looks_the_same_for_everybody(gyre, served):
    pod, url = served
    silent = gyre.api.run(image("hello"), ports=["22/tcp"])["id"]
    answers = set()
    for name in (f"{pod}-8889", f"{silent}-8888", f"{silent}-22", "zzzzzzzzzzzzzz-8888"):
        with Web(re.sub(r"//[^.]*\.", f"//{name}.", url)) as web:
            status, _, body = web.get("/", "Accept: text/html")
            answers.add((status, body))
    assert len(answers) == 1 and answers.pop()[0] == 404
    gyre.api.call("DELETE", f"/v1/pods/{silent}")
    gyre.api.gone(silent)


def test_nothing_listens_is_502_in_both_languages(gyre):
    pod = gyre.api.run(image("hello"), ports=["8888/http"])
    with Web(pod["proxyUrls"]["8888"]) as web:
        status, headers, body = web.get("/", "Accept: text/html", "Accept-Language: ko")
        assert status == 502 and "text/html" in headers["content-type"] and "8888번 포트" in body.decode()
        status, _, body = web.get("/")
        assert status == 502 and "nothing answers on port 8888" in body.decode()
    gyre.api.post(f"/v1/pods/{pod['id']}/stop")
    gyre.api.until(pod["id"], "stopped")
    with Web(pod["proxyUrls"]["8888"]) as web:
        assert web.get("/")[0] == 404


def test_an_answer_that_does_not_come_is_524(served):
    with Web(served[1]) as web:
        begun = time.monotonic()
        status, _, body = web.get("/sleep?30")
        assert status == 524 and "2 seconds" in body.decode()
        assert time.monotonic() - begun < 15


def test_an_upgrade_carries_bytes_both_ways_and_each_half_ends_by_itself(served):
    with Web(served[1]) as web:
        web.send("GET", "/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGVzdA==",
                 "Sec-WebSocket-Version: 13")
        status, headers = web.head()
        assert status == 101 and headers["upgrade"] == "websocket" and headers["connection"] == "Upgrade"
        for message in (b"\x81\x05hello", "안녕하세요".encode(), os.urandom(300_000)):
            web.sock.sendall(message)
            assert web.exactly(len(message)) == message
        web.sock.shutdown(socket.SHUT_WR)
        assert web.sock.recv(1) == b""


def test_an_upload_of_a_gibibyte_is_not_kept_in_memory(gyre, served):
    size, piece = 1 << 30, b"u" * (1 << 20)
    with Web(served[1], timeout=120) as web:
        web.send("POST", "/count", f"Content-Length: {size}", "Expect: 100-continue")
        assert web.head()[0] == 100
        for _ in range(size // len(piece)):
            web.sock.sendall(piece)
        status, headers = web.head()
        assert status == 200 and int(web.exactly(int(headers["content-length"]))) == size
    high = re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{gyre.said['pid']}/status").read())
    assert int(high[1]) < 400 * 1024, f"the server has used {high[1]} KiB"


def test_a_slow_reader_is_waited_for_and_a_slow_sender_is_not(gyre, served):
    resident = lambda: int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{gyre.said['pid']}/status").read())[1])  # noqa: E731
    before = resident()
    with contextlib.ExitStack() as all_of_them:
        for _ in range(50):
            web = all_of_them.enter_context(Web(served[1]))
            web.send("GET", f"/big?{1 << 28}")
            assert web.head()[0] == 200
        time.sleep(1)  # nobody reads: all that can fill up does
        assert resident() - before < 50 * 512, "slow readers hold memory"
    with Web(served[1]) as web:  # slowloris
        web.sock.sendall(b"GET / HTTP/1.1\r\nHo")
        begun = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            web.sock.recv(1 << 16)
        assert time.monotonic() - begun < 20, "a head that does not end is waited for"
    with Web(served[1]) as web:
        web.send("GET", "/head")
        assert web.head()[0] == 200


def test_smuggling_is_refused(served):
    with Web(served[1]) as web:
        web.send("POST", "/count", "Content-Length: 6", "Transfer-Encoding: chunked", body=b"0\r\n\r\nG")
        assert web.head()[0] == 400
        rest = b""
        while got := web.sock.recv(1 << 16):
            rest += got
        assert b"HTTP/1.1" not in rest


def test_a_download_survives_the_agents_restart(gyre, served):
    """1 GiB, straight to the host: the bytes do not come by the agent."""
    size = 1 << 30
    with Web(served[1], timeout=60) as web:
        web.send("GET", f"/big?{size}")
        assert web.head()[0] == 200
        at, _ = web.download(enough=100 << 20)
        gyre.kill("agent")
        at, cut = web.download(enough=size, at=at)
        assert at == size and not cut
    with Web(served[1]) as web:  # and new ones go on, without any agent
        assert web.get("/head")[0] == 200
    gyre.up()
    eventually(lambda: gyre.host()["online"], what="the agent being back")


def test_what_went_through_is_metered(gyre, served):
    pod = served[0]
    database = gyre.data / "gyre.db"

    def rows():
        import sqlite3
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            return db.execute("SELECT SUM(bytes_in), SUM(bytes_out), SUM(requests) FROM proxy_usage WHERE pod = ?",
                              (pod,)).fetchone()
    with Web(served[1]) as web:
        before = eventually(rows, what="rows")
        web.get("/big?1000000")
        after = eventually(lambda: (now := rows())[1] >= (before[1] or 0) + 1_000_000 and now, what="a million bytes more")
    assert after[2] > (before[2] or 0)


def test_ten_thousand_idle_websockets_are_held(gyre, served):
    """Prints what each costs. The proxy has two files for each, and Docker's has six, of which a process may have 20,000 on
    some machines: hence four pods, and a few less than ten thousand there."""
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = min(10_000, (hard - 1_000) // 2)
    if wanted < 1_000:
        pytest.skip(f"only {hard} files may be open")
    status = f"/proc/{gyre.said['pid']}/status"
    resident = lambda: int(re.search(r"VmRSS:\s+(\d+)", open(status).read())[1])  # noqa: E731
    more = [app(gyre.api) for _ in range(3)]
    urls = [served[1], *(url for _, url in more)]
    before = resident()
    with contextlib.ExitStack() as held:
        webs = []
        for number in range(wanted):
            web = held.enter_context(Web(urls[number % 4], timeout=60))
            web.send("GET", "/ws", "Connection: Upgrade", "Upgrade: websocket")
            assert web.head()[0] == 101, f"after {len(webs)}"
            webs.append(web)
        assert metric(gyre, "gyre_proxy_upgraded") >= wanted
        each = (resident() - before) / wanted
        print(f"\n{wanted} idle WebSockets: {each:.1f} KiB of the server each")
        assert each < 24
        for web in webs[::97]:  # and they are alive
            web.sock.sendall(b"still here")
            assert web.exactly(10) == b"still here"
    eventually(lambda: metric(gyre, "gyre_proxy_upgraded") == 0, what="all being closed")
    for pod, _ in more:
        gyre.api.call("DELETE", f"/v1/pods/{pod}")
