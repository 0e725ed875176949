"""The environ of a request, as PEP 3333 wants it."""

from __future__ import annotations

import io
import logging
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from .connection import input_stream
from .exchange import Exchange
from .head import Head
from .response import SERVER

__all__ = ["make_base_environ", "make_environ", "split_target"]

log = logging.getLogger("liveserver_testcase.web")

_NOT_HTTP = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_keys: dict[bytes, str] = {}  # header names as sent, and their environ keys ("" for none); bounded below


def _key(name: bytes) -> str:
    """The environ key of a header; none for a name with ``_``, which could pass for another one with ``-``."""
    text = name.decode("ascii")
    key = "" if "_" in text else _NOT_HTTP.get(text.lower()) or "HTTP_" + text.upper().replace("-", "_")
    if len(_keys) < 1000:
        _keys[name] = key
    return key


def split_target(head: Head) -> tuple[str, str, str | None]:
    """Path, query and, for a target in absolute form, the host of a request; percent-encoding stays.

    Source: RFC 9112, 3.2.
    """
    target = head.target
    host = None
    if not target.startswith("/") and "://" in target and head.method != "CONNECT":
        host, slash, rest = target.partition("://")[2].partition("/")
        if "?" in host:
            host, _, rest = host.partition("?")
            target = f"/?{rest}"
        else:
            target = slash + rest if slash else "/"
    path, _, query = target.partition("?")
    return path, query, host


class _ErrorStream(io.TextIOBase):
    """``wsgi.errors``: what an application writes there goes to logging, a line a record."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line:
                log.error("%s", line)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


def make_environ(exchange: Exchange, base: dict[str, Any]) -> dict[str, Any]:
    """The environ of a request.

    Besides what PEP 3333 asks for: ``REQUEST_URI``, the raw target, ``REMOTE_PORT``, ``wsgi.input_terminated``,
    and ``liveserver.exchange``.

    Args:
        exchange: The exchange, while it is served.
        base: What `make_base_environ` made for the server.
    """
    head = exchange.head
    if head is None:
        raise RuntimeError("the exchange is over")
    path, query, host = split_target(head)
    environ = base.copy()
    environ["REQUEST_METHOD"] = head.method
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    environ["QUERY_STRING"] = query
    environ["REQUEST_URI"] = environ["RAW_URI"] = head.target
    environ["SERVER_PROTOCOL"] = head.version
    environ["REMOTE_ADDR"], _, environ["REMOTE_PORT"] = exchange.peer.rpartition(":")
    environ["wsgi.input"] = input_stream(exchange.body)
    environ["liveserver.exchange"] = exchange
    for name, value in head.headers:
        key = _keys.get(name)
        if key is None:
            key = _key(name)
        if not key:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        environ[key] = text
    if host is not None:
        environ["HTTP_HOST"] = host  # the target outranks the header: RFC 9112, 3.2.2
    return environ


def make_base_environ(scheme: str, host: str, port: int) -> dict[str, Any]:
    """What is the same in every environ of a server."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": SERVER,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": _ErrorStream(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }
