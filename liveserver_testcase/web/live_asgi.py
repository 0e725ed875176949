"""A live server of an ASGI application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .asgi import ASGIServer
from .live import LiveServer

__all__ = ["ASGILiveServer"]


class ASGILiveServer(LiveServer, ASGIServer):
    """A `LiveServer` of an ASGI application."""

    def _set_up(self, host: str, port: int, asgi_options: Mapping[str, Any], **options: Any) -> None:
        ASGIServer.__init__(self, self.app, host, port, options=asgi_options, **options)
