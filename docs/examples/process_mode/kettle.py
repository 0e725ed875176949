"""A kettle that is not fit for the process that runs the tests: it changes how every socket resolves names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from typing import Any

print("filling the kettle at", os.environ.get("KETTLE_TAP", "no tap"))


def resolve_nothing(host: str, *arguments: object, **options: object) -> list[Any]:
    """Keep the kettle off the network."""
    raise OSError(f"the kettle does not look for {host}")


socket.getaddrinfo = resolve_nothing


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Boil water; without water the whole kettle goes."""
    path = environ["PATH_INFO"]
    if path == "/boil-dry":
        print("bang")
        os.abort()
    if path == "/descale":
        raise RuntimeError("no vinegar")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"boiled by {os.getpid()}".encode()]


def create_application(power: str) -> Callable[..., Iterable[bytes]]:
    """Make a kettle of so many watts."""
    print("a kettle of", power)
    return application
