"""Which of uvicorn's options a test may set, and why not the others."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError

__all__ = ["check_options"]

_ADDRESS = "the server listens on a socket of its own: use host and port"
_TLS = "use tls"
_LOGGING = "the configuration of logging is left alone: listen to the logger uvicorn.error"
_PROCESSES = "the server is one thread of this process"
_STOP = "use stop_timeout"
_LOOP = "the server has an asyncio loop of its own"
_TICKS = "it belongs to uvicorn's main loop, which polls and is not used"

_OURS: Mapping[str, str] = {
    "app": "it is the first argument",
    "host": _ADDRESS,
    "port": _ADDRESS,
    "uds": _ADDRESS,
    "fd": _ADDRESS,
    "backlog": _ADDRESS,
    "loop": _LOOP,
    "log_config": _LOGGING,
    "log_level": _LOGGING,
    "access_log": "requests are kept in the server's journal",
    "use_colors": _LOGGING,
    "env_file": "it would change the environment of the whole process",
    "interface": "the application is called as ASGI 3",
    "factory": "hand over the application itself",
    "reload": _PROCESSES,
    "workers": _PROCESSES,
    "http2": "the server speaks HTTP/1.1",
    "limit_max_requests": _TICKS,
    "timeout_notify": _TICKS,
    "callback_notify": _TICKS,
    "timeout_graceful_shutdown": _STOP,
    "timeout_worker_healthcheck": _PROCESSES,
}
_FAMILIES: Mapping[str, str] = {"ssl_": _TLS, "reload_": _PROCESSES, "limit_max_requests_": _TICKS}
_LIFESPANS = ("auto", "on", "off")


def check_options(config: Callable[..., object], options: Mapping[str, Any]) -> None:
    """Refuse options that ``config`` does not know or that are not the test's to set.

    Args:
        config: ``uvicorn.Config``.
        options: What is meant for it.

    Raises:
        UsageError: One of them cannot be set; says why, or which one was meant.
    """
    known = [name for name in inspect.signature(config).parameters if _reason(name) is None]
    for name, value in options.items():
        reason = _reason(name)
        if reason is not None:
            raise UsageError(f"the uvicorn option {name!r} cannot be set: {reason}")
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            advice = f"Did you mean {near[0]!r}?" if near else f"It knows {', '.join(map(repr, known))}."
            raise UsageError(f"uvicorn has no option {name!r}. {advice}")
        if name == "lifespan" and value not in _LIFESPANS:
            raise UsageError(f"the uvicorn option 'lifespan' is {value!r}; wanted 'auto', 'on' or 'off'")


def _reason(name: object) -> str | None:
    """Why an option is not the test's to set; None if it is."""
    if name in _OURS:
        return _OURS[str(name)]
    return next((why for prefix, why in _FAMILIES.items() if str(name).startswith(prefix)), None)
