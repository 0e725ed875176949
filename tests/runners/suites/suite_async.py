"""The mixins next to IsolatedAsyncioTestCase, in both orders."""

from __future__ import annotations

import asyncio
import unittest

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.integration.apps import make_app
from tests.runners.suites.expected import expect

APP = ("the application raised an error:", "GET /boom: RuntimeError: kaboom")


class Body:
    """Run by the two classes below."""

    app = make_app()

    async def provoke(self) -> None:
        await asyncio.to_thread(self.live.get, "/boom")

    async def asyncSetUp(self) -> None:
        if "in_set_up" in self.id():
            await self.provoke()
            raise ValueError("of asyncSetUp")

    @expect("passed")
    async def test_nothing_happens(self):
        answer = await asyncio.to_thread(self.live.get, "/")
        self.assertEqual(answer.text, "fine")

    @expect("failed", *APP)
    async def test_app_raises(self):
        await self.provoke()

    @expect("failed", "1 != 2", *APP)
    async def test_failed_already(self):
        await self.provoke()
        self.assertEqual(1, 2)

    @expect("error", "ValueError: of asyncSetUp", *APP)
    async def test_error_in_set_up(self):
        self.fail("not reached")

    @expect("failed", *APP)
    async def test_app_raises_in_an_async_clean_up(self):
        self.addAsyncCleanup(self.provoke)

    @expect("skipped", "not now", conceals=["application"])
    async def test_skip(self):
        await self.provoke()
        self.skipTest("not now")

    @expect("failed", "/pay")
    def test_that_is_not_async(self):
        self.stub.expect("GET", "/pay").reply(200)


class MixinsFirst(Body, LiveServerTestCase, HTTPStubTestCase, unittest.IsolatedAsyncioTestCase):
    pass


class MixinsLast(Body, unittest.IsolatedAsyncioTestCase, LiveServerTestCase, HTTPStubTestCase):
    pass
