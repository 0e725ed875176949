"""Ranges and conditions: what a client gets of bytes and files.  Source: RFC 9110, 13 and 14."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

from werkzeug.wrappers import Response

from liveserver_testcase import Fault, Reply
from tests.integration.stub.support import Answer, StubTest

BODY = bytes(range(100))
OLD, NEW, LATER = (f"Sun, 0{day} Nov 2020 08:00:00 GMT" for day in (1, 8, 9))


class SelectionTest(StubTest):
    """A stub that answers with 100 bytes."""

    def ask(self, method: str = "GET", **headers: str) -> Answer:
        return self.send(method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()})

    def reply(self, **headers: Any) -> None:
        self.stub.on().reply(200, BODY, headers={name.replace("_", "-"): value for name, value in headers.items()})


class RangeTest(SelectionTest):
    """`Range`."""

    def test_a_part(self) -> None:
        """From here to there, from here on, and the last of it; beyond the end nothing is there but the size."""
        for script in (self.reply, lambda: self.stub.on().reply_with(lambda: BODY)):
            script()
            for wanted, start, stop in (
                ("bytes=0-9", 0, 10), ("bytes=90-", 90, 100), ("bytes=-10", 90, 100), ("bytes=90-1000", 90, 100),
                ("bytes=-1000", 0, 100), ("bytes=5-5", 5, 6),
            ):  # fmt: skip
                with self.subTest(wanted):
                    answer = self.ask(Range=wanted)
                    self.assertEqual((206, BODY[start:stop]), (answer.status, answer.body))
                    self.assertEqual(f"bytes {start}-{stop - 1}/100", answer.headers["content-range"])
                    self.assertEqual("application/octet-stream", answer.headers["content-type"])
        answer = self.ask(Range="bytes=100-")
        self.assertEqual((416, b"", "bytes */100"), (answer.status, answer.body, answer.headers["content-range"]))

    def test_what_is_skipped(self) -> None:
        """Other units, several parts, nonsense, other methods: all of it, as a server may answer.

        A server that knows no ranges says so; what has a status of its own, or an application has decided, is sent so.
        """
        self.reply()
        for wanted in ("lines=0-9", "bytes=0-1,5-6", "bytes=9-5", "bytes", "0-9"):
            answer = self.ask(Range=wanted)
            self.assertEqual((200, BODY), (answer.status, answer.body), wanted)
        self.assertEqual(200, self.ask("POST", Range="bytes=0-9").status)
        answer = self.ask("HEAD", Range="bytes=0-9")
        self.assertEqual((200, "100"), (answer.status, answer.headers["content-length"]))
        unknown = Reply(200, BODY, headers={"Accept-Ranges": "none"})
        for reply in (unknown, Reply(206, BODY), Reply(404, BODY), Reply(text="a" * 100), Response(BODY)):
            self.stub.on().reply(reply)
            self.assertEqual(100, len(self.ask(Range="bytes=0-9").body))

    def test_if_range(self) -> None:
        """The part is for who has the rest of the same: the same strong tag, or the same date."""
        self.reply(ETag='"v1"', Last_Modified=NEW)
        for condition, status in (('"v1"', 206), ('"v2"', 200), ('W/"v1"', 200), (NEW, 206), (OLD, 200), (LATER, 200)):
            with self.subTest(condition):
                self.assertEqual(status, self.ask(Range="bytes=0-9", If_Range=condition).status)
        self.reply(ETag='W/"v1"')
        self.assertEqual(200, self.ask(Range="bytes=0-9", If_Range='W/"v1"').status)
        self.assertEqual(200, self.ask(Range="bytes=0-9", If_Range=NEW).status)

    def test_a_download_in_parts(self) -> None:
        """Together they are the file, and no byte comes twice."""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "x.bin")
            path.write_bytes(BODY * 10)
            self.stub.on("GET", "/").reply(file=path)
        parts = [self.ask(Range=f"bytes={start}-{start + 299}") for start in range(0, 1000, 300)]
        self.assertEqual(BODY * 10, b"".join(part.body for part in parts))
        self.assertEqual([206] * 4, [part.status for part in parts])

    def test_a_fault_of_a_part(self) -> None:
        """It is the part that goes wrong."""
        self.stub.on().reply(200, BODY).fail(Fault.WRONG_LENGTH)
        answer = self.ask(Range="bytes=0-9")
        self.assertEqual(("5", BODY[:5]), (answer.headers["content-length"], answer.body))


class ConditionTest(SelectionTest):
    """Whether it has changed."""

    def assert_statuses(self, *cases: tuple[int, dict[str, str]]) -> None:
        for status, headers in cases:
            with self.subTest(headers=headers):
                answer = self.ask(**headers)
                self.assertEqual((status, BODY if status == 200 else b""), (answer.status, answer.body))

    def test_if_none_match(self) -> None:
        """Compared weakly; it goes before a date."""
        self.reply(ETag='"v1"', Last_Modified=NEW)
        self.assert_statuses(
            (304, {"If_None_Match": '"v1"'}), (304, {"If_None_Match": 'W/"v1"'}),
            (304, {"If_None_Match": '"v0", "v1"'}), (304, {"If_None_Match": "*"}), (200, {"If_None_Match": '"v2"'}),
            (200, {"If_None_Match": '"v2"', "If_Modified_Since": NEW}),
        )  # fmt: skip

    def test_if_modified_since(self) -> None:
        """The date is that of the reply; what is no date is passed over."""
        self.reply(Last_Modified=NEW)
        self.assert_statuses(
            (200, {"If_Modified_Since": OLD}), (304, {"If_Modified_Since": NEW}), (304, {"If_Modified_Since": LATER}),
            (200, {"If_Modified_Since": "yesterday"}), (200, {"If_None_Match": '"v1"'}),
        )  # fmt: skip

    def test_if_match(self) -> None:
        """Compared strongly; it goes before a date."""
        self.reply(ETag='"v1"', Last_Modified=NEW)
        self.assert_statuses(
            (200, {"If_Match": '"v1"'}), (200, {"If_Match": "*"}), (412, {"If_Match": '"v2"'}),
            (412, {"If_Match": 'W/"v1"'}), (200, {"If_Match": '"v1"', "If_Unmodified_Since": OLD}),
            (412, {"If_Unmodified_Since": OLD}), (200, {"If_Unmodified_Since": NEW}),
        )  # fmt: skip

    def test_what_304_has(self) -> None:
        """The tag and the other headers, and nothing about a content that is not there; without a tag all is new."""
        self.reply()
        self.assert_statuses((200, {"If_None_Match": '"v1"'}), (200, {"If_Modified_Since": NEW}))
        self.reply(ETag='"v1"', Cache_Control="max-age=5")
        answer = self.ask(If_None_Match='"v1"')
        self.assertEqual(('"v1"', "max-age=5"), (answer.headers["etag"], answer.headers["cache-control"]))
        self.assertNotIn("content-type", answer.headers)
        self.assertEqual(304, self.stub.requests[-1].reply.status if self.stub.requests[-1].reply else 0)
