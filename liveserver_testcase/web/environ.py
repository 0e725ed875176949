"""The environ of a request, as PEP 3333 wants it."""

from __future__ import annotations

import io
import logging
from typing import Any
from wsgiref.util import FileWrapper

from ..core.listener import format_host
from .records import Exchange
from .request_body import Input
from .request_head import Head
from .response import SERVER

__all__ = ["describe_request", "make_base_environ", "make_environ"]

log = logging.getLogger("liveserver_testcase.web")


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
    environ = describe_request(head, exchange.address, base)
    environ["wsgi.input"] = io.BytesIO() if exchange.body is None else Input(exchange.body)
    environ["liveserver.exchange"] = exchange
    return environ


def describe_request(head: Head, address: Any, base: dict[str, Any]) -> dict[str, Any]:
    """What an environ says of a request, without its body."""
    return {**base, **head.variables, "REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])}


def make_base_environ(scheme: str, host: str, port: int) -> dict[str, Any]:
    """What is the same in every environ of a server."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": format_host(host),
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
