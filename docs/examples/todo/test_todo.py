import unittest

import requests

from liveserver_testcase import LiveServerTestCase


class TodoTest(LiveServerTestCase):
    app = "todo:create_app()"

    def setUp(self):
        self.live_server.app.config["ITEMS"].clear()

    def test_what_is_added_is_shown(self):
        added = self.live.post("/items", json={"text": "buy tea"})

        self.assertEqual(added.status_code, 201)
        self.assertEqual(self.live.get("/items/1").json(), {"text": "buy tea"})

    def test_any_client_will_do(self):
        answer = requests.post(self.live_url("/items"), json={"text": "buy milk"}, timeout=5)

        self.assertEqual(answer.json(), {"number": 1})
        self.assertLiveRequested("POST", "/items", times=1, status=201)


if __name__ == "__main__":
    unittest.main()
