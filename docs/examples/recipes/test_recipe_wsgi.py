"""What can be an application: a callable, an import string, a factory, something in a middleware, a framework's."""

from __future__ import annotations

import unittest
from typing import Any
from wsgiref.validate import validator

import bottle
import tea_shop

from liveserver_testcase import LiveServer, LiveServerTestCase


class CallableTest(LiveServerTestCase):
    app = tea_shop.application

    def test_a_price(self) -> None:
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})


class ImportStringTest(LiveServerTestCase):
    app = "tea_shop:application"

    def test_a_price(self) -> None:
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})


class FactoryTest(LiveServerTestCase):
    app = "tea_shop:make_application()"

    def test_a_price(self) -> None:
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})


class MiddlewareTest(LiveServerTestCase):
    @classmethod
    def create_app(cls) -> Any:
        return tea_shop.Stopwatch(validator(tea_shop.application))

    def test_a_header_of_the_middleware(self) -> None:
        self.assertRegex(self.live.get("/assam").headers["Server-Timing"], r"shop;dur=\d+\.\d+")


class BottleTest(LiveServerTestCase):
    @classmethod
    def create_app(cls) -> bottle.Bottle:
        app = bottle.Bottle()
        app.config["catchall"] = False  # else Bottle keeps exceptions to itself

        @app.get("/tea/<kind>")
        def tea(kind: str) -> dict[str, int]:
            return {"cents": {"assam": 450}[kind]}

        return app

    def test_a_price(self) -> None:
        self.assertEqual(self.live.get("/tea/assam").json(), {"cents": 450})

    def test_an_exception(self) -> None:
        with self.expectLiveErrors(KeyError):
            self.assertEqual(self.live.get("/tea/milk").status_code, 500)


class AnythingTest(LiveServerTestCase):
    live_interface = "wsgi"

    @classmethod
    def create_app(cls) -> Any:
        def call(*arguments: Any) -> Any:
            return tea_shop.application(*arguments)

        return call

    def test_a_price(self) -> None:
        self.assertEqual(self.live.get("/assam").json(), {"cents": 450})


class AloneTest(unittest.TestCase):
    def test_a_server_without_a_class(self) -> None:
        import requests

        with LiveServer(tea_shop.application) as server:
            answer = requests.get(server.url_for("/assam"), timeout=5)

        self.assertEqual(answer.json(), {"cents": 450})
        self.assertEqual([record.path for record in server.journal.entries()], ["/assam"])


if __name__ == "__main__":
    unittest.main()
