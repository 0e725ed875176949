"""The content of a body: its coding taken off, in its charset, as JSON or a form; the body stays as it was sent."""

from __future__ import annotations

import functools
import gzip
import json
import unittest
import zlib
from unittest import mock
from urllib.parse import urlencode

import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver_testcase import ABSENT
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.request import RecordedRequest
from tests.integration.stub.support import StubTest, make_request

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


class JSONTest(unittest.TestCase):
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
