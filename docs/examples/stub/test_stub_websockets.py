"""An API with WebSockets: a feed of prices, and a client that must stay connected."""

import json
import unittest

import websockets.exceptions
import websockets.sync.client

from liveserver_testcase import HTTPStubTestCase, WebSocketFault


def watch(url, symbol):
    """The code under test: subscribes to a feed and yields its prices, and connects again when the feed breaks off."""
    for _ in range(2):
        with websockets.sync.client.connect(url) as socket:
            socket.send(json.dumps({"subscribe": symbol}))
            try:
                for message in socket:
                    yield json.loads(message)["price"]
                return
            except websockets.exceptions.ConnectionClosedError:
                pass  # not in good order: try again


class FeedTest(HTTPStubTestCase):
    def setUp(self):
        self.url = f"{self.stub.ws_url}/feed"

    def test_a_script(self):
        feed = self.stub.expect_websocket("/feed")
        feed.receive(json={"subscribe": "AAPL"}).send(json={"price": 1}).send(json={"price": 2}).close()
        self.assertEqual([1, 2], list(watch(self.url, "AAPL")))

    def test_by_hand(self):
        feed = self.stub.expect_websocket("/feed", headers={"User-Agent": str})
        prices = watch(self.url, "AAPL")
        feed.send(json={"price": 1})
        self.assertEqual(1, next(prices))
        with feed.connection(timeout=5) as connection:
            connection.receive(json={"subscribe": "AAPL"})
            connection.send(json={"price": 2})
            self.assertEqual(2, next(prices))
        self.assertEqual([], list(prices))

    def test_a_function(self):
        def quote(connection):
            for message in connection:
                connection.send(json={"price": len(json.loads(message)["subscribe"])})

        self.stub.on_websocket("/feed").reply_with(quote)
        self.assertEqual(4, next(watch(self.url, "AAPL")))

    def test_it_connects_again(self):
        self.stub.expect_websocket("/feed").receive().send(json={"price": 1}).drop()
        self.stub.expect_websocket("/feed").receive().send(json={"price": 2}).close()
        self.assertEqual([1, 2], list(watch(self.url, "AAPL")))

    def test_it_refuses_bad_frames(self):
        feed = self.stub.expect_websocket("/feed", times=2).receive().fail(WebSocketFault.BAD_UTF8)
        self.assertEqual([], list(watch(self.url, "AAPL")))
        self.assertEqual([1007, 1007], [connection.close_code for connection in feed.connections])

    def test_it_is_not_let_in(self):
        self.stub.expect_websocket("/feed").refuse(401, json={"error": "no token"})
        with self.assertRaises(websockets.exceptions.InvalidStatus):
            next(watch(self.url, "AAPL"))


if __name__ == "__main__":
    unittest.main()
