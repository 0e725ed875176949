"""Tests that fail, each for a reason of its own, to show what they print."""

from weather import Weather

from liveserver_testcase import HTTPStubTestCase


class FailingTest(HTTPStubTestCase):
    def setUp(self):
        self.weather = Weather(self.stub.url, key="k-123")

    def test_a_text_for_a_truth(self):
        self.stub.expect(
            "POST", "/v1/subscriptions", json={"city": "Bonn", "email": "ann@example.com", "daily": "yes"}
        ).reply(201, json={"id": 7})
        self.weather.subscribe("Bonn", "ann@example.com")

    def test_nothing_comes(self):
        self.stub.expect("GET", "/v1/cities/Bonn/forecast").reply(json={"days": []})

    def test_out_of_order(self):
        with self.stub.in_order():
            self.stub.expect("POST", "/v1/subscriptions").reply(201, json={"id": 7})
            self.stub.expect("GET", "/v1/cities/<city>/forecast").reply(json={"days": []})
        self.weather.forecast("Bonn")
