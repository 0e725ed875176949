from weather import Weather

from liveserver_testcase import HTTPStubTestCase


class WeatherTest(HTTPStubTestCase):
    def setUp(self):
        self.weather = Weather(self.stub.url, key="k-123")

    def test_the_forecast_is_asked_for_three_days(self):
        self.stub.expect("GET", "/v1/cities/Bonn/forecast", query={"days": 3}).reply(
            json={"days": [{"summary": "rain"}, {"summary": "sun"}, {"summary": "sun"}]}
        )
        self.assertEqual(self.weather.forecast("Bonn"), ["rain", "sun", "sun"])

    def test_a_subscription_is_sent_as_json(self):
        self.stub.expect(
            "POST",
            "/v1/subscriptions",
            auth="k-123",
            json={"city": "Bonn", "email": "ann@example.com", "daily": True},
        ).reply(201, json={"id": 7})
        self.assertEqual(self.weather.subscribe("Bonn", "ann@example.com"), 7)
