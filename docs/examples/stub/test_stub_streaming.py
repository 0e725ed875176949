"""Answers that come piece by piece."""

import json
import unittest

import requests

from liveserver_testcase import Fault, FaultPoint, HTTPStubTestCase, Pause


def read_events(url):
    """The code under test: yields the data of server-sent events."""
    with requests.get(url, stream=True, timeout=5) as response:
        for line in response.iter_lines():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


class TokensTest(HTTPStubTestCase):
    def test_events(self):
        self.stub.expect("GET", "/chat").reply_sse([{"data": {"token": "Hel"}}, Pause(0.01), {"data": {"token": "lo"}}])
        self.assertEqual(["Hel", "lo"], [event["token"] for event in read_events(self.stub.url_for("/chat"))])

    def test_a_function_makes_them_for_each_request(self):
        def count(request):
            for number in range(int(request.args["n"])):
                yield {"event": "tick", "data": number}

        self.stub.on("GET", "/ticks").reply_sse(count)
        self.assertEqual([0, 1, 2], list(read_events(self.stub.url_for("/ticks", n=3))))

    def test_the_reader_need_not_wait_for_the_end(self):
        self.stub.on("GET", "/chat").reply_sse([{"data": 1}], keep_open=True)
        events = read_events(self.stub.url_for("/chat"))
        self.assertEqual(1, next(events))
        events.close()  # the stub notices, and its thread is free again

    def test_a_stream_that_breaks_off(self):
        chat = self.stub.on("GET", "/chat").reply_sse([{"data": 1}, {"data": 2}])
        chat.fail(Fault.CLOSE, at=FaultPoint.RESPONSE_BODY, after_bytes=9)
        events = read_events(self.stub.url_for("/chat"))
        self.assertEqual(1, next(events))
        with self.assertRaises(requests.exceptions.ChunkedEncodingError):
            next(events)

    def test_a_download_in_chunks(self):
        self.stub.on("GET", "/export").reply(chunks=["id,name\n", "1,ann\n"], content_type="text/csv")
        with requests.get(self.stub.url_for("/export"), stream=True, timeout=5) as response:
            self.assertEqual(b"id,name\n1,ann\n", b"".join(response.iter_content(None)))

    def test_an_endless_stream(self):
        async def noise():
            while True:
                yield b"x" * 100

        self.stub.on("GET", "/noise").reply_stream(noise)
        with requests.get(self.stub.url_for("/noise"), stream=True, timeout=5) as response:
            self.assertEqual(b"x" * 5000, response.raw.read(5000))


if __name__ == "__main__":
    unittest.main()
