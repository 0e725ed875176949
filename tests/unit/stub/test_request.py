"""A recorded request: everything of werkzeug's, after the exchange is over and from any thread."""

from __future__ import annotations

import copy
import sys
import threading
import unittest
from urllib.parse import quote as percent_encode

from liveserver_testcase.stub.parsing import decode_path
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import StubTest, make_request
from tests.support import HANG

BOUNDARY = "multipart/form-data; boundary=frontier"


def make_form(name: str, content: bytes, filename: str = "") -> bytes:
    """A form with one field, or one file."""
    file = f'; filename="{filename}"\r\nContent-Type: text/csv' if filename else ""
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n--frontier--\r\n"


class ReadingTest(unittest.TestCase):
    """What can be read of a request."""

    def test_it_is_a_werkzeug_request(self) -> None:
        """Method, path, query, headers, cookies and address are read as werkzeug reads them."""
        request = make_request("POST", "/a%20b?x=1&x=2&y", headers=["X-A: 1", "X-A: 2", "Cookie: a=1; b=2"])
        self.assertEqual(("POST", "/a b", b"x=1&x=2&y"), (request.method, request.path, request.query_string))
        self.assertEqual((["1", "2"], [""]), (request.args.getlist("x"), request.args.getlist("y")))
        self.assertEqual("1, 2", request.headers["x-a"])
        self.assertEqual({"a": "1", "b": "2"}, request.cookies.to_dict())
        self.assertEqual("http://127.0.0.1:8000/a%20b?x=1&x=2&y", request.url)
        self.assertEqual("127.0.0.1", request.remote_addr)

    def test_the_body_can_be_read_in_every_way_again_and_again(self) -> None:
        """Each reader gets all of it, whichever came before; nothing is missing where nothing was sent."""
        request = make_request("POST", "/", b'{"a": 1}', "application/json")
        for _ in range(2):
            for read in (request.body, request.get_data(), request.data):
                self.assertEqual(b'{"a": 1}', read)
            self.assertEqual(('{"a": 1}', '{"a": 1}'), (request.get_data(as_text=True), request.text))
            self.assertEqual(({"a": 1}, {"a": 1}), (request.json, request.get_json()))
        self.assertEqual(b'{"a": 1}', request.stream.read())
        request = make_request("POST", "/", b"a=1&a=2&b=", "application/x-www-form-urlencoded")
        self.assertEqual({"a": ["1", "2"], "b": [""]}, request.form.to_dict(flat=False))
        self.assertEqual((b"a=1&a=2&b=", b"a=1&a=2&b="), (request.get_data(), request.body))
        file = make_request("POST", "/", make_form("report", b"a;b\r\n", "r.csv"), BOUNDARY).files["report"]
        self.assertEqual(("r.csv", "text/csv", b"a;b\r\n"), (file.filename, file.mimetype, file.read()))
        empty = make_request("POST", "/")
        self.assertEqual((b"", b"", "", {}, {}), (empty.body, empty.get_data(), empty.text, empty.form, empty.files))
        self.assertIsNone(empty.get_json(silent=True))

    def test_werkzeugs_limits_are_off(self) -> None:
        """A field of a form and the number of its parts are as large as they were sent."""
        large = b"x" * 600_000
        self.assertEqual(600_000, len(make_request("POST", "/", make_form("a", large), BOUNDARY).form["a"]))
        many = b"".join(make_form(f"a{n}", b"1").removesuffix(b"--frontier--\r\n") for n in range(1500))
        self.assertEqual(1500, len(make_request("POST", "/", many + b"--frontier--\r\n", BOUNDARY).form))

    def test_a_large_file_leaves_no_temporary_file(self) -> None:
        """What nobody closes needs no closing."""
        file = make_request("POST", "/", make_form("f", b"x" * 1_000_000, "big.bin"), BOUNDARY).files["f"]
        self.assertEqual(1_000_000, len(file.read()))
        with self.assertRaises(OSError):
            file.stream.fileno()

    def test_what_is_not_there_is_an_attribute_error(self) -> None:
        """Before and after werkzeug has read the request, and on a copy."""
        request = make_request()
        for _ in range(2):
            with self.assertRaisesRegex(AttributeError, "^'RecordedRequest' object has no attribute 'colour'$"):
                request.colour  # type: ignore[attr-defined]  # noqa: B018
            self.assertFalse(hasattr(request, "colour"))
        self.assertEqual("GET", copy.copy(request).method)

    def test_werkzeugs_decoding_and_ours_stand_side_by_side(self) -> None:
        """``raw_path`` is what was sent, ``plain_path`` what is compared."""
        request = make_request("GET", "/a%2Fb/c%20d?x=1")
        self.assertEqual(
            ("/a%2Fb/c%20d", "/a%2Fb/c d", "/a/b/c d"), (request.raw_path, request.plain_path, request.path)
        )

    def test_paths_are_decoded_but_for_slashes(self) -> None:
        """Decoding twice is a mistake that shows."""
        for path in ("/", "/a b", "/grün/+", "/100%"):
            with self.subTest(path=path):
                self.assertEqual(path, decode_path(percent_encode(path)))
        self.assertEqual("/a%2Fb%2Fc%2", decode_path("/a%2fb%2Fc%252"))


class ThreadsTest(unittest.TestCase):
    """A request that several threads read at once."""

    def test_each_reads_the_same(self) -> None:
        """Also what an environ cannot carry, while another thread has it read for the first time."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        for _ in range(50):
            request = make_request("GET", "/?a=1", headers=["X_A: 1", "X-A: grün"])
            barrier, seen = threading.Barrier(4), []

            def read(request: RecordedRequest = request, barrier: threading.Barrier = barrier) -> None:
                barrier.wait(HANG)
                seen.append((request.headers.get("X_A"), request.headers["X-A"], request.args["a"]))  # noqa: B023

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(HANG)
            self.assertEqual([("1", "grün", "1")] * 4, seen)


class JSONTest(unittest.TestCase):
    """What is said when a body is no JSON."""

    def test_each_reason(self) -> None:
        """Where it ends to be JSON and what it is, cut if it is long; the way around is shown."""
        no_json, kind = "is no JSON: Expecting value: line 1 column 1 (char 0)", "application/json"
        way = "wanted 'application/json', or get_json(force=True) for a body that is read as JSON whatever it is called"
        for request, message in (
            (make_request("POST", "/x", b"a=1&b", kind),
             f"the body of POST /x (5 bytes of application/json) {no_json}: b'a=1&b'"),
            (make_request("POST", "/x", b'"\xff"', kind),
             ("the body of POST /x (3 bytes of application/json) is no JSON: "
              "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte: b'\"\\xff\"'")),
            (make_request("POST", "/x", b"x" * 5000, kind),
             f"the body of POST /x (5,000 bytes of application/json) {no_json}: b'{'x' * 120}'… (5,000 bytes)"),
            (make_request("POST", "/x", content_type=kind), "the body of POST /x is empty, which is no JSON"),
            (make_request("POST", "/x", b"[1]", "text/plain"),
             f"the Content-Type of POST /x (3 bytes of text/plain) is 'text/plain'; {way}"),
            (make_request("GET", "/x"), f"the Content-Type of GET /x is missing; {way}"),
        ):  # fmt: skip
            for _ in range(2):
                with self.subTest(message=message):
                    with self.assertRaises(ValueError) as caught:
                        request.json  # noqa: B018
                    self.assertEqual(message, str(caught.exception))
        self.assertEqual([1], make_request("POST", "/x", b"[1]", "text/plain").get_json(force=True))


class DescriptionTest(unittest.TestCase):
    """A request on one line."""

    def test_method_target_and_size(self) -> None:
        """The body is sized and typed and not shown; no secret, and nothing that could write to the terminal."""
        secrets = ["Authorization: Bearer hunter2", "Cookie: sid=hunter2", "X-Api-Key: hunter2"]
        for request, text in (
            (make_request("GET", "/x?a=1"), "GET /x?a=1"),
            (make_request("POST", "/x", b"a", "text/plain"), "POST /x (1 byte of text/plain)"),
            (make_request("POST", "/x", b"a" * 2000), "POST /x (2,000 bytes of no content type)"),
            (make_request("POST", "/x", b"a", "text/\x9b2j"), r"POST /x (1 byte of text/\x9b2j)"),
            (make_request("GET", "/" + "a" * 4999), f"GET /{'a' * 119}… (5,000 characters)"),
            (make_request("GET", "/x?token=hunter2", headers=secrets), "GET /x?token=***"),
        ):
            with self.subTest(text=text):
                self.assertEqual((text, f"<RecordedRequest {text}>"), (request.describe(), repr(request)))


class WireTest(StubTest):
    """A request that has come over a socket."""

    def test_a_body_is_asked_for_with_100_continue(self) -> None:
        """A client that waits to be asked is asked."""
        self.stub.serve_content("ok")
        client = self.connect()
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", client.recv(1000))
        client.sendall(b"abc")
        self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(b"abc", self.stub.requests[0].body)
