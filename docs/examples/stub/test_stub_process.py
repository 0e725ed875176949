"""A stub in a process of its own."""

import os
import socket
from unittest import mock

import requests

from liveserver_testcase import HTTPStubTestCase, RecordedRequest, Reply


def greet(request: RecordedRequest, name: str) -> Reply:
    return Reply(json={"greeting": f"hello {name}", "pid": os.getpid()})


class ForecastTest(HTTPStubTestCase):
    stub_mode = "process"

    def test_a_forecast(self) -> None:
        self.stub.expect("GET", "/forecast", query={"city": "Bonn"}).reply(json={"sky": "clear"})
        answer = requests.get(self.stub.url_for("/forecast", city="Bonn"), timeout=5)
        self.assertEqual({"sky": "clear"}, answer.json())
        self.assertRequested("GET", "/forecast", matcher=lambda request: "python" in request.headers["User-Agent"])

    def test_a_function(self) -> None:
        self.stub.on("GET", "/hello/<name>").reply_with(greet)
        answer = requests.get(self.stub.url_for("/hello/ann"), timeout=5).json()
        self.assertEqual(("hello ann", self.stub.pid), (answer["greeting"], answer["pid"]))

    def test_without_a_network(self) -> None:
        with mock.patch("socket.socket", side_effect=OSError("no network")):
            self.assertRaises(OSError, socket.create_connection, self.stub.address)
            self.stub.on("GET", "/forecast").reply(503)
        self.assertEqual(503, requests.get(self.stub.url_for("/forecast"), timeout=5).status_code)
