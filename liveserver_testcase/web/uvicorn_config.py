"""uvicorn's configuration, and what its protocols expect around them.

The only importer of uvicorn, which is loaded when the first server is made.

Of uvicorn these are used: ``Config``, which chooses and configures the protocols, and the protocols themselves, on a
loop and a socket of our own.  Its ``Server`` is not: that one looks for its end ten times a second, waits for requests
without end, and answers a failed start with ``SystemExit``.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import warnings
from collections.abc import Mapping
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

from ..core.checks import suggest_name
from ..core.interrupts import wall_clock
from ..core.text import describe_error, quote
from ..errors import ServerStartError, UsageError
from .lifespan import ASGIApplication

__all__ = ["ServerState", "configure", "make_protocol_loop"]

_OPTIONS = frozenset((
    "date_header", "forwarded_allow_ips", "h11_max_incomplete_event_size", "headers", "http", "lifespan",
    "limit_concurrency", "proxy_headers", "reset_contextvars", "root_path", "server_header", "timeout_keep_alive", "ws",
    "ws_max_queue", "ws_max_size", "ws_per_message_deflate", "ws_ping_interval", "ws_ping_timeout",
))  # fmt: skip
_INSTEAD: Mapping[str, str] = {
    "ssl_": "use tls",
    "host": "use host and port",
    "port": "use host and port",
    "workers": "the server is one thread of this process",
    "access_log": "requests are kept in the server's journal",
    "log_": "configure the logger uvicorn.error",
    "timeout_graceful_shutdown": "use stop_timeout",
}  # by the beginnings of names


def configure(app: ASGIApplication, options: Mapping[str, Any]) -> Any:
    """Make uvicorn's configuration, with its protocols loaded.

    Raises:
        ServerStartError: uvicorn is not installed, or cannot work with the options.
        UsageError: An option is unknown, or not to be set; names what to use instead, or the nearest one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older versions import what websockets has deprecated since
        try:
            import uvicorn
        except ImportError as error:
            raise ServerStartError(
                f"an ASGI application needs uvicorn, which cannot be imported ({error}). "
                "Install liveserver-testcase[asgi]."
            ) from error
        parameters = inspect.signature(uvicorn.Config).parameters
        known = sorted(_OPTIONS & parameters.keys())
        for name, value in options.items():
            if name not in known:
                instead = next((text for start, text in _INSTEAD.items() if str(name).startswith(start)), None)
                what = "cannot be set here" if name in parameters else "is unknown"
                raise UsageError(f"the uvicorn option {name!r} {what}: {instead or suggest_name(name, known)}")
            if name == "lifespan" and value not in ("auto", "on", "off"):
                raise UsageError(f"the uvicorn option 'lifespan' is {value!r}; wanted 'auto', 'on' or 'off'")
        ours = {
            "interface": "asgi3",
            "log_config": None,  # anything else configures logging for the whole process
            "workers": 1,  # otherwise WEB_CONCURRENCY is read
            "lifespan": "off",  # see `Lifespan`
        }
        try:
            config = uvicorn.Config(app, **{"proxy_headers": False, **options, **ours})
            config.load()
        except Exception as error:  # whatever it is: uvicorn checks little
            raise ServerStartError(
                f"uvicorn cannot work with the options {quote(dict(options))}: {describe_error(error)}"
            ) from error
    logger = logging.getLogger("uvicorn")
    if not logger.handlers:  # without any, warnings would be printed
        logger.addHandler(logging.NullHandler())
    return config


class ServerState:
    """What uvicorn's protocols share: the four attributes of its ``ServerState``.

    uvicorn's main loop sets the headers of all responses once a second; here they are made when they are asked for.
    """

    def __init__(self, config: Any) -> None:
        self.total_requests = 0
        self.connections: set[object] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._config = config
        self._second = -1
        self._headers: list[tuple[bytes, bytes]] = []

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Date, Server and those of the options."""
        second = int(wall_clock())
        if second != self._second:
            date = [(b"date", formatdate(second, usegmt=True).encode())] if self._config.date_header else []
            self._headers = [*date, *self._config.encoded_headers]
            self._second = second
        return self._headers


def make_protocol_loop(loop: asyncio.AbstractEventLoop, *, is_timed: bool, is_counting: bool) -> Any:
    """Return what uvicorn's protocols for HTTP use of their loop: they make tasks, and time connections that are kept.

    The task of a request is made without the loop's task factory, which is for those that the application makes.
    Its end is reported only where uvicorn counts the tasks, since that costs a turn of the loop.  An hour's timer for
    each response, to be cancelled by the next request, is no use to anybody.
    """

    def start_task(coroutine: Any, **options: Any) -> object:
        # The loop keeps the task until it runs, and then its cycle does.
        asyncio.Task(coroutine, loop=loop, **options)  # type: ignore[unused-awaitable]
        return _Nothing

    return SimpleNamespace(
        create_task=functools.partial(asyncio.Task, loop=loop) if is_counting else start_task,
        call_later=loop.call_later if is_timed else lambda _delay, _callback: _Nothing,
    )


class _Nothing:
    """What uvicorn is given in place of a task or a timer."""

    @staticmethod
    def add_done_callback(_callback: object) -> None:
        """Tell nobody that the task has ended."""

    @staticmethod
    def cancel() -> None:
        """Do nothing: there is no timer."""
