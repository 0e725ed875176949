"""What users of pytest-localserver and test_server know, in our words."""

import unittest

import requests

from liveserver_testcase import Chunked, HTTPStubTestCase, Reply


class FromPytestLocalserverTest(HTTPStubTestCase):
    def test_serve_content(self):
        self.stub.serve_content("<h1>hello</h1>", 201, {"X-Mark": "1"})
        answer = requests.get(self.stub.url, timeout=5)
        self.assertEqual((201, "<h1>hello</h1>", "1"), (answer.status_code, answer.text, answer.headers["X-Mark"]))

    def test_attributes(self):
        self.stub.content = "<h1>gone</h1>"
        self.stub.code = 410
        answer = requests.get(self.stub.url, timeout=5)
        self.assertEqual((410, "<h1>gone</h1>"), (answer.status_code, answer.text))

    def test_chunked(self):
        self.stub.serve_content(["one", "two"], chunked=Chunked.YES)
        answer = requests.get(self.stub.url, timeout=5)
        self.assertEqual(("onetwo", "chunked"), (answer.text, answer.headers["Transfer-Encoding"]))

    def test_chunked_auto(self):
        self.stub.serve_content(["one", "two"], headers={"Transfer-Encoding": "chunked"}, chunked=Chunked.AUTO)
        self.assertEqual("chunked", requests.get(self.stub.url, timeout=5).headers["Transfer-Encoding"])

    def test_show_post_vars(self):
        self.stub.serve_content(show_post_vars=True)
        self.assertEqual({"a": "1"}, requests.post(self.stub.url, data={"a": "1"}, timeout=5).json())

    def test_requests(self):
        self.stub.serve_content("x")
        requests.post(self.stub.url, data=b"body", timeout=5)
        self.assertEqual([b"body"], [request.data for request in self.stub.requests])


class FromTestServerTest(HTTPStubTestCase):
    def test_add_response(self):
        self.stub.enqueue(Reply(200, b"first"))
        self.stub.enqueue(Reply(503, b"second"), method="POST")
        self.assertEqual("first", requests.get(self.stub.url, timeout=5).text)
        self.assertEqual("second", requests.post(self.stub.url, timeout=5).text)

    def test_response_with_sleep_and_cookies(self):
        self.stub.serve_content("x", cookies={"session": "1"}, delay=0.01)
        self.assertEqual("1", requests.get(self.stub.url, timeout=5).cookies["session"])

    def test_callback(self):
        self.stub.on().reply_with(lambda: ({"n": len(self.stub.requests)}, 201))
        self.assertEqual({"n": 1}, requests.get(self.stub.url, timeout=5).json())

    def test_raw_callback(self):
        self.stub.on().reply_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        self.assertEqual("hi", requests.get(self.stub.url, timeout=5).text)

    def test_wait_request(self):
        self.stub.serve_content("x")
        requests.get(self.stub.url_for("/a", q=1), timeout=5)
        request = self.stub.wait_for_request("GET", "/a")
        self.assertEqual(("/a", "1", "127.0.0.1"), (request.path, request.args["q"], request.client_ip))


if __name__ == "__main__":
    unittest.main()
