"""HTTPStub.load_openapi: a document as the script of a stub."""

import asyncio
import concurrent.futures
import json
import re
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import aiopenapi3
import openapi_core
import requests
import yaml
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

from liveserver_testcase import HTTPStub, HTTPStubTestCase, UsageError
from tests.integration.openapi.support import FOLDER, NAMES, make_document, make_operation
from tests.support import NoLeaks

TIMEOUT = 10.0


class LoadTest(NoLeaks):
    """A stub that plays a document."""

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.stub = HTTPStub()
        self.addCleanup(self.stub.stop)
        self.stub.start()
        self.stub.begin("shop.test")

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.stub.url_for(path), timeout=TIMEOUT, **options)

    def load(self, paths: dict[str, Any], **more: Any) -> None:
        self.stub.load_openapi(make_document(paths, **more))

    def load_schemas(self, schemas: dict[str, tuple[Any, Any]], **more: Any) -> None:
        """A path for each schema, with no example of it."""
        contents = {name: {"application/json": {"schema": schema}} for name, (schema, _) in schemas.items()}
        self.load({f"/{name}": {"get": make_operation(content)} for name, content in contents.items()}, **more)
        for name, (_, wanted) in schemas.items():
            with self.subTest(schema=name):
                answer = self.send("GET", f"/{name}")
                self.assertEqual(200, answer.status_code, answer.text)
                if wanted is not None:
                    self.assertEqual(wanted, answer.json())

    def take_report(self) -> str:
        """The report of what is held against the test, which is taken."""
        with self.assertRaises(AssertionError) as caught:
            self.stub.verify()
        return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", str(caught.exception))


class AnsweringTest(LoadTest):
    """What an operation is answered with."""

    def test_examples_are_sent_as_they_are(self) -> None:
        """The first of several is the usual one; a client can ask for another; an unknown one fails the test."""
        self.stub.load_openapi(FOLDER / "api-with-examples.yaml")
        for path, prefer, wanted in (
            ("/v2", "", (200, "v2.0")), ("/", "code=300, example=foo", (300, "v2.0")), ("/v2", "example=fooo", None),
            ("/v2", "code=418", None),
        ):  # fmt: skip
            answer = self.send("GET", path, headers={"Prefer": prefer})
            if wanted is None:
                self.assertEqual(500, answer.status_code)
            else:
                version = answer.json().get("version") or answer.json()["versions"][0]
                self.assertEqual(wanted, (answer.status_code, version["id"]))
        report = self.take_report()
        self.assertIn("has no example 'fooo', which a Prefer header asks for; it has 'foo'", report)
        self.assertIn("has no response '418', which a Prefer header asks for; it has 200, 203", report)

    def test_success_is_preferred_to_default_and_error(self) -> None:
        """The lowest success wins, else ``default``; a range is its first status.

        Headers come with it: those with an example, and those that are required.
        """
        headers = {
            "X-Next": {"schema": {"type": "string"}, "example": "/2"},
            "X-Total": {"schema": {"type": "integer", "minimum": 7}, "required": True, "deprecated": True},
            "X-Maybe": {"schema": {"type": "string"}},
        }
        text: dict[str, Any] = {"description": ""}
        operations: dict[str, tuple[Any, int]] = {
            "/low": ({"404": text, "204": text, "default": text}, 204),
            "/range": ({"4XX": text, "2XX": text}, 200),
            "/default": ({"404": text, "default": text}, 200),
            "/error": ({"409": text}, 409),
            "/headers": ({"200": {**text, "headers": headers}}, 200),
        }
        self.load({path: {"get": {"responses": responses}} for path, (responses, _) in operations.items()})

        answers = {path: self.send("GET", path) for path in operations}

        self.assertEqual([status for _, status in operations.values()], [each.status_code for each in answers.values()])
        sent = answers["/headers"].headers
        self.assertEqual(("/2", "7", None), (sent["X-Next"], sent["X-Total"], sent.get("X-Maybe")))

    def test_the_type_is_one_that_the_client_accepts(self) -> None:
        """JSON is the usual one."""
        content = {
            "text/csv": {"schema": {"type": "string"}, "example": "id\n1\n"},
            "application/json": {"schema": {"type": "array", "items": {"type": "integer"}}},
            "application/problem+json": {"schema": {"type": "object"}, "example": {"title": "x"}},
        }
        self.load({"/": {"get": make_operation(content)}})

        answers = [self.send("GET", "/", headers={"Accept": kind}) for kind in ("*/*", "text/csv", "application/*")]

        self.assertEqual([b"[1]", b"id\n1\n", b"[1]"], [answer.content for answer in answers])
        self.assertEqual("text/csv", answers[1].headers["Content-Type"])

    def test_every_response_of_the_documents_is_valid(self) -> None:
        """openapi-core itself, set up as its users do, finds nothing wrong with what a client gets."""
        for name in NAMES:
            self.stub.begin(name)
            document = self.stub.load_openapi(FOLDER / name, strict=False)
            judge = openapi_core.OpenAPI.from_file_path(str(FOLDER / name))
            with judge.spec.resolve() as resolved:
                servers = [server["url"] for server in resolved.contents.get("servers", [{"url": "/"}])]
                resolved.contents["servers"] = [{"url": re.sub(r".*://[^/]*", self.stub.url.rstrip("/"), servers[0])}]
            for expectation in document:
                method = expectation.criteria.method.key
                path = re.sub("<[^>]*>", "1", expectation.criteria.path.describe().strip("'"))
                with self.subTest(document=name, operation=expectation.name):
                    answer = self.send(method, path)
                    self.assertLess(answer.status_code, 400, answer.text)
                    found = judge.iter_response_errors(
                        RequestsOpenAPIRequest(answer.request), RequestsOpenAPIResponse(answer)
                    )
                    self.assertEqual([], list(found))
            self.stub.verify()

    def test_what_cannot_be_made_is_named(self) -> None:
        """A schema that no value was found for says where it fails."""
        schema = {"type": "string", "pattern": "^a+$", "enum": ["b"]}
        content = {"application/json": {"schema": schema}}
        self.load({"/": {"get": make_operation(content, operationId="show")}})

        self.assertEqual(500, self.send("GET", "/").status_code)

        self.assertIn(
            "UsageError: show of the document has no example of its response 200, and no value could be made from its "
            "schema: body: wanted pattern '^a+$', got 'b' (the document#/paths/~1/get/responses/200/content/"
            "application~1json/schema/pattern); write an example into the document, or answer it yourself: "
            "stub.on('GET', …).reply(…)",
            self.take_report(),
        )
        unique = {"type": "array", "items": {"type": "object"}, "minItems": 2, "uniqueItems": True}
        self.stub.begin("shop.test_unique")
        self.load({"/": {"get": make_operation({"application/json": {"schema": unique}})}})
        self.assertEqual(500, self.send("GET", "/").status_code)
        self.assertIn("no value could be made from its schema: ", self.take_report())


SCHEMAS: dict[str, tuple[Any, Any]] = {
    "integer": ({"type": "integer", "minimum": 3, "exclusiveMinimum": True, "multipleOf": 2}, 4),
    "small": ({"type": "integer", "maximum": -5}, -5),
    "number": ({"type": "number", "minimum": 0.2, "maximum": 0.4}, None),
    "boolean": ({"type": "boolean"}, True),
    "enum": ({"type": "string", "enum": ["new", "sold"]}, "new"),
    "default": ({"type": "string", "default": "new"}, "new"),
    "short": ({"type": "string", "maxLength": 2}, "te"),
    "long": ({"type": "string", "minLength": 6}, "textxx"),
    "pattern": ({"type": "string", "pattern": r"^AC[0-9a-f]{4}(-[A-Z]\w+)?(x|y)\.[^a-z]$"}, None),
    "back": ({"type": "string", "pattern": r"^(\d{2})-\1\s.$"}, None),
    **{
        kind: ({"type": "string", "format": kind}, None)
        for kind in ("date", "date-time", "uuid", "email", "uri", "ipv4", "ipv6", "byte", "binary", "password", "time")
    },
    "list": ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [1, 2, 3]),
    "empty": ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
    "map": ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2}, None),
    "all": (
        {
            "allOf": [
                {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
                {"properties": {"id": {"minimum": 5}, "name": {"type": "string"}}, "required": ["name", "more"]},
            ]
        },
        {"id": 5, "name": "text", "more": "text"},
    ),
    "one": ({"oneOf": [{"type": "integer", "enum": [2]}, {"type": "string"}]}, 2),
    "any": ({"anyOf": [{"type": "string", "pattern": "^(?=b)c"}, {"type": "boolean"}]}, True),
    "written": (
        {
            "type": "object",
            "required": ["secret", "id"],
            "properties": {"secret": {"type": "string", "writeOnly": True}, "id": {"type": "integer"}},
        },
        None,
    ),
    "discriminated": (
        {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {"propertyName": "kind", "mapping": {"a-cat": "#/components/schemas/Cat"}},
        },
        {"kind": "a-cat", "lives": 9},
    ),
    "recursive": ({"$ref": "#/components/schemas/Tree"}, {"value": 1, "children": []}),
    "nothing": ({}, None),
}
COMPONENTS = {
    "Cat": {
        "type": "object", "required": ["kind", "lives"],
        "properties": {"kind": {"type": "string"}, "lives": {"type": "integer", "minimum": 9}},
    },
    "Dog": {"type": "object", "properties": {"kind": {"type": "string"}}},
    "Tree": {
        "type": "object", "required": ["value", "children"],
        "properties": {
            "value": {"type": "integer"},
            "parent": {"$ref": "#/components/schemas/Tree"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        },
    },
}  # fmt: skip


class ValuesTest(LoadTest):
    """Values of schemas, which openapi-core has accepted before they are sent."""

    def test_schemas(self) -> None:
        """Each is answered, with the plainest value; of version 3.1 lists of types, ``const``, ``prefixItems``."""
        self.load_schemas(SCHEMAS, components={"schemas": COMPONENTS})
        self.stub.begin("shop.test_3_1")
        schemas: dict[str, tuple[Any, Any]] = {
            "types": ({"type": ["null", "integer"], "exclusiveMinimum": 4}, 5),
            "positive": ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.25),
            "const": ({"const": {"a": 1}}, {"a": 1}),
            "examples": ({"type": "string", "examples": ["tea"]}, "tea"),
            "tuple": ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]}, ["text", True]),
        }
        self.load_schemas(schemas, version="3.1.0")

    def test_other_types_than_json(self) -> None:
        """Forms and texts are written as such; XML needs an example."""
        kinds: dict[str, Any] = {
            "application/x-www-form-urlencoded": {"type": "object", "properties": {"id": {"type": "integer"}}},
            "text/plain": {"type": "string", "minLength": 5},
            "application/vnd.shop.diff": {"type": "string"},
            "application/octet-stream": {"type": "string", "format": "binary"},
            "application/xml": {"type": "object"},
        }
        contents = [{kind: {"schema": schema}} for kind, schema in kinds.items()]
        self.load({f"/{number}": {"get": make_operation(content)} for number, content in enumerate(contents)})

        answers = [self.send("GET", f"/{number}") for number in range(len(kinds))]

        self.assertEqual([b"id=1", b"textx", b"text", b"text"], [answer.content for answer in answers[:4]])
        self.assertEqual(500, answers[4].status_code)
        self.assertIn("wanted what can be read as application/xml, got b'text'", self.take_report())


class RequestsTest(LoadTest):
    """Requests that the document does not allow."""

    def test_the_report_names_the_place_and_the_value(self) -> None:
        """Whole: the nearest operation, the part of the request, the place in the document."""
        self.stub.load_openapi(FOLDER / "petstore-expanded.yaml")

        answer = self.send("POST", "/api/pets", json={"tag": 3})

        self.assertEqual(501, answer.status_code)
        report = re.sub(r"written at \S+", "written at HERE", self.take_report())
        self.assertTrue(
            report.startswith(
                "#1: no expectation matches POST /api/pets (10 bytes of application/json)\n"
                "  nearest: 'addPet' POST '/api/pets' matcher=allowed by petstore-expanded.yaml, written at HERE\n"
                "    ok   method POST\n"
                "    ok   path '/api/pets'\n"
                "    FAIL matcher at body: wanted the required property 'name', got {'tag': 3} "
                "(petstore-expanded.yaml#/components/schemas/NewPet/required)\n"
                "         $.tag of the body: wanted type 'string', got 3 "
                "(petstore-expanded.yaml#/components/schemas/NewPet/properties/tag/type)\n"
                "  3 others:\n"
            ),
            report,
        )

    def test_parts_of_a_request(self) -> None:
        """Parameters of each kind, the body, its type and its absence, keys."""
        parameters = [
            {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer", "maximum": 10}},
            {"name": "X-Trace", "in": "header", "required": True, "schema": {"type": "string"}},
            {"name": "lang", "in": "cookie", "required": True, "schema": {"type": "string", "enum": ["en"]}},
            {"name": "old", "in": "query", "deprecated": True, "schema": {"type": "string"}},
            {"name": "void", "in": "query", "allowEmptyValue": True, "schema": {"type": "string"}},
        ]
        number = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        body = {"required": True, "content": {"application/json": {"schema": {"type": "array"}}}}
        schema = {"type": "object", "properties": {"password": {"type": "integer"}}}
        log_in = {"application/json": {"schema": schema}}
        api_key = {"name": "api_key", "in": "query", "schema": {"type": "integer"}}
        done = make_operation()
        document = make_document(
            {
                "/items/{id}": {"parameters": [number], "get": {"parameters": parameters, **done}},
                "/items": {"put": {"requestBody": body, **done}},
                "/safe": {"get": {"security": [{"key": []}, {"basic": []}], **done}},
                "/shared": {"get": {"security": [{"oauth": []}], **done}},
                "/log-in": {"post": {"parameters": [api_key], "requestBody": {"content": log_in}, **done}},
            },
            components={
                "securitySchemes": {
                    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                    "basic": {"type": "http", "scheme": "basic"},
                    "oauth": {"type": "openIdConnect", "openIdConnectUrl": "https://example.com"},
                }
            },
        )
        headers = {"X-Trace": "1", "Cookie": "lang=en"}
        cases: list[tuple[str, str, dict[str, Any], str]] = [
            ("GET", "/items/1?limit=5&old=1&void=", {"headers": headers}, ""),
            ("GET", "/items/x?limit=5", {"headers": headers}, "path parameter 'id': wanted type 'integer', got 'x'"),
            ("GET", "/items/1", {"headers": headers}, "query parameter 'limit': wanted one, for it is required"),
            ("GET", "/items/1?limit=50", {"headers": headers}, "query parameter 'limit': wanted maximum 10, got 50"),
            ("GET", "/items/1?limit=5", {}, "header parameter 'X-Trace': wanted one, for it is required, got nothing"),
            ("GET", "/items/1?limit=5", {"headers": {**headers, "Cookie": "lang=de"}},
             "cookie parameter 'lang': wanted enum ['en'], got 'de'"),
            ("PUT", "/items", {"json": [1]}, ""),
            ("PUT", "/items", {}, "body: wanted one, for it is required, got nothing"),
            ("PUT", "/items", {"json": {}}, "body: wanted type 'array', got {}"),
            ("PUT", "/items", {"data": b"[", "headers": {"Content-Type": "application/json"}},
             "body: wanted what can be read as application/json, got b'['"),
            ("PUT", "/items", {"data": {"a": 1}}, "Content-Type: wanted application/json, got 'application/x-www-form"),
            ("PUT", "/items", {"data": b"[]"}, "wanted application/json, got 'application/octet-stream' or none"),
            ("GET", "/safe", {}, "security: wanted key or basic, got none of it (the document#/paths/~1safe/get/sec"),
            ("GET", "/safe", {"auth": ("user", "word")}, ""),
            ("GET", "/safe", {"headers": {"X-Key": "k"}}, ""),
            ("GET", "/shared", {}, ""),
            # secrets
            ("POST", "/log-in?api_key=hunter2", {"json": {}}, "parameter 'api_key': wanted type 'integer', got ***"),
            ("POST", "/log-in", {"json": {"password": "hunter3"}}, "body: wanted type 'integer', got ***"),
        ]  # fmt: skip
        for method, path, options, wanted in cases:
            with self.subTest(method=method, path=path, options=options):
                self.stub.begin("shop.test")
                self.stub.load_openapi(document)
                answer = self.send(method, path, **options)
                self.assertEqual(501 if wanted else 204, answer.status_code, answer.text)
                if wanted:
                    report = re.sub(" at ([^:]*): wanted", r" \1: wanted", self.take_report())
                    self.assertIn(wanted, report)
                    self.assertNotIn("hunter", report)

    def test_an_unknown_path_names_the_nearest(self) -> None:
        """So does a path without the base path; ``strict=False`` looks at method and path alone."""
        self.stub.load_openapi(FOLDER / "petstore-expanded.yaml")
        self.send("GET", "/api/petz")
        self.send("DELETE", "/pets/1")
        report = self.take_report()
        self.assertIn("no expectation matches GET /api/petz\n  nearest: 'findPets' GET '/api/pets'", report)
        self.assertIn("no expectation matches DELETE /pets/1\n  nearest: 'deletePet' DELETE '/api/pets/<id>'", report)
        self.stub.begin("shop.test_loose")
        self.stub.load_openapi(FOLDER / "petstore-expanded.yaml", strict=False)
        self.assertEqual(200, self.send("POST", "/api/pets", json={"tag": 3}).status_code)
        self.assertEqual(501, self.send("POST", "/api/petz").status_code)
        self.assertIn("POST /api/petz", self.take_report())

    def test_a_plain_path_comes_before_a_placeholder(self) -> None:
        """Also for a request that the plain one does not allow: it is not for the other."""
        limit = {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}}
        name = {"name": "pet-name", "in": "path", "required": True, "schema": {"type": "string"}}
        mine, one = ({"application/json": {"example": each}} for each in ("mine", "one"))
        self.load(
            {
                "/pets/{pet-name}": {"get": make_operation(one, parameters=[name])},
                "/pets/mine": {"get": make_operation(mine, parameters=[limit])},
            }
        )

        self.assertEqual("mine", self.send("GET", "/pets/mine?limit=1").json())
        self.assertEqual("one", self.send("GET", "/pets/mi%2Fne").json())
        self.assertEqual(501, self.send("GET", "/pets/mine").status_code)

    def test_forms_and_files(self) -> None:
        """A form is held to its schema, however it is encoded."""
        schema = {
            "type": "object", "required": ["id"],
            "properties": {
                "id": {"type": "integer"}, "sent": {"type": "boolean"}, "file": {"type": "string", "format": "binary"}
            },
        }  # fmt: skip
        reference = {"schema": {"$ref": "#/components/schemas/Form"}}
        content = dict.fromkeys(("application/x-www-form-urlencoded", "multipart/form-data"), reference)
        self.load(
            {"/": {"post": make_operation(requestBody={"content": content})}}, components={"schemas": {"Form": schema}}
        )

        statuses = [
            self.send("POST", "/", data={"id": "5"}).status_code,
            self.send("POST", "/", data={"id": "five"}).status_code,
            self.send("POST", "/", data={"id": "5", "sent": "true"}, files={"file": b"\x00\xff\n"}).status_code,
            self.send("POST", "/", data={"id": "five"}, files={"file": b"x"}).status_code,
            self.send("POST", "/", files={"file": b"x"}).status_code,
        ]

        self.assertEqual([204, 501, 204, 501, 501], statuses)

    def test_many_threads(self) -> None:
        """Each request of many clients at once is judged by itself."""
        self.stub.load_openapi(FOLDER / "github.json")

        def work(number: int) -> list[int]:
            with requests.Session() as session:
                url = self.stub.url_for("/repos/octocat/hello/labels")
                bodies: list[Any] = [{"name": f"label {number}"}, {"name": number}, {"nam": ""}]
                return [session.post(url, json=body, timeout=TIMEOUT).status_code for body in bodies * 3]

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            statuses = list(pool.map(work, range(12)))

        self.assertEqual([[201, 501, 501] * 3] * 12, statuses)
        self.assertEqual(72, len(self.stub.unmatched))
        self.stub.reset()


class PrecedenceTest(LoadTest):
    """What a test writes besides."""

    def test_what_a_test_writes_wins(self) -> None:
        """A bounded expectation answers first; an unbounded one if it is newer.  What came is at each operation."""
        operations = {each.name: each for each in self.stub.load_openapi(FOLDER / "petstore.yaml")}
        self.stub.on("GET", "/v1/pets/7").reply(json={"name": "Tom"})
        self.stub.expect("GET", "/v1/pets").reply(503)

        names = [self.send("GET", f"/v1/pets/{number}").json() for number in (7, 8)]
        statuses = [self.send("GET", "/v1/pets").status_code for _ in range(2)]

        self.assertEqual({"name": "Tom"}, names[0])
        self.assertEqual("text", names[1][0]["name"] if isinstance(names[1], list) else names[1]["name"])
        self.assertEqual([503, 200], statuses)
        self.assertEqual({"listPets", "createPets", "showPetById"}, set(operations))
        self.assertEqual("8", operations["showPetById"].requests[0].path_params["petId"])
        self.stub.verify()

    def test_base_paths(self) -> None:
        """The document's own, none, or another; the prefix of a view of the stub comes before them."""
        servers = [
            {"url": "https://a.example/v1"},
            {"url": "{scheme}://b.example/{base}/", "variables": {
                "scheme": {"default": "https"}, "base": {"default": "v2"}}},
        ]  # fmt: skip
        paths = {"/x": {"get": make_operation()}}
        document = make_document(paths, servers=servers)
        for base_path, known in ((None, ["/v1/x", "/v2/x"]), ("", ["/x"]), ("/a/b/", ["/a/b/x"])):
            with self.subTest(base_path=base_path), self.stub.scope():
                self.stub.load_openapi(document, base_path=base_path)
                found = [path for path in ("/x", "/v1/x", "/v2/x", "/a/b/x") if self.send("GET", path).ok]
                self.assertEqual(known, found)
        self.stub.defaults(prefix="/shop").load_openapi(document)
        self.assertEqual(204, self.send("GET", "/shop/v1/x").status_code)


class DocumentsTest(LoadTest):
    """What is a document, and what is none."""

    def test_json_and_dict(self) -> None:
        """A file of JSON, and what is in it, are the same; a file is read anew when it changes."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "api.json")
            for path in ("/x", "/long"):
                document = make_document({path: {"get": make_operation()}})
                file.write_text(json.dumps(document))
                for source in (file, str(file), document):
                    with self.stub.scope():
                        self.stub.load_openapi(source)
                        self.assertEqual(204, self.send("GET", path).status_code)

    def test_other_files(self) -> None:
        """References may lead into other files."""
        content = {"application/json": {"schema": {"$ref": "pets.json#/Pet"}}}
        operation = make_operation(content, requestBody={"content": content})
        with tempfile.TemporaryDirectory() as folder:
            pets = {"Pet": {"type": "object", "properties": {"name": {"$ref": "#/Name"}}}, "Name": {"type": "string"}}
            Path(folder, "pets.json").write_text(json.dumps(pets))
            file = Path(folder, "api.json")
            file.write_text(json.dumps(make_document({"/pets": {"post": operation}})))
            self.stub.load_openapi(file)

            self.assertEqual({"name": "text"}, self.send("POST", "/pets", json={"name": "Tom"}).json())
            self.assertEqual(501, self.send("POST", "/pets", json={"name": 5}).status_code)

        self.assertIn("$.name of the body: wanted type 'string', got 5", self.take_report())

    def test_what_is_no_document(self) -> None:
        """Each message says what is wrong with which file, or what to install."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text, wanted in (
                ("none.yaml", None, "none.yaml' cannot be read: FileNotFoundError"),
                ("text.yaml", "{", "text.yaml cannot be read as an OpenAPI document: "),
                ("list.yaml", "- 1", "list.yaml cannot be read as an OpenAPI document: "),
                ("old.yaml", "swagger: '2.0'", "wanted OpenAPI 3.0 or 3.1"),
                ("wrong.yaml", "openapi: 3.0.0\ninfo: {}\npaths: {}", "'title' is a required property"),
            ):
                if text is not None:
                    Path(folder, name).write_text(text)
                with self.subTest(name), self.assertRaises(UsageError) as caught:
                    self.stub.load_openapi(Path(folder, name))
                self.assertIn(wanted, str(caught.exception))
        with self.assertRaisesRegex(UsageError, "/components/schemas/Nix' does not exist"):
            self.load({"/": {"$ref": "#/components/schemas/Nix"}})
        missing = r"an OpenAPI document needs openapi-core, which cannot be imported \(.*\): install .*\[openapi\]"
        with mock.patch.dict("sys.modules", {"openapi_core": None}), self.assertRaisesRegex(UsageError, missing):
            self.load({})

    def test_a_stub_in_a_process(self) -> None:
        """It reads the document again, answers, and refuses with the place in the document, as in a thread."""
        contents = yaml.safe_load((FOLDER / "petstore.yaml").read_text(encoding="utf-8"))
        for source in (FOLDER / "petstore.yaml", contents):
            with self.subTest(type(source).__name__), HTTPStub(mode="process") as stub:
                stub.load_openapi(source)
                self.assertEqual(requests.get(stub.url_for("/v1/pets"), timeout=TIMEOUT).status_code, 200)
                requests.get(stub.url_for("/v1/pets?limit=many"), timeout=TIMEOUT)
                self.assertIn("limit", stub.failure_report())


class ClientTest(HTTPStubTestCase):
    """A client that is made of the same document, with types."""

    def test_aiopenapi3(self) -> None:
        """It checks what it gets, and nothing is held against the test."""
        self.stub.load_openapi(FOLDER / "petstore-expanded.yaml")
        loader = aiopenapi3.FileSystemLoader(FOLDER)
        api = aiopenapi3.OpenAPI.load_file(self.stub.url, Path("petstore-expanded.yaml"), loader=loader)
        api._root.servers[0].url = self.stub.url_for("/api")

        async def use() -> list[Any]:
            listed = await api._.findPets(parameters={"limit": 3, "tags": ["cat", "dog"]})
            made = await api._.addPet(data={"name": "Tom"})
            found = await api.createRequest(("/pets/{id}", "get"))(parameters={"id": 7})
            return [*listed, made, found]

        pet = {"id": 1, "name": "text", "tag": "text"}
        self.assertEqual([pet, pet, pet], [each.model_dump() for each in asyncio.run(use())])
        self.assertRequested("GET", "/api/pets", query={"limit": "3", "tags": ["cat", "dog"]})
