import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from liveserver_testcase import HTTPStubTestCase


class RetriesTest(HTTPStubTestCase):
    def setUp(self):
        self.session = requests.Session()
        self.addCleanup(self.session.close)
        retry = Retry(total=3, backoff_factor=0, status_forcelist=[503])
        self.session.mount("http://", HTTPAdapter(max_retries=retry))

    def test_it_tries_again_after_a_503(self):
        self.stub.expect("GET", "/rates", times=3).reply_sequence(503, 503, {"EUR": 1.1})
        self.assertEqual(self.session.get(self.stub.url_for("/rates")).json(), {"EUR": 1.1})

    def test_it_gives_up(self):
        rates = self.stub.on("GET", "/rates").reply_sequence(503, then="repeat")
        with self.assertRaises(requests.exceptions.RetryError):
            self.session.get(self.stub.url_for("/rates"))
        self.assertEqual(rates.times_called, 4)

    def test_pages(self):
        self.stub.expect("GET", "/items", query={}).reply(json={"items": [1, 2], "next": "/items?page=2"})
        self.stub.expect("GET", "/items?page=2").reply(json={"items": [3], "next": None})
        items, path = [], "/items"
        while path:
            page = self.session.get(self.stub.url_for(path)).json()
            items, path = items + page["items"], page["next"]
        self.assertEqual(items, [1, 2, 3])

    def test_an_order_that_is_paid_and_then_shipped(self):
        order = self.stub.scenario("order", "new")
        order.get("/orders/1", state="new").reply(json={"state": "new"})
        order.post("/orders/1/payment", state="new").then_state("paid").reply(201)
        order.get("/orders/1", state="paid").reply(json={"state": "paid"})
        url = self.stub.url_for("/orders/1")
        self.assertEqual(self.session.get(url).json(), {"state": "new"})
        self.session.post(f"{url}/payment")
        self.assertEqual(self.session.get(url).json(), {"state": "paid"})
