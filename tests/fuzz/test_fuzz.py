"""A small run of the fuzzer, and proof that it, and the oracle, would notice."""

from __future__ import annotations

import contextlib
import random
import re
import unittest
from typing import Any
from unittest import mock

from liveserver_testcase.web import request_body as body
from liveserver_testcase.web import request_head as head
from tests.fuzz.http import FUZZERS, fuzz
from tests.fuzz.mutations import GOOD
from tests.fuzz.oracle import read_strictly
from tests.integration.web.malformed import CHUNKS, FRAMING, HEADERS, OTHER_PROTOCOLS, REQUEST_LINES, SIZES
from tests.support import NoLeaks


class Fuzzing(NoLeaks):
    """The server reads mutated requests as the oracle does, or not at all."""

    def test_small_run(self) -> None:
        """3,000 connections to each server show no violation."""
        for server in FUZZERS:
            with self.subTest(server=server):
                found = [(number, data, str(error)) for number, data, error in fuzz(3000, 20261120, server)]
                self.assertEqual([], found)

    def test_malformed_requests(self) -> None:
        """Every malformed request is refused by each server; the application is not called with it."""
        table = [*REQUEST_LINES, *HEADERS, *FRAMING, *CHUNKS, *OTHER_PROTOCOLS]
        for server, make in FUZZERS.items():
            with contextlib.closing(make()) as fuzzer:
                for payload, _, reason in table:
                    with self.subTest(server=server, reason=reason, payload=payload):
                        fuzzer.run(payload, random.Random(reason))


class Controls(NoLeaks):
    """A server that is less strict in one place is found out."""

    def setUp(self) -> None:
        head._parse.cache_clear()
        self.addCleanup(head._parse.cache_clear)  # what a lenient parser accepts must not be remembered

    def assert_found_out(self, what: str) -> None:
        self.assertTrue(any(fuzz(3000, seed=1)), f"nobody noticed {what}")

    def test_lenient_expressions(self) -> None:
        """Chunk sizes of more than digits, one of two lengths, any length that `int` takes, control characters."""
        lenient = re.compile(head._HEAD.pattern.replace(rb"[^\x00-\x08\x0a-\x1f\x7f]*", rb"[^\r\n]*"))
        for module, name, value in (
            (body, "_CHUNK", re.compile(rb"[ +]*([0-9A-Fa-f]{1,16})[^\r\n]*")),
            (head, "_ONCE", frozenset()),
            (head, "_LENGTH", re.compile(r"[+_ 0-9]+")),
            (head, "_HEAD", lenient),
        ):
            head._parse.cache_clear()
            with self.subTest(name=name), mock.patch.object(module, name, value):
                self.assert_found_out(name)

    def test_ends_of_chunks(self) -> None:
        """A server that does not look at the end of a chunk."""

        strict = body._ChunkedFraming.take

        def skip(framing: Any, data: bytes, start: int, most: int) -> tuple[int, bytes]:
            if framing._is_in_chunk and not framing.left and len(data) >= start + 2:
                data = data[:start] + b"\r\n" + data[start + 2 :]
            return strict(framing, data, start, most)

        with mock.patch.object(body._ChunkedFraming, "take", skip):
            self.assert_found_out("a lenient end of chunk")


class Oracle(unittest.TestCase):
    """The oracle is strict."""

    def test_good_requests(self) -> None:
        """Every request that mutations start from is good, and has its body."""
        for data in GOOD:
            reading = read_strictly(data)
            self.assertEqual(("closed", 1), (reading.end, len(reading.requests)), data)
            self.assertIsNotNone(reading.requests[0].body)

    def test_malformed_requests(self) -> None:
        """Every malformed request is refused; the size of trailers, which nobody can misread, excepted."""
        for payload, _, reason in [*REQUEST_LINES, *HEADERS, *FRAMING, *CHUNKS, *OTHER_PROTOCOLS, *SIZES]:
            if not reason.startswith("trailers"):
                with self.subTest(reason=reason, payload=payload[:100]):
                    self.assertEqual("refused", read_strictly(payload).end)

    def test_readings(self) -> None:
        """Requests are read one after the other, up to the one that is the last."""
        reading = read_strictly(GOOD[7] + b"\r\n" + GOOD[11] + GOOD[3] + GOOD[0])
        self.assertEqual([b"hello", b"hello", b""], [request.body for request in reading.requests])
        self.assertEqual("cut", read_strictly(GOOD[7][:-1]).end)
        self.assertIsNone(read_strictly(GOOD[7][:-1]).requests[0].body)
