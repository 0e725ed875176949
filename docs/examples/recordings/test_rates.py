import unittest
from pathlib import Path

import requests

from liveserver_testcase import HTTPStubTestCase

RECORDING = Path(__file__).with_name("rates.har")


def convert(api, amount, currency):
    """Convert an amount of euros, as the shop does it."""
    rates = requests.get(f"{api}/v1/rates", params={"base": "EUR", "symbols": currency}, timeout=5).json()
    return amount * rates["rates"][currency]


class RatesTest(HTTPStubTestCase):
    def test_convert(self):
        self.stub.record("https://rates.example.com", RECORDING)
        self.assertEqual(convert(self.stub.url, 10, "CHF"), 9.5)


if __name__ == "__main__":
    unittest.main()
