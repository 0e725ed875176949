"""Pass a request on to a real server, and its answer back.  The only file of the stub that is a client.

What is sent is what came, octet by octet, and so is what comes back: header fields in their order, with their names and
values as they are.  Only what is about one connection (RFC 9110, 7.6.1) and the Host are the stub's own.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ..core.checks import check_seconds
from ..core.listener import connect
from ..core.proxies import read_original
from ..core.text import describe_error, quote
from ..errors import ClientDisconnected, UsageError
from ..web.request_head import split_target
from .reply import Reply
from .request import RecordedRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from .connection import StubConnection

__all__ = ["ForwardingResponder"]

_HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
))  # fmt: skip  # RFC 9110, 7.6.1
_OURS = frozenset(("host", "content-length", "expect"))  # of a request: its body is here, so that its length is known


class _Answer(io.RawIOBase):
    """What an upstream sends; who waits for it watches the client, and the stub's stop."""

    def __init__(self, sock: socket.socket, serving: StubConnection, timeout: float) -> None:
        self._sock = sock
        self._serving = serving
        self._timeout = timeout

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Receive once."""
        if not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            self._serving.wait_readable(self._sock, self._timeout)
        return self._sock.recv_into(buffer)


class _Reader(io.BufferedReader):
    """A reader, and what ``http.client`` wants of a socket: it stays open, since another response may follow."""

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return itself."""
        return self

    def close(self) -> None:
        """Do nothing: the socket is closed by itself."""


class ForwardingResponder:
    """A server that requests are passed on to, each on a connection of its own: see `Expectation.forward_to`."""

    def __init__(self, url: str, *, timeout: float = 10.0, ca_file: str | None = None) -> None:
        parts, port = urlsplit(url) if isinstance(url, str) else urlsplit(""), None
        with contextlib.suppress(ValueError):  # it is no number
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        if port is None or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise UsageError(f"upstream is {quote(url)}; wanted a base URL such as 'https://api.example.com/v1'")
        self.url = url
        self._host, self._port, self._path = parts.hostname, port, parts.path.rstrip("/")
        self._authority = parts.netloc
        self._timeout = check_seconds("timeout", timeout)
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if ca_file is None:
                self._context.load_default_certs()
                usual = read_original("SSL_CERT_FILE")
                if usual != os.environ.get("SSL_CERT_FILE"):  # it is that of a stub with hosts now
                    with contextlib.suppress(OSError):
                        self._context.load_verify_locations(usual or ssl.get_default_verify_paths().openssl_cafile)
            else:
                try:
                    self._context.load_verify_locations(ca_file)
                except (OSError, TypeError, ValueError) as error:  # ssl.SSLError is one
                    raise UsageError(f"ca_file {quote(ca_file)} cannot be used: {describe_error(error)}") from error

    def reply_to(self, request: RecordedRequest) -> Reply:
        """Return the upstream's answer to ``request``; what prevents that is a `UsageError`."""
        serving, what = request.serving, f"{request.describe()} could not be passed on to {self.url}"
        if serving is None:
            raise UsageError(f"{what}: no stub serves it")
        if request.loss:
            raise UsageError(f"{what}: its body has {request.body_size:,} bytes{request.loss}")
        try:
            sock = connect(self._host, self._port, self._timeout)
            try:
                if self._context is not None:
                    sock = cast(Any, self._context.wrap_socket(sock, server_hostname=self._host))
                sock.sendall(self._make_head(request) + request.body)
                return _receive(request.method, _Reader(_Answer(sock, serving, self._timeout)))
            finally:
                sock.close()
        except ClientDisconnected:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise UsageError(f"{what}: {describe_error(error)}") from error

    def _make_head(self, request: RecordedRequest) -> bytes:
        """Make the request line and the headers for the upstream.  Source of the target: RFC 9112, 3.2.1 and 3.2.4."""
        head, target = request.exchange.head, request.exchange.target
        lines = head.block.split(b"\r\n")[1:-2] if head is not None else []
        named = [(line.partition(b":")[0].decode("latin-1").lower(), line) for line in lines]
        dropped = _HOP_BY_HOP | _OURS | _list_options(line for name, line in named if name == "connection")
        kept = [line for name, line in named if name not in dropped]
        if request.body or any(name in ("content-length", "transfer-encoding") for name, _ in named):
            kept.append(b"Content-Length: %d" % len(request.body))
        path, query, _ = split_target(target)
        sent = f"{self._path}{path}{'?' if '?' in target else ''}{query}"
        if target == "*":
            sent = self._path or target
        first = f"{request.method} {sent} HTTP/1.1\r\nHost: {self._authority}"
        return b"\r\n".join([first.encode("latin-1"), *kept, b"Connection: close", b"", b""])


def _receive(method: str, reader: _Reader) -> Reply:
    while True:
        response = http.client.HTTPResponse(cast(Any, reader), method=method)
        with contextlib.closing(response):
            response.begin()
            if not 100 < response.status < 200:  # interim: http.client passes over 100 alone
                body = response.read()
                break
    headers = response.getheaders()
    dropped = _HOP_BY_HOP | _list_options(f":{v}".encode("latin-1") for n, v in headers if n.lower() == "connection")
    if method != "HEAD" and response.status != 304:  # there it is of what a GET would have got
        dropped |= {"content-length"}
    pairs = tuple((name, re.sub(r"\r?\n[ \t]+", " ", value)) for name, value in headers if name.lower() not in dropped)
    return Reply(response.status).changed(body=body, headers=pairs, reason=response.reason or None).checked()


def _list_options(lines: Any) -> frozenset[str]:
    """List the header names in Connection headers, which are about the connection too."""
    options = (option for line in lines for option in line.partition(b":")[2].decode("latin-1").split(","))
    return frozenset(option.strip().lower() for option in options)
