"""Clips and endless streams from a web server."""

import shutil
import ssl
import subprocess
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import cv2
import numpy as np
import pytest
from clips import Actor, evenly, line, write_clip

from mien.config import VideoConfig
from mien.sources import ffmpeg, open_video

ACTOR = Actor(line((50, 48, 40), (110, 48, 40), 2))


class Ranges(SimpleHTTPRequestHandler):
    """A folder on the web; parts of files can be asked for, as real servers allow."""

    def log_message(self, *words):
        pass

    def send_head(self):
        asked = self.headers.get("Range", "")
        path = self.translate_path(self.path)
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                data = file.read()
        except OSError:
            return super().send_head()
        first = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        return BytesIO(data[first:])


class Webcam(BaseHTTPRequestHandler):
    """A camera as old as the web: JPEG after JPEG in one answer that never ends."""

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=next")
        self.end_headers()
        number = 0
        try:
            while True:
                image = np.full((64, 64, 3), number % 250, np.uint8)
                data = cv2.imencode(".jpg", image)[1].tobytes()
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                number += 1
                time.sleep(0.02)
        except OSError:
            return


class Hanging(BaseHTTPRequestHandler):
    """Takes the request and says nothing."""

    def do_GET(self):
        time.sleep(1.5)


@pytest.fixture
def serve():
    """Start a server with a handler; returns its address."""
    servers = []

    def start(handler, context=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *request: None  # the other side may hang up
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        scheme = "http" if context is None else "https"
        return f"{scheme}://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("web")
    write_clip(path / "a.mp4", [ACTOR], evenly(2), size=(160, 96), key_every=15)
    write_clip(path / "a.mkv", [ACTOR], evenly(2), size=(160, 96), key_every=15)
    write_clip(path / "a.ts", [ACTOR], evenly(2), size=(160, 96), key_every=15)
    (path / "words.mp4").write_text("this is only text\n" * 50)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mp4?token=1"])
def test_a_clip_from_the_web_is_read_as_from_the_disk(folder, serve, name):
    url = f"{serve(partial(Ranges, directory=str(folder)))}/{name}"
    with open_video(url) as source, open_video(folder / name.partition("?")[0]) as local:
        assert source.info == local.info
        assert not source.info.live
        for near, far in zip(local, source, strict=True):
            assert far.source == url
            assert (far.index, far.time_s, far.error) == (near.index, near.time_s, None)
            assert np.array_equal(far.image, near.image)


def test_start_seeks_in_the_web(folder, serve):
    url = f"{serve(partial(Ranges, directory=str(folder)))}/a.mp4"
    with open_video(url, VideoConfig(start_s=1.2, max_frames=2)) as source:
        assert [frame.index for frame in source] == [36, 37]


def test_a_server_that_cannot_serve_parts_will_do_for_some(folder, serve):
    class Whole(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    base = serve(partial(Whole, directory=str(folder)))
    with open_video(f"{base}/a.mkv", VideoConfig(start_s=1.0)) as source:
        assert [frame.index for frame in source] == list(range(30, 60))
    with open_video(f"{base}/a.ts") as source:  # nobody says how long it is, yet it has an end
        assert (source.info.duration_s, source.info.live) == (None, False)
        assert len(list(source)) == 60


def test_what_the_server_says_is_one_line(folder, serve, monkeypatch):
    base = serve(partial(Ranges, directory=str(folder)))
    assert errors_of(f"{base}/gone.mp4") == ["the server answered 404 Not Found"]
    assert errors_of(f"{base}/words.mp4") == ["not a video in a known format"]
    assert errors_of("http://127.0.0.1:9/a.mp4") == ["Connection refused"]
    monkeypatch.setattr(ffmpeg, "TIMEOUT_S", 0.5)
    assert errors_of(f"{serve(Hanging)}/a.mp4") == ["no answer within 0.5 s"]


def errors_of(url):
    with open_video(url) as source:
        return [frame.error for frame in source]


def test_a_download_that_breaks_off_gives_what_came(folder, serve):
    class Cut(Ranges):
        def copyfile(self, source, outputfile):
            outputfile.write(source.read()[:6000])
            outputfile.flush()
            self.connection.close()

    url = f"{serve(partial(Cut, directory=str(folder)))}/a.mkv"
    with open_video(url) as source:
        *found, last = source
    assert found
    assert all(frame.image is not None for frame in found)
    assert last.error


def test_an_endless_answer_is_live(serve):
    url = f"{serve(Webcam)}/stream.cgi"
    with open_video(url, VideoConfig(max_frames=4)) as source:
        assert (source.info.width, source.info.height, source.info.live) == (64, 64, True)
        shown = []
        for frame in source:
            assert frame.error is None
            shown.append((frame.index, int(frame.image.mean())))
            time.sleep(0.2)
    steps = np.diff([index for index, _ in shown])
    assert steps.max() > 3  # late ones are dropped
    assert np.all(np.diff([grey for _, grey in shown]) > 0)


def test_certificates_are_checked(folder, serve, tmp_path, monkeypatch):
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not there to make a certificate")
    certificate = tmp_path / "both.pem"
    subprocess.run(
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(certificate), "-out", str(tmp_path / "open.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    with certificate.open("a") as file:
        file.write((tmp_path / "open.pem").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    url = f"{serve(partial(Ranges, directory=str(folder)), context)}/a.mp4"
    (frame,) = open_video(url)
    assert frame.error == "the server cannot be reached, or its certificate cannot be verified"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "open.pem"))
    assert next(iter(open_video(url))).error is None
