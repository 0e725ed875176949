"""Five clients that verify the server's certificate."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import requests
import tea_shop
import trustme
from websockets.sync.client import connect

from liveserver_testcase import LiveServerTestCase


class ClientsTest(LiveServerTestCase):
    app = tea_shop.application
    live_tls = True

    def test_the_session(self) -> None:
        self.assertTrue(self.live_url("/assam").startswith("https://127.0.0.1:"))
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})

    def test_requests(self) -> None:
        answer = requests.get(self.live_url("/assam"), verify=self.live_server.ca_file, timeout=5)
        self.assertEqual(answer.json(), {"cents": 450})

    def test_httpx(self) -> None:
        with httpx.Client(base_url=self.live_url(), verify=self.live_server.client_context()) as client:
            self.assertEqual(client.get("/assam").json(), {"cents": 450})

    def test_the_standard_library(self) -> None:
        host, port = self.live_server.host, self.live_server.port
        connection = http.client.HTTPSConnection(host, port, context=self.live_server.client_context(), timeout=5)
        self.addCleanup(connection.close)
        connection.request("GET", "/assam")
        self.assertEqual(connection.getresponse().read(), b'{"cents": 450}')

    @unittest.skipIf(shutil.which("curl") is None, "curl is not installed")
    def test_curl(self) -> None:
        command = ["curl", "--silent", "--show-error", "--cacert", self.live_server.ca_file, self.live_url("/assam")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        self.assertEqual(done.stdout, '{"cents": 450}')

    def test_who_does_not_trust_it(self) -> None:
        with self.assertRaises(requests.exceptions.SSLError):
            requests.get(self.live_url("/assam"), timeout=5)


class LocalhostTest(ClientsTest):
    live_external_host = "localhost"

    def test_the_session(self) -> None:
        self.assertTrue(self.live_url("/assam").startswith("https://localhost:"))
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})


class AsyncClientsTest(LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    app = tea_shop.application
    live_tls = True

    async def test_aiohttp(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self.live_server.client_context())
        async with aiohttp.ClientSession(connector=connector) as client, client.get(self.live_url("/assam")) as answer:
            self.assertEqual(await answer.json(), {"cents": 450})

    async def test_httpx(self) -> None:
        async with httpx.AsyncClient(verify=self.live_server.client_context()) as client:
            answer = await client.get(self.live_url("/assam"))
        self.assertEqual(answer.json(), {"cents": 450})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say what the client of a WebSocket says."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})


class WebSocketTest(LiveServerTestCase):
    app = echo
    live_tls = True

    def test_an_echo(self) -> None:
        url, context = self.live_ws_url("/"), self.live_server.client_context()
        with connect(url, ssl=context, proxy=None) as client:
            client.send("tea?")
            self.assertEqual(client.recv(), "tea?")


class OwnCertificateTest(LiveServerTestCase):
    app = tea_shop.application
    live_external_host = "localhost"

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.ca = trustme.CA()
        certificate = cls.ca.issue_cert("localhost")
        certfile, keyfile = Path(folder.name, "cert.pem"), Path(folder.name, "key.pem")
        certificate.cert_chain_pems[0].write_to_path(certfile)
        certificate.private_key_pem.write_to_path(keyfile)
        cls.live_tls = (str(certfile), str(keyfile))
        super().setUpClass()

    def test_a_client_that_trusts_the_authority(self) -> None:
        with self.ca.cert_pem.tempfile() as ca_file:
            answer = requests.get(self.live_url("/assam"), verify=ca_file, timeout=5)
        self.assertEqual(answer.json(), {"cents": 450})


if __name__ == "__main__":
    unittest.main()
