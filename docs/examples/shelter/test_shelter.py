import asyncio
import unittest

import httpx
from fastapi import FastAPI
from shelter import create_app

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase


class ShelterTest(LiveServerTestCase, HTTPStubTestCase):
    """Tests that are plain functions; the application is asynchronous all the same."""

    @classmethod
    def create_app(cls) -> FastAPI:
        return create_app(registry=cls.stub.url)

    def test_a_cat(self) -> None:
        self.stub.expect("GET", "/chips/<int:chip>").reply(json={"name": "Minka"})

        self.assertEqual(self.live.get("/cats/276").json(), {"name": "Minka"})

    def test_no_cat(self) -> None:
        self.stub.expect("GET", "/chips/276").reply(404)

        self.assertEqual(self.live.get("/cats/276").status_code, 404)


class AsyncShelterTest(LiveServerTestCase, HTTPStubTestCase, unittest.IsolatedAsyncioTestCase):
    """Tests that are coroutines."""

    @classmethod
    def create_app(cls) -> FastAPI:
        return create_app(registry=cls.stub.url)

    async def test_two_clients_at_once(self) -> None:
        self.stub.on("GET", "/chips/<int:chip>").reply(json={"name": "Minka"})

        async with httpx.AsyncClient(base_url=self.live_url()) as client:
            answers = await asyncio.gather(client.get("/cats/1"), client.get("/cats/2"))

        self.assertEqual([answer.status_code for answer in answers], [200, 200])
        await self.assertLiveRequestedAsync("GET", "/cats/1", times=1)
        await self.assertRequestedAsync("GET", "/chips/2", times=1)

    async def test_a_slow_registry(self) -> None:
        hold = self.stub.on("GET", "/chips/276").hold()

        async with httpx.AsyncClient(base_url=self.live_url()) as client:
            task = asyncio.create_task(client.get("/cats/276"))
            await hold.wait_async()  # the application waits for the registry now
            hold.reply(json={"name": "Minka"})
            answer = await task

        self.assertEqual(answer.json(), {"name": "Minka"})


if __name__ == "__main__":
    unittest.main()
