import unittest
from pathlib import Path

from flask import Flask, request

from liveserver_testcase import LiveServerTestCase

app = Flask(__name__)
orders = {}


@app.post("/v1/orders")
def create_order():
    order = {"id": len(orders) + 1, "state": "new", **request.get_json()}
    orders[order["id"]] = order
    return order, 201


@app.get("/v1/orders/<int:number>")
def show_order(number):
    return orders.get(number) or ("there is no such order", 404)


class ShopTest(LiveServerTestCase):
    app = app
    live_openapi = Path(__file__).with_name("shop.yaml")

    def test_order(self):
        order = self.live.post("/v1/orders", json={"item": "tea", "amount": 2}).json()
        self.assertEqual(self.live.get(f"/v1/orders/{order['id']}").json()["item"], "tea")
        self.assertEqual(self.live.get("/v1/orders/99").status_code, 404)


if __name__ == "__main__":
    unittest.main()
