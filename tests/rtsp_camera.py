"""A small RTSP camera for tests: H.264 over TCP, every picture shows its number as black and white.

It speaks as much of RFC 2326 as FFmpeg asks for. PyAV makes the RTP packets; the server only
passes them on.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from fractions import Fraction

import numpy as np

BITS = 12
CELL_PX = 16
SIZE = (BITS * CELL_PX, 64)
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=test
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track
"""
HEADERS = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    "DESCRIBE": "Content-Type: application/sdp\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    "PLAY": "Session: 1\r\n",
}


def numbered(number: int) -> np.ndarray:
    """A picture that shows a number."""
    bits = [255 * (number >> bit & 1) for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8), CELL_PX)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (SIZE[1], SIZE[0], 3)))


def number_in(image: np.ndarray) -> int:
    """The number that a picture shows."""
    cells = image[16:-16].reshape(-1, BITS, CELL_PX, 3)[:, :, 4:-4].mean(axis=(0, 2, 3))
    return sum(int(grey > 128) << bit for bit, grey in enumerate(cells))


class RtspCamera:
    """Serves live pictures until `unplug` or the end of the context.

    Args:
        rate: Pictures a second.
        port: 0 takes a free one.

    Attributes:
        url: Where to look.
        clients: Connections so far that asked for pictures.
        now: Number of the newest picture.
    """

    def __init__(self, rate: int = 25, port: int = 0) -> None:
        self._rate = rate
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/camera"
        self.clients = 0
        self._stop = threading.Event()
        self._start = time.monotonic()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def now(self) -> int:
        return int((time.monotonic() - self._start) * self._rate)

    def __enter__(self) -> RtspCamera:
        return self

    def __exit__(self, *problem) -> None:
        self.unplug()

    def drop(self) -> None:
        """Break all connections, but go on serving."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def unplug(self) -> None:
        """Vanish."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            lines = connection.makefile("rb")
            while request := [
                line.decode() for line in iter(lambda: lines.readline().strip(), b"")
            ]:
                verb = request[0].split()[0]
                number = next(line for line in request if line.lower().startswith("cseq"))
                body = SDP.replace("\n", "\r\n") if verb == "DESCRIBE" else ""
                head = f"{number}\r\n{HEADERS.get(verb, '')}Content-Length: {len(body)}\r\n"
                connection.sendall(f"RTSP/1.0 200 OK\r\n{head}\r\n{body}".encode())
                if verb == "PLAY":
                    self.clients += 1
                    self._play(connection)
                    return
        except OSError:  # the other side went away, or `drop` cut the line
            return

    def _play(self, connection: socket.socket) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
            inbox.bind(("127.0.0.1", 0))
            inbox.settimeout(0.2)
            broken = threading.Event()
            target = f"rtp://127.0.0.1:{inbox.getsockname()[1]}?pkt_size=1200"
            encoder = threading.Thread(target=self._encode, args=(target, broken), daemon=True)
            encoder.start()
            try:
                while not self._stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        packet = inbox.recv(1 << 16)
                        if not 192 <= packet[1] <= 223:  # RTCP is not needed
                            connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
            finally:
                broken.set()
                encoder.join()

    def _encode(self, target: str, broken: threading.Event) -> None:
        import av

        options = {"preset": "ultrafast", "tune": "zerolatency"}
        with av.open(target, "w", format="rtp") as container:
            stream = container.add_stream("libx264", rate=self._rate, options=options)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            stream.gop_size = 10
            while not (self._stop.is_set() or broken.is_set()):
                number = self.now
                frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, self._rate)
                container.mux(stream.encode(frame))
                due = self._start + (number + 1) / self._rate
                time.sleep(max(0.001, due - time.monotonic()))
