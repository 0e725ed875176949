"""A recorded request: everything of werkzeug's, after the exchange is over and from any thread."""

from __future__ import annotations

import copy
import functools
import gzip
import json
import sys
import threading
import unittest
import zlib
from unittest import mock
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode

import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver_testcase import ABSENT
from liveserver_testcase.stub.matching import make_criteria
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
        """A field and the number of parts are as large as they were sent; what nobody closes needs no closing."""
        large = b"x" * 600_000
        self.assertEqual(600_000, len(make_request("POST", "/", make_form("a", large), BOUNDARY).form["a"]))
        many = b"".join(make_form(f"a{n}", b"1").removesuffix(b"--frontier--\r\n") for n in range(1500))
        self.assertEqual(1500, len(make_request("POST", "/", many + b"--frontier--\r\n", BOUNDARY).form))
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

    def test_paths_are_decoded_but_for_slashes(self) -> None:
        """``raw_path`` is what was sent, ``plain_path`` what is compared; decoding twice is a mistake that shows."""
        request = make_request("GET", "/a%2Fb/c%20d?x=1")
        self.assertEqual(
            ("/a%2Fb/c%20d", "/a%2Fb/c d", "/a/b/c d"), (request.raw_path, request.plain_path, request.path)
        )
        for path in ("/", "/a b", "/grün/+", "/100%"):
            with self.subTest(path=path):
                self.assertEqual(path, decode_path(percent_encode(path)))
        self.assertEqual("/a%2Fb%2Fc%2", decode_path("/a%2fb%2Fc%252"))

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


compress = functools.partial(gzip.compress, mtime=0)  # else the same data is another a second later

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def send_compressed(body: bytes, coding: str, kind: str = JSON) -> RecordedRequest:
    """A request with a Content-Encoding."""
    return make_request("POST", "/", body, kind, [f"Content-Encoding: {coding}"])


def deflate_bare(data: bytes) -> bytes:
    """Without the wrapper of zlib, as some clients do."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


class CodingTest(StubTest):
    """Compressed bodies."""

    CODINGS = {
        "gzip": compress,
        "x-gzip": lambda data: compress(data[:3]) + compress(data[3:]),
        "GZIP": lambda data: compress(data) + bytes(20),
        "deflate": zlib.compress,
        "Deflate": deflate_bare,
        "deflate, gzip": lambda data: compress(zlib.compress(data)),
        "identity": bytes,
    }

    def test_json_text_and_forms_are_compared_decoded(self) -> None:
        """Whatever the coding; ``body`` stays as it was sent, so that compression itself can be tested."""
        for coding, encode in self.CODINGS.items():
            with self.subTest(coding=coding):
                request = send_compressed(encode(b'{"id": 1}'), coding)
                self.assertTrue(make_criteria(json={"id": 1}, headers={"Content-Encoding": coding}).matches(request))
                self.assertEqual({"id": 1}, request.json)
                self.assertEqual(encode(b'{"id": 1}'), request.body)
                self.assertTrue(make_criteria(body=encode(b'{"id": 1}')).matches(request))
                text = send_compressed(encode("grüß dich".encode("latin-1")), coding, "text/plain; charset=latin-1")
                self.assertTrue(make_criteria(text="grüß dich").matches(text))
                form = send_compressed(encode(b"a=1&b=2"), coding, FORM)
                self.assertTrue(make_criteria(form={"a": "1", "b": "2"}).matches(form))

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.binary(max_size=200), st.sampled_from(["gzip", "x-gzip", "GZIP", "deflate", "Deflate", "deflate, gzip"]))
    def test_any_content(self, content: bytes, coding: str) -> None:
        """What was compressed is what comes out."""
        request = send_compressed(self.CODINGS[coding](content), coding, "application/octet-stream")
        self.assertEqual((content, content), (request.content, request.get_data()))

    def test_over_the_wire(self) -> None:
        """As an SDK sends it, and the report shows the content."""
        self.stub.on("POST", "/", json={"id": 1}).reply(200)
        headers = {"Content-Encoding": "gzip", "Content-Type": JSON}
        body = compress(b'{"id": 1}')
        self.assertEqual(200, requests.post(self.stub.url, data=body, headers=headers, timeout=5).status_code)
        answer = requests.post(self.stub.url, data=compress(b'{"id": 2}'), headers=headers, timeout=5)
        self.assertIn("FAIL json at $.id: wanted 1, got 2", answer.text)

    def test_what_cannot_be_decoded_is_said(self) -> None:
        """The coding is not what the header says, is cut off, or is not known: then it stays on."""
        # as that of Amazon's clients, which is none
        self.assertTrue(make_criteria(json={"id": 1}).matches(send_compressed(b'{"id": 1}', "aws-chunked")))
        for body, coding, hint in (
            (b'{"id": 1}', "gzip", "its Content-Encoding is gzip, and it is not: error: Error -3 while"),
            (compress(b"{}")[:-9], "gzip", "its Content-Encoding is gzip, and it is not: ValueError: it is"),
            (b"xyz", "zstd", "its Content-Encoding is zstd, which stays on it"),
        ):
            with self.subTest(coding=coding):
                request = send_compressed(body, coding)
                (mismatch,) = make_criteria(json={"id": 1}).compare(request)
                self.assertIn("which is no JSON", mismatch.got)
                self.assertEqual(hint, mismatch.hint[: len(hint)])
                if coding == "gzip":
                    with self.assertRaisesRegex(ValueError, f"cannot be read: {hint}"):
                        request.json  # noqa: B018
                    self.assertFalse(make_criteria(text=mock.ANY).matches(request))
                    self.assertFalse(make_criteria(form=mock.ANY).matches(request))

    def test_a_content_that_is_too_large_is_not_decoded(self) -> None:
        """A few kilobytes can become gigabytes."""
        with mock.patch("liveserver_testcase.web.content_coding.MAX_CONTENT", 1000):
            request = send_compressed(compress(bytes(5000)), "gzip")
            self.assertIn("it has more than 1,000 bytes", request.content_problem)

    def test_brotli_needs_a_library(self) -> None:
        """It is named where there is none; where there is one, it is used."""
        with mock.patch.dict("sys.modules", {"brotli": None, "brotlicffi": None}):
            request = send_compressed(b"x", "br")
            self.assertEqual("to decode the Content-Encoding br, install brotli", request.content_problem)
        library = mock.Mock(decompress=lambda data: data[::-1])
        with mock.patch.dict("sys.modules", {"brotli": None, "brotlicffi": library}):
            self.assertEqual(b"abc", send_compressed(b"cba", "br").content)

    def test_no_body_has_no_coding(self) -> None:
        """Nothing is decoded where nothing was sent."""
        for wanted in ({"json": ABSENT}, {"text": ""}, {"body": ABSENT}):
            self.assertTrue(make_criteria(**wanted).matches(send_compressed(b"", "gzip")))


class CharsetTest(StubTest):
    """Charsets."""

    def test_it_can_be_read(self) -> None:
        """What the Content-Type names, if it is one for text; else UTF-8.  A byte order mark is no text.

        Neither wrong bytes nor a charset that is none is an error.
        """
        for kind, charset, body, text in (
            ("text/plain", "utf-8", "grün".encode(), "grün"),
            ("", "utf-8", "grün".encode(), "grün"),
            ("text/plain", "utf-8", b"gr\xfcn", "gr\ufffdn"),
            ("text/plain", "utf-8", b"\xef\xbb\xbfa", "a"),
            ("text/plain; charset=utf-16", "utf-16", b"\xff\xfea\0", "a"),
            ("text/plain; charset=latin1", "iso8859-1", b"gr\xfcn", "grün"),
            ('text/plain; charset="Windows-1251"', "cp1251", b"a", "a"),
            *[
                (f"text/plain; charset={name}", "utf-8", b"gr\xfcn", "gr\ufffdn")
                for name in ("klingon", "base64", "idna")
            ],
        ):
            with self.subTest(kind=kind):
                request = make_request("POST", "/", body, kind)
                self.assertEqual((charset, text), (request.charset, request.text))

    def test_a_form_is_read_in_its_charset(self) -> None:
        """Percent-encoded or not; gateways for text messages want Latin-1."""
        for charset, text in (("iso-8859-1", "Grüße"), ("windows-1251", "привет"), ("utf-8", "Grüße")):
            kind = f"{FORM}; charset={charset}"
            for body in (urlencode({"text": text}, encoding=charset).encode(), b"text=" + text.encode(charset)):
                with self.subTest(charset=charset, body=body):
                    self.stub.on("POST", "/", form={"text": text}).reply(200)
                    answer = requests.post(self.stub.url, data=body, headers={"Content-Type": kind}, timeout=5)
                    self.assertEqual(200, answer.status_code)
                    self.assertEqual(text, self.stub.requests[-1].form["text"])

    def test_the_fields_of_a_multipart_form_have_charsets(self) -> None:
        """Each its own, or that of the form, in either of the two ways in which that is said."""

        def make(text: bytes, kind: str = "", charset: bytes = b"") -> bytes:
            named = b'--x\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + charset + b"\r\n"
            head = b'--x\r\nContent-Disposition: form-data; name="text"\r\n' + kind.encode() + b"\r\n"
            return (named if charset else b"") + head + text + b"\r\n--x--\r\n"

        octets = "привет".encode("cp1251")
        for body, suffix in (
            (make("привет".encode()), ""),
            (make(octets, "Content-Type: text/plain; charset=windows-1251\r\n"), ""),
            (make(octets, charset=b"windows-1251"), ""),
            (make(octets), "; charset=windows-1251"),
        ):
            with self.subTest(body=body):
                request = make_request("POST", "/", body, f"multipart/form-data; boundary=x{suffix}")
                self.assertEqual("привет", request.form["text"])

    def test_octets_that_are_no_text_are_kept_apart(self) -> None:
        """A form that is no UTF-8 equals itself, and no other."""
        request = make_request("POST", "/", b"a=%E9", FORM)
        self.assertTrue(make_criteria(form=make_request("POST", "/", b"a=%E9", FORM).form).matches(request))
        self.assertFalse(make_criteria(form=make_request("POST", "/", b"a=%E8", FORM).form).matches(request))


class DecodingTest(unittest.TestCase):
    """What is JSON, and what is none."""

    def test_in_any_unicode(self) -> None:
        """With a byte order mark or without; and in the charset that a client names, although JSON has none."""
        text = json.dumps({"name": "grün"}, ensure_ascii=False)
        for charset in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"):
            with self.subTest(charset=charset):
                request = make_request("POST", "/", text.encode(charset), JSON)
                self.assertTrue(make_criteria(json={"name": "grün"}).matches(request))
                self.assertEqual({"name": "grün"}, request.json)
        request = make_request("POST", "/", text.encode("latin-1"), f"{JSON}; charset=iso-8859-1")
        self.assertTrue(make_criteria(json={"name": "grün"}).matches(request))

    def test_what_python_alone_takes_for_json(self) -> None:
        """Another reader would refuse it."""
        for body in (b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"[" * 100_000):
            with self.subTest(body=body[:20]):
                request = make_request("POST", "/", body, JSON)
                self.assertFalse(make_criteria(json=mock.ANY).matches(request))
                with self.assertRaisesRegex(ValueError, "is no JSON"):
                    request.json  # noqa: B018
