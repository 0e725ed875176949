"""The contract of every server, held against a server of HTTP in a process."""

from __future__ import annotations

import socket
from typing import Any

from liveserver_testcase.core.server import Server
from liveserver_testcase.web.live_process import RemoteServer
from tests.contracts import test_process as test_contract
from tests.contracts import test_servers

__all__ = ["RemoteTLSContract"]


class RemoteTLSContract(test_contract.SpawnContract):
    """A WSGI application in a fresh interpreter, over TLS."""

    half_said = test_servers.WSGIContract.half_said

    def make_server(self, **options: Any) -> Server:
        app = "tests.integration.process.apps:bridged()"
        return RemoteServer(app, env={"BRIDGE": self.bridge.path}, tls=True, **options)

    def ask(self, client: socket.socket) -> None:
        client.sendall(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")

    def check_answer(self, client: socket.socket) -> None:
        head, _, body = self.receive(client, b"\r\n\r\nhello").partition(b"\r\n\r\n")
        self.assertEqual((b"HTTP/1.1 200 OK", b"hello"), (head.splitlines()[0], body))
