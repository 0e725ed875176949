import requests

from liveserver_testcase import HTTPStubTestCase


def forecast(city, api):
    answer = requests.get(f"{api}/forecast", params={"city": city}, timeout=5)
    return answer.json()["sky"] if answer.ok else "unknown"


class ForecastTest(HTTPStubTestCase):
    def test_clear(self):
        self.stub.expect("GET", "/forecast", query={"city": "Bonn"}).reply(json={"sky": "clear"})
        self.assertEqual("clear", forecast("Bonn", api=self.stub.url))
