"""A live server in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .live import LiveServer
from .remote import RemoteServer

__all__ = ["ProcessLiveServer"]


class ProcessLiveServer(LiveServer, RemoteServer):  # type: ignore[misc]
    """A `LiveServer` whose application runs in a process of its own."""

    begin = RemoteServer.begin

    def _set_up(self, host: str, port: int, asgi_options: Mapping[str, Any], **options: Any) -> None:
        theirs = {"interface": self._interface, "asgi_options": dict(asgi_options), "around": self.around}
        start_method, env = self._process
        RemoteServer.__init__(self, self.app, host, port, options=theirs, start_method=start_method, env=env, **options)

    def _connect_frameworks(self) -> None:
        """Nothing: they are in the other process, and so is a `LiveServer` that hears of them."""
