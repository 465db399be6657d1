"""Fetch an image from an ``http(s)`` address that the user gave, within limits of size and time.

Nothing but HTTP is spoken: the openers for ``file:``, ``ftp:`` and ``data:`` addresses, which
`urllib` adds by default, are left out, so that no redirect can reach them.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit

from mien.errors import UnreadableMediaError

MAX_BYTES = 50_000_000
MAX_REDIRECTS = 10
TIMEOUT_S = 10.0
DEADLINE_S = 60.0

REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {"User-Agent": "mien", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
HARMLESS = "%/:=&?~#+!$,;'@()*[]"
"""Characters that stay as they are when an address is made ASCII."""


def fetch(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    timeout_s: float = TIMEOUT_S,
    deadline_s: float = DEADLINE_S,
) -> bytes:
    """Download one file. Redirects are followed, but only to ``http(s)``.

    Args:
        url: ``http://`` or ``https://``; proxies are taken from the system's settings.
        max_bytes: Larger answers are refused, by their announced length when they have one.
        timeout_s: Longest wait for a connection or for the next bytes.
        deadline_s: Longest time for everything together, redirects included.

    Raises:
        UnreadableMediaError: One line that says why, without the address.
    """
    with Watchdog(deadline_s) as watchdog:
        try:
            body = _download(url, watchdog, max_bytes, timeout_s)
        except (OSError, ValueError, http.client.HTTPException) as error:
            # A connection that the watchdog cut fails in many ways; the deadline is the reason.
            if watchdog.has_bitten:
                raise watchdog.error() from error
            if isinstance(error, UnreadableMediaError):
                raise
            raise UnreadableMediaError(_reason(error, timeout_s)) from error
        if watchdog.has_bitten:  # an answer without a length ends quietly when it is cut
            raise watchdog.error()
        return body


class Watchdog:
    """Cuts the watched connections when the time is up.

    Socket timeouts alone do not help: a server that sends one byte now and then never hits them.

    Args:
        deadline_s: Seconds from entering the context.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self.has_bitten = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(deadline_s, self._bite)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection, too. A duplicate is kept, since TLS takes the original over."""
        with self._lock:
            self._sockets.append(connection.dup())
            if self.has_bitten:
                self._cut()

    def error(self) -> UnreadableMediaError:
        """The error to raise once the deadline has passed."""
        return UnreadableMediaError(f"not downloaded completely within {self.deadline_s:g} s")

    def _bite(self) -> None:
        with self._lock:
            self.has_bitten = True
            self._cut()

    def _cut(self) -> None:
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was faster
                continue


class _Connection(http.client.HTTPConnection):
    watchdog: Watchdog

    def connect(self) -> None:
        super().connect()
        self.watchdog.watch(self.sock)


class _TLSConnection(http.client.HTTPSConnection, _Connection):
    """`HTTPSConnection.connect` calls the plain `connect` first: here the watched one."""


class _HTTP(urllib.request.HTTPHandler):
    """Opens both kinds of addresses on watched connections."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__()
        self._watchdog = watchdog

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._watched(_Connection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._watched(_TLSConnection), req)

    https_request = urllib.request.AbstractHTTPHandler.do_request_

    def _watched(self, kind: type[_Connection]) -> Any:
        def connect(host: str, **settings: Any) -> _Connection:
            connection = kind(host, **settings)
            connection.watchdog = self._watchdog
            return connection

        return connect


def _download(url: str, watchdog: Watchdog, max_bytes: int, timeout_s: float) -> bytes:
    """Follow redirects by hand: `urllib` would read their bodies, however long."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(_HTTP(watchdog))
    for _ in range(MAX_REDIRECTS + 1):
        address = _checked(url)
        request = urllib.request.Request(address, headers=HEADERS)
        with opener.open(request, timeout=timeout_s) as response:
            if response.status in REDIRECTS and response.headers["Location"]:
                url = urljoin(address, response.headers["Location"])
                continue
            return _body(response, max_bytes)
    raise UnreadableMediaError(f"the server redirects more than {MAX_REDIRECTS} times")


def _checked(url: str) -> str:
    """Make an address ASCII.

    Raises:
        UnreadableMediaError: It is not one that is fetched here.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise UnreadableMediaError(f"only http and https addresses are fetched, not {url!r}")
    if not parts.hostname:
        raise UnreadableMediaError("the address names no host")
    if parts.username is not None:
        raise UnreadableMediaError("addresses with a user name or password are not supported")
    host = parts.netloc.encode("idna").decode("ascii")
    return quote(parts._replace(netloc=host).geturl(), safe=HARMLESS)


def _body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != http.client.OK:
        phrase = http.client.responses.get(response.status, "")
        raise UnreadableMediaError(f"the server answered {response.status} {phrase}".rstrip())
    too_large = UnreadableMediaError(
        f"the file is larger than the limit of {max_bytes / 1e6:g} MB for downloads; "
        "save it and pass its path instead"
    )
    announced = response.length  # None when the answer comes in chunks or says nothing
    if announced is not None and announced > max_bytes:
        raise too_large
    body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise too_large
    if announced is not None and len(body) < announced:
        raise UnreadableMediaError(f"the download ended after {len(body)} of {announced} bytes")
    return body


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    detail = " ".join(str(getattr(error, "strerror", None) or error).split())
    match error:
        case TimeoutError():
            return f"no answer from the server within {timeout_s:g} s"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate cannot be verified: {error.verify_message}"
        case socket.gaierror():
            return f"the host is not known: {detail}"
        case http.client.RemoteDisconnected() | http.client.IncompleteRead():
            return "the server ended the connection early"
        case http.client.InvalidURL() | UnicodeError():
            return f"the address is not valid: {detail}"
        case http.client.HTTPException():
            return f"the answer is not valid HTTP: {detail or type(error).__name__}"
        case OSError():
            return f"the server cannot be reached: {detail}"
        case _:
            return f"the address is not valid: {detail}"
