"""Replies on the wire: chunks, trailers, delays, streams, and what ends them."""

from __future__ import annotations

import asyncio
import functools
import http.client
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

from liveserver_testcase import ClientDisconnected, HTTPStub, Pause, Reply
from tests.integration.stub.support import GET, WireTest, get, receive, split
from tests.support import HANG

CLOSE = get("/", "Connection: close")


class FramingTest(WireTest):
    """Correct by default."""

    def test_chunks(self) -> None:
        """Each piece is a chunk, but for empty ones, which would end the body; trailers are announced and follow.

        For HTTP/1.0 the end of the connection ends the body.
        """
        self.stub.on().reply(chunks=[b"one", b"", b"twenty"], trailers={"X-Sum": "6"})
        _, headers, rest = split(self.see(CLOSE).data)
        self.assertEqual(b"3\r\none\r\n6\r\ntwenty\r\n0\r\nX-Sum: 6\r\n\r\n", rest)
        shown = [headers.get(name) for name in ("transfer-encoding", "content-length", "trailer")]
        self.assertEqual(["chunked", None, "X-Sum"], shown)
        _, headers, rest = split(self.see(get(version="1.0")).data)
        self.assertEqual((b"onetwenty", None), (rest, headers.get("transfer-encoding")))

    def test_nothing_follows_the_head_of_a_head(self) -> None:
        """HEAD, 204 and 304 have no body, whatever the reply has, and the connection stays."""
        for reply in (
            Reply(200, b"abc"), Reply(chunks=[b"a"]), Reply(200, iter([b"a"])), Reply(200, b"abc", throttle=1),
            Reply(200, b"abc", body_delay=60), Reply(200, headers={"Content-Length": "5"}),
        ):  # fmt: skip
            with self.subTest(reply=reply):
                self.stub.on("HEAD").reply(reply)
                client = self.dial()
                client.sendall(get(method="HEAD") * 2 + get(method="HEAD"))
                data = receive(client, lambda data: data.count(b"\r\n\r\n") == 3)
                self.assertEqual(3, data.count(b"HTTP/1.1 200 OK\r\n"))
                self.assertTrue(data.endswith(b"\r\n\r\n"))
                client.close()

    def test_informational(self) -> None:
        """What comes first comes before a delay, and HTTP/1.0, which knows none of it, does not get it."""
        self.stub.on("GET", "/slow").reply(200, informational=[102], delay=60)
        client = self.dial()
        client.sendall(get("/slow"))
        self.assertEqual(b"HTTP/1.1 102 Processing\r\n\r\n", self.read(client, 27))
        client.close()
        self.stub.on("GET", "/").reply(200, b"x", informational=[102, (103, {"Link": "</a.css>; rel=preload"})])
        first = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        self.assertTrue(self.see(CLOSE).data.startswith(first))
        self.assertTrue(self.see(get(version="1.0")).data.startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_headers_that_are_left_out(self) -> None:
        """None leaves out what the stub would add, also on a connection that stays; it is as good for a default."""
        for name in ("Date", "server", "Content-Type"):
            with self.subTest(name=name):
                self.stub.on().reply(json={"a": 1}, headers={name: None})
                with self.subTest("kept"):
                    self.assertNotIn(name.lower(), self.send().headers)
                _, headers, _ = split(self.see(CLOSE).data)
                self.assertEqual(2, len({"date", "server", "content-type"} & headers.keys()))
        api = self.stub.defaults(reply_headers={"X-A": "1", "X-B": ["2", "3"]})
        api.get("/api").reply(200, headers={"X-a": None})
        head = self.see(get("/api", "Connection: close")).head
        self.assertEqual((0, 2), (head.count(b"X-A"), head.count(b"X-B")))

    def test_the_connection_is_kept(self) -> None:
        """Whatever the reply: what comes next is answered on it."""
        client = http.client.HTTPConnection(self.stub.host, self.stub.port, timeout=HANG)
        self.addCleanup(client.close)
        for _ in range(2):
            self.stub.on().reply_sequence(
                Reply(200, b"abc"), Reply(chunks=[b"a"], trailers={"A": "b"}), Reply(200, iter([b"a", b"b"])),
                Reply(204), Reply(205), Reply(200, b"abc", delay=0.001), Reply(200, b"abc", throttle=(2, 0.001)),
            )  # fmt: skip
            for number in range(7):
                client.request("GET", f"/{number}")
                client.getresponse().read()
        self.assertEqual(list(range(14)), [request.exchange_index for request in self.stub.requests])

    def test_connections_that_are_not_kept(self) -> None:
        """A stub can close each connection after its response, and say so."""
        with HTTPStub(keep_alive=False) as stub:
            stub.on().reply(200, b"x")
            seen = self.see(GET, stub=stub)
        self.assertEqual(("FIN", b"x"), (seen.end, seen.body))
        self.assertIn(b"\r\nConnection: close\r\n", seen.head)


class RawTest(WireTest):
    """Bytes in place of a response."""

    def test_they_are_sent_as_they_are(self) -> None:
        """Nothing is added, and the connection ends in good order; what is no HTTP has no status."""
        for pieces, status in (((b"HTTP/1.1 299 Odd\r\n\r\n", b"x"), 299), ((), None), ((b"SSH-2.0-x\r\n",), None)):
            with self.subTest(pieces=pieces):
                self.begin("shop.test_a")
                self.stub.on().reply_raw(*pieces)
                self.assertEqual((b"".join(pieces), "FIN"), self.see())
                self.stub.wait_until_idle(HANG)
                self.assertEqual((status, ""), (self.stub.requests[0].exchange.status, self.stub.failure_report()))


class StreamTest(WireTest):
    """Bodies that come piece by piece."""

    def test_each_piece_when_it_comes(self) -> None:
        """The first is there before the second is made."""
        go = threading.Event()

        def pieces() -> Iterator[str]:
            yield "first"
            go.wait(HANG)
            yield "second"

        self.stub.on().reply_stream(pieces)
        client = self.dial()
        client.sendall(CLOSE)
        receive(client, lambda data: data.endswith(b"5\r\nfirst\r\n"))
        go.set()
        self.assertEqual(b"6\r\nsecond\r\n0\r\n\r\n", self.look(client).data)

    def test_sources(self) -> None:
        """Lists, generators, functions of each, asynchronous ones and objects with a loop of their own."""

        async def ticks() -> AsyncIterator[object]:
            yield "a"
            await asyncio.sleep(0)
            yield Pause(0.001)
            yield b"b"

        class Endless:
            def __init__(self) -> None:
                self.left = [b"b", b"a"]

            def __aiter__(self) -> Endless:
                return Endless()

            async def __anext__(self) -> bytes:
                if not self.left:
                    raise StopAsyncIteration
                return self.left.pop()

        sources: list[Any] = [
            ["a", Pause(0), "b"], lambda: (x for x in "ab"), lambda: ["a", "b"], ticks, Endless,
            lambda request: [request.method and "ab"], functools.partial(lambda piece, request: [piece, "b"], "a"),
        ]  # fmt: skip
        for source in sources:
            with self.subTest(source=source):
                self.stub.on().reply_stream(source)
                for _ in range(2):
                    self.assertEqual("ab", self.send().text)

    def test_headers_of_streams_events_and_redirects(self) -> None:
        """They go before what is added by default, and None leaves that out; a stream has a status, too."""
        self.stub.on().reply_stream(["a"])
        self.assertEqual("application/octet-stream", self.send().headers["content-type"])
        self.stub.on().reply_stream(["a"], 206, content_type="text/csv")
        answer = self.send()
        self.assertEqual((206, "text/csv"), (answer.status, answer.headers["content-type"]))
        kind, none = {"Content-Type": "a/b", "Cache-Control": "no-store"}, {"Content-Type": None, "Cache-Control": None}
        for headers, wanted in ((kind, ("a/b", "no-store")), (none, (None, None))):
            for script in (
                lambda h: self.stub.on().reply_stream(["a"], headers=h),
                lambda h: self.stub.on().reply_sse(["a"], headers=h),
                lambda h: self.stub.on().reply_redirect("/a", headers=h),
            ):
                script(headers)  # type: ignore[no-untyped-call]
                got = self.send().headers
                self.assertEqual(wanted, (got.get("content-type"), got.get("cache-control")))

    def test_server_sent_events(self) -> None:
        """Events arrive as a browser wants them."""
        self.stub.on().reply_sse(["hello", {"event": "tick", "data": {"n": 1}}, Pause(0.001), {"comment": "bye"}])
        answer = self.send()
        self.assertEqual('data: hello\n\nevent: tick\ndata: {"n": 1}\n\n: bye\n\n', answer.text)
        self.assertEqual(
            ("text/event-stream", "no-cache"), (answer.headers["content-type"], answer.headers["cache-control"])
        )

    def test_events_that_stay_open(self) -> None:
        """After the last one the response stays open, until the client has enough."""
        self.stub.on().reply_sse(["hello"], keep_open=True)
        client = self.dial()
        client.sendall(GET)
        receive(client, lambda data: data.endswith(b"data: hello\n\n\r\n"))
        self.assertEqual(("OPEN", b""), self.look(client, patience=0.05)[::-1])
        client.close()
        exchange = self.stub.requests[0].exchange
        self.assertTrue(self.stub.journal.wait_for(lambda: exchange.is_over, HANG))
        self.assertRegex(exchange.aborted, "^the client left while it was kept waiting")

    def test_a_source_is_closed(self) -> None:
        """When it is used up, when the client leaves, and when the stub stops."""
        closed: list[str] = []

        def endless() -> Iterator[object]:
            try:
                while True:
                    yield b"x"
                    yield Pause(0.001)
            finally:
                closed.append("sync")

        async def endless_async() -> AsyncIterator[object]:
            try:
                while True:
                    yield b"x"
                    await asyncio.sleep(0.001)
            finally:
                closed.append("async")

        self.stub.on("GET", "/sync").reply_stream(endless)
        self.stub.on("GET", "/async").reply_stream(endless_async)
        for path in ("/sync", "/async"):
            client = self.dial()
            client.sendall(get(path))
            receive(client, lambda data: b"1\r\nx\r\n" in data)
            client.close()
            self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual(["sync", "async"], closed)
        client = self.dial()
        client.sendall(get("/sync"))
        receive(client, lambda data: b"1\r\nx\r\n" in data)
        with warnings.catch_warnings():  # nothing has to be cut
            warnings.simplefilter("error")
            self.stub.stop(timeout=HANG)
        self.assertEqual(["sync", "async", "sync"], closed)
        self.assertEqual([], self.take_errors())


class WaitTest(WireTest):
    """Delays, and what ends them."""

    def test_they_are_kept(self) -> None:
        """A reply comes whole after the time that was said, and not before; also after a restart of the stub."""
        self.stub.stop()
        self.stub.start()
        for name, value, seconds in (("delay", 0.05, 0.05), ("body_delay", 0.05, 0.05), ("throttle", (2, 0.01), 0.03)):
            self.begin("shop.test_a")
            self.stub.on().reply(200, b"abcdefg", **{name: value})  # type: ignore[arg-type]
            self.assertEqual(b"abcdefg", self.send().body)
            self.assertGreaterEqual(self.stub.requests[0].duration or 0, seconds)

    def test_a_client_that_leaves_ends_them(self) -> None:
        """The thread is free at once, and the exchange says why it ended; a handler's coroutine is cancelled."""
        for reply, sent in (
            (Reply(200, b"abc", delay=60), GET), (Reply(200, b"abc", body_delay=60), GET),
            (Reply(200, b"abc", throttle=(1, 60)), GET), (Reply(200, iter([b"a", Pause(60)])), GET),
            (Reply(200, b"abc", delay=60), GET * 3),  # what is still to be read does not hide the end
        ):  # fmt: skip
            with self.subTest(reply=reply, sent=sent):
                self.begin("shop.test_a")
                self.stub.on().reply(reply)
                client = self.dial()
                client.sendall(sent)
                self.wait_for(lambda: self.stub.requests and self.stub.requests[0].is_paused)
                if reply.body_delay:  # the client knows the length by then
                    head = receive(client, lambda data: data.endswith(b"\r\n\r\n"))
                    self.assertIn(b"\r\nContent-Length: 3\r\n", head)
                client.close()
                self.assertEqual([], self.stub.wait_until_idle(HANG))
                request = self.stub.requests[0]
                self.assertRegex(request.exchange.aborted, "^the client left while it was kept waiting$")
                self.assertEqual(([], ""), (self.take_errors(), self.stub.failure_report()))
        ended = threading.Event()

        async def never(_request: object) -> str:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
            return ""

        self.begin("shop.test_b")
        self.stub.on().reply_with(never)
        client = self.dial()
        client.sendall(GET)
        self.wait_for(lambda: self.stub.requests)
        client.close()
        self.assertTrue(ended.wait(HANG))
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual([], self.take_errors())
        self.assertTrue(issubclass(ClientDisconnected, ConnectionError))

    def test_a_stop_ends_them(self) -> None:
        """At once, and nothing has to be cut."""
        self.stub.on("GET", "/delay").reply(200, b"abc", delay=60)
        self.stub.on("GET", "/body").reply(200, b"abc", body_delay=60)
        self.stub.on("GET", "/slow").reply(200, b"abc", throttle=(1, 60))
        self.stub.on("GET", "/stream").reply_stream([b"a", Pause(60)])
        self.stub.on("GET", "/open").reply_sse(["a"], keep_open=True)
        hold = self.stub.on("GET", "/hold").hold()

        async def never(_request: object) -> None:
            await asyncio.sleep(60)

        self.stub.on("GET", "/async").reply_with(never)
        paths = ("/delay", "/body", "/slow", "/stream", "/open", "/hold", "/async")
        clients = {path: self.dial() for path in paths}
        for path, client in clients.items():
            client.sendall(get(path))
        self.wait_for(lambda: len(self.stub.requests) == len(paths))
        self.assertEqual("/hold", hold.wait(HANG).raw_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of work that was cut
            self.stub.stop(timeout=HANG)
        seen = {path: self.look(client) for path, client in clients.items()}
        self.assertTrue(seen["/delay"].data.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(b"abc", seen["/delay"].body)
        self.assertEqual(b"", seen["/body"].body)
        self.assertEqual(b"a", seen["/slow"].body)
        self.assertEqual(b"", seen["/async"].data)
        self.assertEqual([], self.take_errors())

    def test_settling_does_not_wait_for_what_is_kept_back(self) -> None:
        """Nothing more will be known when it comes."""
        for path, reply in (("/a", Reply(200, b"a", body_delay=60)), ("/b", Reply(200, iter([Pause(60)])))):
            self.stub.on("GET", path).reply(reply)
            self.dial().sendall(get(path))
        self.stub.on("GET", "/c").hold()
        self.dial().sendall(get("/c"))
        self.wait_for(lambda: len(self.stub.requests) == 3)
        self.stub._inspection.settle(HANG)
        self.assertEqual(3, len(self.stub.in_flight))
        self.assertTrue(all(request.is_paused for request in self.stub.requests))
