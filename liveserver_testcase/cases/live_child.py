"""A test class as it is in the process of its live server: its other servers are known by their addresses there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..web.http_server import build_url
from .class_server import ClassRun, ClassServer

__all__ = ["VARIABLE", "ServerView", "describe_servers", "make_child_run"]

VARIABLE = "LIVESERVER_TESTCASE_SERVERS"
"""The environment variable by which the child knows them."""

_FACTS = ("url", "ws_url", "host", "port", "address", "addr", "ca_file")


def describe_servers(servers: Mapping[str, object]) -> str:
    """Describe where the servers of these names are, for `VARIABLE`."""
    import json  # a class whose application runs in a thread needs neither this nor the rest of the module

    described = {}
    for name, server in servers.items():
        facts = {fact: getattr(server, fact, None) for fact in _FACTS}
        described[name] = {fact: value for fact, value in facts.items() if isinstance(value, str | int | list | tuple)}
    return json.dumps(described)


class ServerView:
    """What an application can know of a server of its class: ``url``, ``host``, ``port`` and such.

    Attributes:
        was_read: Whether anything of it has been read.
    """

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        self._name = name
        self._facts = facts
        self.was_read = False

    def url_for(self, path: str = "", /, **query: Any) -> str:
        """The URL of ``path`` on this server, with ``query`` as parameters."""
        return build_url(self.url, path, query)

    def move(self, port: int) -> None:
        """Note that the server is going to listen on another port than it was described with."""
        for name in ("url", "ws_url"):
            self._facts[name] = f"{self._facts[name].rpartition(':')[0]}:{port}"
        self._facts |= {"port": port, "address": [self._facts["host"], port]}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        facts: dict[str, Any] = self.__dict__["_facts"]
        if name not in facts:
            known = ", ".join([*facts, "url_for()"])
            raise UsageError(
                f"{self._name}.{name} was asked for in the live server's own process, which knows only where "
                f"{self._name} is: create_app() can use {known}"
            )
        self.was_read = True
        value = facts[name]
        return tuple(value) if isinstance(value, list) else value

    def __repr__(self) -> str:
        return f"<{self._name} of the test's process at {self._facts.get('url')}>"


def make_child_run() -> ClassRun:
    """Make what stands for the servers of a class in the child: views of them."""
    import json

    described: dict[str, dict[str, Any]] = json.loads(os.environ.get(VARIABLE, "{}"))
    servers: list[ClassServer[Any]] = []
    for name, facts in described.items():
        servers.append(ClassServer(name, lambda: None))
        servers[-1].server = ServerView(name, facts)
    return ClassRun(servers)
