"""A test class as it is in the process of its live server: its other servers are known by their addresses there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..errors import UsageError
from ..web.http_server import build_url
from .servers import ClassServer

__all__ = ["VARIABLE", "ChildView", "ServerView", "describe_servers"]

VARIABLE = "LIVESERVER_TESTCASE_SERVERS"
"""The environment variable by which the child knows them."""

_FACTS = ("url", "host", "port", "addr", "ca_file")


def describe_servers(servers: Iterable[ClassServer[Any]]) -> str:
    """What the child is told of the servers that run already, for `VARIABLE`."""
    import json  # a class whose application runs in a thread needs neither this nor the rest of the module

    told = {}
    for part in servers:
        if part.server is not None:
            facts = {name: getattr(part.server, name, None) for name in _FACTS}
            told[part.name] = {
                name: value for name, value in facts.items() if isinstance(value, str | int | list | tuple)
            }
    return json.dumps(told)


class ServerView:
    """What an application can know of a server that runs in another process: ``url``, ``host``, ``port`` and such."""

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        self._name = name
        self._facts = facts

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        facts: dict[str, Any] = self.__dict__["_facts"]
        if name not in facts:
            known = ", ".join([*facts, "url_for()"])
            raise UsageError(
                f"{self._name}.{name} was asked for in the live server's own process, and {self._name} runs in the "
                f"test's: create_app() can use {known}"
            )
        value = facts[name]
        return tuple(value) if isinstance(value, list) else value

    def __repr__(self) -> str:
        return f"<{self._name} of the test's process at {self._facts.get('url')}>"


class ChildView:
    """Stands for the `ClassRun` of a class in the child."""

    def __init__(self) -> None:
        import json

        self._told: dict[str, dict[str, Any]] = json.loads(os.environ.get(VARIABLE, "{}"))

    def find(self, name: str) -> ServerView | None:
        """The server of this name."""
        return ServerView(name, self._told[name]) if name in self._told else None

    def part(self, name: str) -> None:
        """No server of the class is driven from here."""

    @property
    def servers(self) -> list[Any]:
        """See `part`."""
        return []
