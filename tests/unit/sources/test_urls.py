"""Downloads from a real server on this machine, with everything a server can do wrong."""

import http.server
import io
import socket
import threading
import time

import pytest
from PIL import Image

from mien.errors import UnreadableMediaError
from mien.sources import open_source
from mien.sources.urls import fetch

BODY = b"0123456789" * 100


def png():
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 30, 40)).save(stream, "PNG")
    return stream.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gone = False

    def do_GET(self):
        self.server.seen.append((self.path, self.headers))
        name = self.path.strip("/").partition("?")[0]
        getattr(self, name.replace("-", "_").partition("/")[0], self.missing)()

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in {"Content_Length": len(body), **headers}.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()
        self.write(body)

    def write(self, body):
        try:
            self.wfile.write(body)
        except OSError:  # the client has left, as it should in some of the tests
            self.close_connection = self.gone = True

    def missing(self):
        self.answer(404, b"<html>no such page</html>")

    def ok(self):
        self.answer(200, BODY)

    def image(self):
        self.answer(200, png())

    def page(self):
        self.answer(200, b"<!DOCTYPE html><title>a page about a picture</title>" + b" " * 64)

    def empty(self):
        self.answer(200)

    def no_length(self):
        self.answer(200, BODY, Content_Length=None)

    def chunked(self):
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:]))
        self.answer(200, body + b"0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked")

    def cut_chunk(self):
        self.answer(200, b"ff\r\n123", Content_Length=None, Transfer_Encoding="chunked")

    def cut(self):
        self.answer(200, BODY[:100], Content_Length=1000)

    def announced_too_large(self):
        self.answer(200, b"", Content_Length=10**12)

    def endless(self):
        self.answer(200, b"", Content_Length=None)
        self.flood()

    def flood(self):
        while not self.gone and not self.server.stop.is_set():
            self.write(b"x" * 65536)

    def drip(self, size=10**6):
        self.answer(200, b"", Content_Length=size)
        self.trickle()

    def drip_no_length(self):
        self.drip(size=None)

    def drip_headers(self):
        self.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self.trickle()

    def trickle(self):
        while not self.gone and not self.server.stop.wait(0.02):
            self.write(b"x")

    def silent(self):
        self.server.stop.wait(5)
        self.close_connection = True

    def hang_up(self):
        self.close_connection = True

    def nonsense(self):
        self.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        self.close_connection = True

    def to(self):
        """/to/<status>/<path> redirects to /<path>."""
        _, _, status, target = self.path.split("/", 3)
        self.answer(int(status), b"moved", Location="/" + target)

    def loop(self):
        self.answer(302, Location="/loop")

    def away(self):
        self.answer(302, Location=self.path.partition("?")[2])

    def nowhere(self):
        self.answer(302)

    def endless_redirect(self):
        self.answer(302, b"", Content_Length=None, Location="/ok")
        self.flood()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that leave early are what some of the tests are about


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.seen, server.stop = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join(5)


def reason(url, **limits):
    with pytest.raises(UnreadableMediaError) as caught:
        fetch(url, **limits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", ["ok", "no-length", "chunked", "to/301/ok", "to/307/to/302/ok"])
def test_downloads(server, path):
    assert fetch(f"{server.url}/{path}") == BODY


def test_says_who_asks(server):
    fetch(f"{server.url}/ok")
    assert server.seen[0][1]["User-Agent"] == "mien"
    assert server.seen[0][1]["Accept-Encoding"] == "identity"


def test_addresses_are_made_ascii_once(server):
    fetch(f"{server.url}/ok?name=ä b&done=%C3%A4#part")
    assert server.seen[0][0] == "/ok?name=%C3%A4%20b&done=%C3%A4"


def test_empty_answers_are_bytes_too(server):
    assert fetch(f"{server.url}/empty") == b""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("missing", "the server answered 404 Not Found"),
        ("to/302/missing", "the server answered 404 Not Found"),
        ("nowhere", "the server answered 302 Found"),
        ("cut", "the download ended after 100 of 1000 bytes"),
        ("cut-chunk", "the server ended the connection early"),
        ("hang-up", "the server ended the connection early"),
        ("nonsense", "the answer is not valid HTTP: SSH-2.0-OpenSSH_9.6"),
        ("loop", "the server redirects more than 10 times"),
        (
            "away?file:///etc/passwd",
            "only http and https addresses are fetched, not 'file:///etc/passwd'",
        ),
        (
            "away?ftp://127.0.0.1/a.png",
            "only http and https addresses are fetched, not 'ftp://127.0.0.1/a.png'",
        ),
        (
            "away?data:image/png;base64,AAAA",
            "only http and https addresses are fetched, not 'data:image/png;base64,AAAA'",
        ),
    ],
)
def test_what_servers_do_wrong(server, path, expected):
    assert reason(f"{server.url}/{path}") == expected


@pytest.mark.parametrize("path", ["ok", "no-length", "chunked", "endless", "announced-too-large"])
def test_too_large(server, path):
    start = time.monotonic()
    assert reason(f"{server.url}/{path}", max_bytes=999) == (
        "the file is larger than the limit of 0.000999 MB for downloads; "
        "save it and pass its path instead"
    )
    assert time.monotonic() - start < 2


def test_exactly_the_limit_is_allowed(server):
    for path in ("ok", "no-length", "chunked"):
        assert fetch(f"{server.url}/{path}", max_bytes=1000) == BODY


@pytest.mark.parametrize("path", ["drip", "drip-no-length", "drip-headers", "to/302/drip"])
def test_a_server_that_drips_meets_the_deadline(server, path):
    # A byte every 20 ms: no single wait is ever too long.
    start = time.monotonic()
    expected = "not downloaded completely within 0.3 s"
    assert reason(f"{server.url}/{path}", timeout_s=5, deadline_s=0.3) == expected
    assert time.monotonic() - start < 2


def test_a_server_that_says_nothing(server):
    expected = "no answer from the server within 0.2 s"
    assert reason(f"{server.url}/silent", timeout_s=0.2) == expected


def test_bodies_of_redirects_are_not_read(server):
    assert fetch(f"{server.url}/endless-redirect", deadline_s=5) == BODY


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert reason(f"http://127.0.0.1:{port}/a.png") == (
        "the server cannot be reached: Connection refused"
    )


def test_a_server_that_does_not_speak_tls(server):
    url = server.url.replace("http:", "https:")
    assert reason(f"{url}/ok").startswith("the server cannot be reached: ")


def test_a_tls_handshake_that_never_ends_meets_the_deadline(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        start = time.monotonic()
        message = reason(f"https://127.0.0.1:{port}/", timeout_s=10, deadline_s=0.3)
    assert message == "not downloaded completely within 0.3 s"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///etc/passwd", "only http and https addresses are fetched"),
        ("http://", "the address names no host"),
        ("http:///a.png", "the address names no host"),
        ("http://me:secret@127.0.0.1/a.png", "with a user name or password are not supported"),
        ("http://127.0.0.1:port/a.png", "the address is not valid: nonnumeric port"),
        ("http://[::1/a.png", "the address is not valid: Invalid IPv6 URL"),
        ("http://a..b/c.png", "the address is not valid"),
        ("http://" + "a" * 70 + "ä.de/", "the address is not valid"),
    ],
)
def test_addresses_that_are_none(url, expected):
    assert expected in reason(url)


def test_no_connection_and_no_timer_is_left_behind(server):
    for path in ("ok", "drip", "missing"):
        try:
            fetch(f"{server.url}/{path}", deadline_s=0.2)
        except UnreadableMediaError:
            continue
    deadline = time.monotonic() + 2
    while any(isinstance(t, threading.Timer) for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_frames_from_addresses(server):
    source = open_source([f"{server.url}/image", f"{server.url}/page", f"{server.url}/missing"])
    assert len(source) == 3
    assert server.seen == []  # nothing is fetched before its turn
    image, page, missing = source
    assert image.source == f"{server.url}/image"
    assert tuple(image.image[0, 0]) == (200, 30, 40)
    assert page.error == "not an image in a known format; it looks like a web page"
    assert missing.error == "the server answered 404 Not Found"
