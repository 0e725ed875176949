"""Bodies that come piece by piece, and server-sent events, without a wire."""

from __future__ import annotations

import functools
import unittest
from collections.abc import AsyncIterator, Iterator
from typing import Any

from liveserver_testcase import Pause, UsageError
from liveserver_testcase.stub.stream import Stream, encode_piece, format_event, make_single_stream, make_stream
from tests.integration.stub.support import make_request


def take(stream: Stream, request: Any = None) -> list[object]:
    """All pieces for one request."""
    items = stream.open(request or make_request())
    assert isinstance(items, Iterator)
    return [stream.encode(item) for item in items]


class SourceTest(unittest.TestCase):
    """What can give the pieces."""

    def test_a_generator_gives_its_pieces_once(self) -> None:
        """The function that makes it is asked for; what is no generator function has no name to show."""

        def ticks() -> Iterator[str]:
            yield "a"

        async def later() -> AsyncIterator[str]:
            yield "a"

        for source, name in (
            (ticks(), "ticks"),
            (later(), "later"),
            (iter(["a"]), "ticks"),
            ((x for x in "a"), "ticks"),
        ):
            with self.subTest(source=source), self.assertRaises(UsageError) as caught:
                make_stream(source)
            self.assertIn("which gives its pieces once, and each request wants them; ", str(caught.exception))
            self.assertTrue(str(caught.exception).endswith(f": reply_stream({name}), not reply_stream({name}())"))

    def test_what_is_given_again_and_what_is_not(self) -> None:
        """A list gives the same to each request, whatever becomes of it; an iterator is for one."""
        source = [b"a", "b"]
        stream = make_stream(source)
        source.append("c")
        self.assertEqual([[b"a", b"b"]] * 2, [take(stream), take(stream)])
        stream = make_single_stream(iter(["a"]))
        self.assertEqual([b"a"], take(stream))
        with self.assertRaisesRegex(UsageError, "^the iterator that is the body has been used up by an "):
            stream.open(make_request())
        self.assertEqual(
            [b"a", b"b", b"c", "ü".encode(), Pause(1)],
            [encode_piece(item) for item in (b"a", bytearray(b"b"), memoryview(b"c"), "ü", Pause(1))],
        )

    def test_what_gives_no_pieces(self) -> None:
        """Texts, mappings and numbers are refused, also of a function; numbers are neither pieces nor pauses."""
        pieces = "wanted an iterable of bytes and str"
        for make, message in (
            *[
                (
                    functools.partial(make_stream, source),
                    f"a stream of {source!r}, of type {kind}; {pieces}, or a function",
                )
                for source, kind in (
                    ("abc", "str"),
                    (b"a", "bytes"),
                    ({"a": 1}, "dict"),
                    (5, "int"),
                    (None, "NoneType"),
                )
            ],
            (lambda: make_stream(lambda: "abc").open(make_request()),
             f"the stream's function gave 'abc', of type str; {pieces}"),
            (lambda: encode_piece(5), "the stream gave 5, of type int; wanted bytes, str or Pause(seconds)"),
            (lambda: Pause(-1), "Pause is -1; wanted a number of seconds, 0 or more"),
        ):  # fmt: skip
            with self.subTest(message), self.assertRaises(UsageError) as caught:
                make()
            self.assertEqual(message, str(caught.exception))


class EventTest(unittest.TestCase):
    """Server-sent events.  Source: the HTML standard, 9.2."""

    def test_events(self) -> None:
        """Fields are in the order in which clients want them, and each event ends with an empty line."""
        self.assertEqual(Pause(1), format_event(Pause(1)))
        for item, wanted in (
            (b"data: x\n\n", "data: x\n\n"),
            ("hello", "data: hello\n\n"),
            ("", "data: \n\n"),
            ("two\nlines\r\nand\rmore", "data: two\ndata: lines\ndata: and\ndata: more\n\n"),
            ({"data": {"a": [1]}}, 'data: {"a": [1]}\n\n'),
            ({"data": None}, "data: null\n\n"),
            ({"data": "x", "id": 7, "event": "tick", "retry": 100}, "event: tick\nid: 7\nretry: 100\ndata: x\n\n"),
            ({"comment": "still here"}, ": still here\n\n"),
            ({"data": "grün"}, "data: grün\n\n"),
        ):
            with self.subTest(item=item):
                self.assertEqual(wanted.encode(), format_event(item))

    def test_what_cannot_be_sent(self) -> None:
        """Unknown fields, line ends where none can be, and what is no JSON."""
        known = "'event', 'id', 'retry', 'comment', 'data'"
        wanted = f"wanted a str, a mapping with some of {known}, or Pause(seconds)"
        for item, message in (
            ({"dat": "x"}, f"an event is {{'dat': 'x'}}, of type dict; {wanted}"),
            ({}, f"an event is {{}}, of type dict; {wanted}"),
            (5, f"an event is 5, of type int; {wanted}"),
            ({"event": "a\nb"}, r"an event's event is 'a\nb'; wanted one line"),
            ({"id": "a\0b"}, r"an event's id is 'a\x00b'; wanted one line"),
            ({"retry": "soon"}, "an event's retry is 'soon'; wanted a whole number of milliseconds"),
        ):
            with self.subTest(item=item), self.assertRaises(UsageError) as caught:
                format_event(item)
            self.assertEqual(message, str(caught.exception))
        with self.assertRaisesRegex(
            UsageError, r"^an event's data \{1, 2\} cannot be written as JSON: Object of type set"
        ):
            format_event({"data": {1, 2}})
