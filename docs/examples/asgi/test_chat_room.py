"""The chat room on a live port: requests, WebSockets, and an asynchronous test."""

import json
import unittest

import httpx
import websockets.asyncio.client
import websockets.sync.client
from chat_room import app

from liveserver_testcase import LiveServerTestCase


class ChatRoomTest(LiveServerTestCase):
    """A FastAPI application, its lifespan and its WebSockets."""

    app = app
    live_scope = "test"  # an empty room for each test

    def say(self, text, author="ann"):
        return self.live.post("/messages", json={"author": author, "text": text})

    def test_what_is_said_is_kept(self):
        """A message can be read afterwards."""
        self.assertEqual(201, self.say("hello").status_code)
        self.assertEqual([{"author": "ann", "text": "hello"}], self.live.get("/messages").json())

    def test_everybody_hears_it(self):
        """Who listens gets the message at once."""
        url = self.live_ws_url("/listen")
        with websockets.sync.client.connect(url) as ben, websockets.sync.client.connect(url) as cid:
            self.say("hello")
            for listener in (ben, cid):
                self.assertEqual("hello", json.loads(listener.recv(timeout=5))["text"])
        self.assertLiveRequested("WEBSOCKET", "/listen", times=2, status=101)

    def test_nobody_speaks_without_a_name(self):
        """An exception of the application would fail the test; this one is wanted."""
        with self.expectLiveErrors(ValueError, regex="nobody knows who"):
            self.assertEqual(500, self.say("boo", author="").status_code)


class AsyncChatRoomTest(LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """The same with asynchronous clients: the server has a loop and a thread of its own."""

    app = app

    async def test_everybody_hears_it(self):
        """Who listens gets the message at once."""
        async with websockets.asyncio.client.connect(self.live_ws_url("/listen")) as listener:
            async with httpx.AsyncClient(base_url=self.live_url()) as client:
                answer = await client.post("/messages", json={"author": "ann", "text": "hello"})
            self.assertEqual(201, answer.status_code)
            self.assertEqual("hello", json.loads(await listener.recv())["text"])
