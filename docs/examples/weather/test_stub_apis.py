import requests

from liveserver_testcase import HTTPStubTestCase


def checkout(shop, billing, geo):
    """The code under test: it calls three services."""
    basket = requests.get(f"{shop}/basket", timeout=5).json()
    country = requests.get(f"{geo}/where", timeout=5).json()["country"]
    paid = requests.post(f"{billing}/invoices", json={"sum": basket["sum"], "country": country}, timeout=5)
    return paid.json()["number"]


class CheckoutTest(HTTPStubTestCase):
    stub_names = ("billing", "geo")

    @classmethod
    def configure_stub(cls, stub):
        cls.stubs["geo"].get("/where").reply(json={"country": "DE"})

    def test_an_invoice_is_written(self):
        self.stub.get("/basket").reply(json={"sum": 12})
        self.stubs["billing"].expect("POST", "/invoices", json={"sum": 12, "country": "DE"}).reply(json={"number": 5})
        urls = [self.stub.url, self.stubs["billing"].url, self.stubs["geo"].url]
        self.assertEqual(checkout(*urls), 5)
        self.assertRequested("GET", "/where", times=1, stub="geo")
