"""How code behaves when the network, or the other side, does not."""

import unittest

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from liveserver_testcase import Fault, FaultPoint, HTTPStubTestCase


class WeatherClient:
    """The code under test: it retries what it may, and gives up after a moment."""

    def __init__(self, url, timeout=0.2):
        self.url = url
        self.timeout = timeout
        self.session = requests.Session()
        retry = Retry(total=2, backoff_factor=0, status_forcelist=[503], allowed_methods=["GET"])
        self.session.mount("http://", HTTPAdapter(max_retries=retry))

    def temperature(self, city):
        try:
            response = self.session.get(f"{self.url}/cities/{city}", timeout=self.timeout)
            response.raise_for_status()
            return response.json()["celsius"]
        except (requests.RequestException, ValueError):
            return None


class WeatherTest(HTTPStubTestCase):
    def setUp(self):
        super().setUp()
        self.client = WeatherClient(self.stub.url)
        self.addCleanup(self.client.session.close)

    def test_an_answer_that_takes_too_long(self):
        self.stub.on("GET", "/cities/oslo").reply(json={"celsius": 3}, delay=30)
        self.assertIsNone(self.client.temperature("oslo"))

    def test_a_body_that_comes_slowly_but_comes(self):
        self.stub.on("GET", "/cities/oslo").reply(json={"celsius": 3}, throttle=(5, 0.01))
        self.assertEqual(3, self.client.temperature("oslo"))

    def test_a_connection_that_is_reset_is_tried_again(self):
        self.stub.expect("GET", "/cities/oslo").fail(Fault.RESET)
        self.stub.expect("GET", "/cities/oslo").reply(json={"celsius": 3})
        self.assertEqual(3, self.client.temperature("oslo"))
        first, second = self.stub.requests
        self.assertNotEqual(first.connection_index, second.connection_index)

    def test_a_service_that_recovers(self):
        self.stub.expect("GET", "/cities/oslo", times=3).reply_sequence(503, 503, {"celsius": 3})
        self.assertEqual(3, self.client.temperature("oslo"))

    def test_half_an_answer_is_none(self):
        for fault in (Fault.TRUNCATE, Fault.BAD_CHUNK):
            with self.subTest(fault=fault):
                self.stub.on("GET", "/cities/oslo").reply(json={"celsius": 3}).fail(fault)
                self.assertIsNone(self.client.temperature("oslo"))

    def test_an_answer_that_stops_in_the_middle(self):
        oslo = self.stub.on("GET", "/cities/oslo").reply(json={"celsius": 3})
        oslo.fail(Fault.STALL, at=FaultPoint.RESPONSE_BODY, after_bytes=5)
        self.assertIsNone(self.client.temperature("oslo"))

    def test_a_server_that_is_down(self):
        with self.stub.refuse_connections():
            self.assertIsNone(self.client.temperature("oslo"))

    def test_a_server_behind_a_silent_firewall(self):
        with self.stub.blackhole():
            self.assertIsNone(self.client.temperature("oslo"))

    def test_a_connection_that_went_stale(self):
        self.stub.on("GET", "/cities/oslo").reply(json={"celsius": 3})
        self.assertEqual(3, self.client.temperature("oslo"))
        self.stub.close_connections()
        self.assertEqual(3, self.client.temperature("oslo"))

    def test_something_between_that_is_no_http_at_all(self):
        with self.stub.on_connect(Fault.GARBAGE):
            self.assertIsNone(self.client.temperature("oslo"))


if __name__ == "__main__":
    unittest.main()
