"""live_openapi: the responses of a live application are held to a document."""

import gzip
import os
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import fastapi
import flask
import requests

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.integration.openapi.support import FOLDER, make_document
from tests.integration.running import Outcome, make_case, run_case

PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "password": {"type": "integer"}},
}
ANSWER = {"description": "", "content": {"application/json": {"schema": PET}}}
DOCUMENT = make_document(
    {
        "/pets/{id}": {
            "get": {
                "operationId": "showPet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": ANSWER, "404": {"description": ""}},
            }
        }
    },
    servers=[{"url": "https://shop.example/api"}],
)


class Pet(fastapi.FastAPI):
    """An ASGI application whose document is its own."""

    def __init__(self) -> None:
        super().__init__()

        @self.get("/right/{number}", response_model=dict[str, int])
        async def right(number: int) -> Any:
            return {"id": number}

        @self.get("/wrong/{number}", response_model=dict[str, int])
        async def wrong(number: int) -> Any:
            return fastapi.responses.JSONResponse({"id": str(number)})


def make_app() -> flask.Flask:
    """Make an application that answers as it is asked to."""
    app = flask.Flask(__name__)

    @app.get("/api/pets/<int:number>")
    @app.get("/pets/<int:number>")
    def show(number: int) -> Any:
        if "raise" in flask.request.args:
            raise RuntimeError("kaboom")
        if "packed" in flask.request.args:
            body = gzip.compress(b'{"id": "one", "name": "Tom"}')
            return flask.Response(body, 200, {"Content-Encoding": "gzip"}, "application/json")
        if "long" in flask.request.args:
            return {"id": "x" * 2_000_000}
        answer = {"id": number, "name": "Tom", **flask.request.args}
        return answer, int(answer.pop("status", 200))

    @app.get("/other")
    def other() -> str:
        return "no pet"

    return app


class WSGI(LiveServerTestCase):
    """In a thread of this process; importable, so that it can be in another one, too."""

    live_openapi = DOCUMENT

    @classmethod
    def create_app(cls) -> flask.Flask:
        return make_app()


class ASGI(LiveServerTestCase):
    """The same for an ASGI application."""

    live_openapi = Pet().openapi()

    @classmethod
    def create_app(cls) -> Pet:
        return Pet()


def get(*paths: str) -> Any:
    """Make a test that sends GETs, and looks at no response."""

    def test(case: Any) -> None:
        for path in paths:
            requests.get(case.live_url(path), timeout=10)

    return test


def run(case: type, *paths: str, **settings: Any) -> Outcome:
    """Run a test of a subclass of ``case``."""
    return run_case(make_case(case, test=get(*paths), **settings))


class ResponsesTest(unittest.TestCase):
    """What an application answers, and what its document says."""

    maxDiff = None

    def test_responses_as_documented_pass(self) -> None:
        """With the base path of the document's server or without; what the document does not have is let be."""
        for case in (WSGI, ASGI):
            with self.subTest(case=case):
                run(case, "/api/pets/1", "/pets/2", "/other", "/right/3", "/nowhere").assert_passed()

    def test_a_response_that_differs_fails_the_test(self) -> None:
        """The report has each request, the place and the value; no secret."""
        report = run(WSGI, "/api/pets/1?id=x&name=y", "/pets/1?status=418", "/api/pets/1?password=hunter2").report

        self.assertIn(
            "AssertionError: the application's responses are not as the document has them:\n"
            "  GET /api/pets/1?id=x&name=y -> 200\n"
            "    $.id of the body: wanted type 'integer', got 'x' "
            "(the document#/paths/~1pets~1{id}/get/responses/200/content/application~1json/schema/properties/id/type)\n"
            "  GET /pets/1?status=418 -> 418\n"
            "    status: wanted 200, 404, got 418 (the document#/paths/~1pets~1{id}/get/responses)\n"
            "  GET /api/pets/1?password=*** -> 200\n"
            "    $.password of the body: wanted type 'integer', got *** (",
            report,
        )
        self.assertNotIn("hunter2", report.partition("the live server")[0])

    def test_a_process_of_its_own(self) -> None:
        """What it answers is compared here, also with FastAPI's own document, which is of version 3.1."""
        for kind, path in ((WSGI, "/pets/1?id=x"), (ASGI, "/wrong/5")):
            with self.subTest(kind=kind):
                members = {"test_it": get(path), "live_mode": "process", "__module__": __name__}
                case = type(kind.__name__, (kind,), members)
                with mock.patch.dict(globals(), {case.__name__: case}):
                    report = run_case(case).report
                self.assertIn("$.id of the body: wanted type 'integer'", report)
        self.assertIn("GET /wrong/5 -> 200\n    $.id of the body: wanted type 'integer', got '5'", report)

    def test_each_scope(self) -> None:
        """A server of one test, and one that is shared: each response belongs to the test that asked for it."""
        for scope in ("test", "module"):
            with self.subTest(scope=scope):
                members = {"test_1": get("/pets/1?id=x"), "test_2": get("/pets/1"), "live_scope": scope}
                outcome = run_case(make_case(WSGI, **members), make_case(WSGI, test=get("/pets/2"), live_scope=scope))
                self.assertEqual({"run": 3, "failures": 1}, outcome.summary, outcome.printed)

    def test_what_has_no_whole_response_is_let_be(self) -> None:
        """A body that is longer than what is kept, and HEAD."""

        def test(case: Any) -> None:
            requests.head(case.live_url("/pets/1?id=x"), timeout=10)
            requests.get(case.live_url("/pets/1?id=x&long=1"), timeout=10)

        run_case(make_case(WSGI, test=test)).assert_passed()

    def test_a_body_that_is_no_plain_one(self) -> None:
        """It is compared without its Content-Encoding; the 500 that follows from an exception is not compared."""
        self.assertIn("got 'one'", run(WSGI, "/pets/1?packed=1").report)
        report = run(WSGI, "/pets/1?raise=1").report
        self.assertIn("RuntimeError: kaboom", report)
        self.assertNotIn("document", report.partition("the live server")[0])

    def test_a_failed_test_says_so_too(self) -> None:
        """The note comes after the test's own failure; without a document the class does not start."""

        def test(case: Any) -> None:
            case.assertEqual(2, requests.get(case.live_url("/pets/1?id=x"), timeout=10).json()["id"])

        report = run_case(make_case(WSGI, test=test)).report
        self.assertRegex(report, r"(?s)2 != 'x'.*\$\.id of the body: wanted type 'integer', got 'x'")
        report = run(WSGI, "/", live_openapi="/no/such/file.yaml").report
        self.assertIn("the OpenAPI document '/no/such/file.yaml' cannot be read", report)


class SettingTest(unittest.TestCase):
    """Where the document is named."""

    def test_the_environment_variable(self) -> None:
        """It takes the place of the attribute; ``none`` turns it off."""
        wrong = "/pets/1?id=x"
        for variable, settings, fails in (
            (str(FOLDER / "petstore.yaml"), {"live_openapi": None}, True),
            ("none", {"live_openapi": DOCUMENT}, False),
            ("", {"live_openapi": Path(FOLDER, "petstore.yaml")}, True),
        ):
            with self.subTest(variable=variable), mock.patch.dict(os.environ, LIVESERVER_OPENAPI=variable):
                outcome = run(WSGI, wrong, **settings)
                self.assertEqual({"run": 1, **({"failures": 1} if fails else {})}, outcome.summary, outcome.printed)


class BothTest(HTTPStubTestCase, LiveServerTestCase):
    """One document for both sides: what the stub plays, the application must keep to."""

    live_openapi = DOCUMENT

    @classmethod
    def create_app(cls) -> flask.Flask:
        return make_app()

    def test_both(self) -> None:
        """The stub's answer has the same shape."""
        self.stub.load_openapi(DOCUMENT)

        played = requests.get(self.stub.url_for("/api/pets/1"), timeout=10).json()

        self.assertEqual(set(played) - {"password"}, set(self.live.get("/pets/1").json()))
