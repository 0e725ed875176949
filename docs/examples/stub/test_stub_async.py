"""Code under test that runs on an event loop, and handlers that do."""

import asyncio
import unittest

import httpx

from liveserver_testcase import HTTPStubTestCase


async def fetch_all(url, paths):
    """The code under test: asks for everything at once."""
    async with httpx.AsyncClient(base_url=url, timeout=5) as client:
        answers = await asyncio.gather(*(client.get(path) for path in paths))
        return [answer.text for answer in answers]


class AsyncTest(HTTPStubTestCase, unittest.IsolatedAsyncioTestCase):
    async def test_at_once(self):
        hold = self.stub.expect("GET", "/a").hold()
        self.stub.expect("GET", "/b").reply(text="b")
        task = asyncio.create_task(fetch_all(self.stub.url, ["/a", "/b"]))
        await hold.wait_async()
        hold.reply(text="a")
        self.assertEqual(["a", "b"], await task)

    async def test_a_handler_that_awaits(self):
        async def slowly(request):
            await asyncio.sleep(0.01)
            return {"path": request.path}

        self.stub.on("GET").reply_with(slowly)
        self.assertEqual(['{"path": "/a"}'], await fetch_all(self.stub.url, ["/a"]))

    async def test_waiting_without_blocking_the_loop(self):
        expected = self.stub.expect("GET", "/a").reply(text="a")
        task = asyncio.create_task(fetch_all(self.stub.url, ["/a"]))
        (request,) = await expected.wait_async()
        self.assertEqual("/a", request.path)
        await task


if __name__ == "__main__":
    unittest.main()
