"""Pass a request on to a real server, and its answer back.  The only file of the stub that is a client."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from ..core.listener import connect
from ..core.text import describe_error, quote
from ..errors import UsageError
from .reply import Reply
from .request import RecordedRequest

__all__ = ["Upstream"]

_HOP_BY_HOP = frozenset((
    "connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
))  # fmt: skip  # RFC 9110, 7.6.1; the length is that of what is sent


class _Connection(http.client.HTTPConnection):
    """A connection that goes on working while a test has replaced ``socket.socket``."""

    def __init__(self, host: str, port: int | None, timeout: float, context: ssl.SSLContext | None) -> None:
        self.default_port = http.client.HTTPS_PORT if context is not None else http.client.HTTP_PORT
        super().__init__(host, port, timeout=timeout)
        self._timeout = timeout
        self._context = context

    def connect(self) -> None:
        """Connect to the host."""
        self.sock = connect(self.host, self.port, self._timeout)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


class Upstream:
    """A server that requests are passed on to, each on a connection of its own.

    Args:
        url: Its base URL; what it has of a path stands before that of the request.
        timeout: Seconds without a byte from it.
        ca_file: What must be trusted to verify it, as a path; the system's by default.

    Raises:
        UsageError: It is no such URL.
    """

    def __init__(self, url: str, *, timeout: float = 10.0, ca_file: str | None = None) -> None:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"upstream is {quote(url)}; wanted a base URL such as 'https://api.example.com/v1'")
        self.url = url
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._timeout = timeout
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if ca_file is None:
                self._context.load_default_certs()
            else:
                self._context.load_verify_locations(ca_file)

    def reply_to(self, request: RecordedRequest) -> Reply:
        """The upstream's answer to ``request``.

        Raises:
            UsageError: It cannot be reached, or does not answer.
        """
        connection = _Connection(self._host, self._port, self._timeout, self._context)
        target = self._path + request.exchange.target
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP and k.lower() != "host"}
        try:
            connection.request(request.method, target, request.body or None, headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            what = describe_error(error)
            raise UsageError(f"{request.describe()} could not be passed on to {self.url}: {what}") from error
        finally:
            connection.close()
        pairs = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        return Reply(response.status, body or None, pairs, reason=response.reason)
