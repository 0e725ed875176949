import unittest
from pathlib import Path

import requests

from liveserver_testcase import HTTPStubTestCase


class ShopClient:
    """Orders from the shop."""

    def __init__(self, url):
        self.url = url

    def order(self, item, amount):
        reply = requests.post(f"{self.url}/orders", json={"item": item, "amount": amount}, timeout=5)
        reply.raise_for_status()
        return reply.json()["id"]

    def is_sent(self, number):
        return requests.get(f"{self.url}/orders/{number}", timeout=5).json()["state"] == "sent"


class ShopClientTest(HTTPStubTestCase):
    def setUp(self):
        self.stub.load_openapi(Path(__file__).with_name("shop.yaml"))
        self.client = ShopClient(self.stub.url_for("/v1"))

    def test_order(self):
        self.assertEqual(self.client.order("tea", 2), 7)  # the document's example

    def test_sent(self):
        self.stub.on("GET", "/v1/orders/7").reply(json={"id": 7, "item": "tea", "amount": 2, "state": "sent"})
        self.assertTrue(self.client.is_sent(7))
        self.assertFalse(self.client.is_sent(8))  # made from the schema


if __name__ == "__main__":
    unittest.main()
