from unittest.mock import ANY

from weather import Weather

from liveserver_testcase import ABSENT, INCLUDING, UNORDERED, HTTPStubTestCase


class JSONTest(HTTPStubTestCase):
    @classmethod
    def configure_stub(cls, stub):
        api = stub.defaults(prefix="/v1", auth="k-123", reply_headers={"X-Api-Version": "1"})
        api.get("/cities/<city>/forecast").reply_with(lambda request, city: {"days": [{"summary": f"sun in {city}"}]})

    def setUp(self):
        self.weather = Weather(self.stub.url, key="k-123")

    def test_a_part_of_the_path_is_in_the_answer(self):
        self.assertEqual(self.weather.forecast("Bonn"), ["sun in Bonn"])
        self.assertRequested("GET", "/v1/cities/Bonn/forecast", headers={"Accept": ANY})

    def test_a_test_overrides_what_the_class_has_written(self):
        self.stub.get("/v1/cities/Bonn/forecast").reply(json={"days": []})
        self.assertEqual(self.weather.forecast("Bonn"), [])

    def test_some_of_a_json_body(self):
        self.stub.post("/v1/subscriptions", json=INCLUDING({"city": "Bonn", "coupon": ABSENT})).reply(json={"id": 1})
        self.assertEqual(self.weather.subscribe("Bonn", "ann@example.com"), 1)

    def test_lists_in_any_order(self):
        self.stub.post("/v1/tags", json={"tags": UNORDERED("a", "b"), "at": str}).reply(json={})
        self.weather.call("POST", "/v1/tags", json={"tags": ["b", "a"], "at": "2030-01-01"})
