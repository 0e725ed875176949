"""WebSocket stubs: a script or a test that exchanges messages with a client, and what is held against the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import tempfile
import threading
from typing import Any

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from liveserver_testcase import (
    INCLUDING,
    ClientDisconnected,
    HTTPStub,
    HTTPStubTestCase,
    UsageError,
    WebSocketConnection,
)
from tests.integration.running import make_case, run_case
from tests.integration.stub.support import StubTest
from tests.support import HANG, run_python


class WebSocketTest(StubTest):
    """A test whose stub belongs to a test, and whose clients are closed at its end."""

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.begin("shop.test_feed")

    def open(
        self, path: str = "/feed", *messages: str | bytes, stub: HTTPStub | None = None, **options: Any
    ) -> ClientConnection:
        """Open a WebSocket, and send messages.

        Not over TLS, where this client reads and writes in two threads at once, and one of its handshakes in a hundred
        is lost, with its own server, too.
        """
        to = stub or self.stub
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        client = stack.enter_context(connect(f"{to.ws_url}{path}", open_timeout=HANG, close_timeout=HANG, **options))
        for message in messages:
            client.send(message)
        return client

    def mismatch(self, *messages: str | bytes) -> None:
        """A client sends what is not wanted, and is told so."""
        self.assert_closed(self.open("/feed", *messages), 1008, "the test does not expect this message")

    def refuse(self, path: str = "/feed", **options: Any) -> tuple[int, str]:
        """Open a WebSocket in vain: the status and the body of the response."""
        with self.assertRaises(InvalidStatus) as caught:
            self.open(path, **options)
        response = caught.exception.response
        return response.status_code, bytes(response.body or b"").decode()

    def assert_closed(self, client: ClientConnection, code: int, reason: str = "") -> None:
        """The stub closes it."""
        with self.assertRaises(ConnectionClosed) as caught:
            client.recv(HANG)
        received = caught.exception.rcvd
        self.assertEqual((code, reason), (received.code, received.reason) if received is not None else None)

    def report(self) -> str:
        """The failure report, when all that was sent has been dealt with; places as ``here``."""
        self.stub._inspection.settle(HANG)
        return re.sub(r"[\w/.-]+\.py:\d+", "here", self.stub.failure_report()).replace(self.stub.url, "URL")


class ScriptTest(WebSocketTest):
    """A script is played on each connection."""

    def converse(self, client: ClientConnection, *moves: tuple[Any, Any]) -> None:
        """Send each message, where there is one, and read the answer to it, where there is one."""
        for message, answer in moves:
            if message is not None:
                client.send(message)
            if answer is not None:
                self.assertEqual(answer, client.recv(HANG))

    def test_messages(self) -> None:
        """Text, bytes and JSON go both ways, in the order of the script, and the stub closes."""
        feed = self.stub.expect_websocket("/feed")
        feed.receive("hello").send("welcome").receive(b"\0\1").send(b"\1\0")
        feed.receive(json={"subscribe": "AAPL"}).send(json={"price": 1}).close(4000, "done")
        moves = (("hello", "welcome"), (b"\0\1", b"\1\0"), ('{"subscribe": "AAPL"}', '{"price": 1}'))
        client = self.open()

        self.converse(client, *moves)
        self.assert_closed(client, 4000, "done")

        self.stub.verify()
        (connection,) = feed.connections
        self.assertEqual(4000, connection.wait_closed(HANG))
        self.assertEqual(moves, tuple(zip(connection.received, connection.sent, strict=True)))

    def test_kinds_of_messages(self) -> None:
        """What a message can be compared with, one in several frames, a large one, one that comes during a pause."""
        large = "ä" * 1_000_000
        feed = self.stub.expect_websocket("/feed").receive(re.compile(r"\d+")).receive(re.compile(rb"\d+"))
        feed.receive(str.isupper).receive(INCLUDING("b", "c")).receive(json=INCLUDING({"a": 1})).receive()
        feed.receive("one message").receive(large).send(large).pause(0.01).receive("x").send("y")
        messages = ("12", b"12", "ABC", "abcd", '{"a": 1, "b": 2}', b"anything", iter(["one ", "mess", "age"]))
        client = self.open(max_size=None)
        self.converse(client, *[(message, None) for message in messages], (large, large), ("x", "y"))
        self.assertEqual(9, len(feed.connections[0].received))
        client.close()
        self.stub.verify()

    def test_several_connections(self) -> None:
        """Each connection has the script for itself, at the same time as others."""
        feed = self.stub.expect_websocket("/feed", times=3).receive("a").receive("b").send("c")
        clients = [self.open() for _ in range(3)]
        for moves in (("a", None), ("b", None), (None, "c")):
            for client in clients:
                self.converse(client, moves)
        for client in clients:
            client.close()
        self.stub.verify()
        self.assertEqual([["a", "b"]] * 3, [each.received for each in feed.connections])

    def test_ping(self) -> None:
        """A step waits for the pong; a client's own ping is answered; all of it is recorded."""
        feed = self.stub.expect_websocket("/feed").ping(b"a").send("x")
        client = self.open()
        self.assertEqual("x", client.recv(HANG))
        self.assertTrue(client.ping(b"b").wait(HANG))
        client.close(1001, "away")
        (connection,) = feed.connections
        self.assertEqual((1001, "away"), (connection.wait_closed(HANG), connection.close_reason))
        self.assertEqual(
            [
                (True, "ping", b"a", None), (False, "pong", b"a", None), (True, "message", "x", None),
                (False, "ping", b"b", None), (True, "pong", b"b", None),
                (False, "close", "away", 1001), (True, "close", "away", 1001),
            ],
            [(each.sent, each.kind, each.data, each.code) for each in connection.messages],
        )  # fmt: skip
        self.stub.verify()

    def test_open_after_the_script(self) -> None:
        """After its last step a WebSocket stays open; one without a step for it lets the client send what it likes."""
        feed = self.stub.on_websocket("/feed").send("hello")
        client = self.open()
        self.converse(client, (None, "hello"), ("one", None), ("two", None))
        client.close()
        self.assertEqual(1000, feed.connections[0].wait_closed(HANG))
        self.assertEqual(["one", "two"], feed.connections[0].received)
        self.stub.verify()

    def test_refusal(self) -> None:
        """A handshake is refused with a response."""
        feed = self.stub.expect_websocket("/feed", times=2).refuse(401, "who are you?", headers={"X-A": "1"})
        self.assertEqual((401, "who are you?"), self.refuse())
        self.assertEqual((401, "who are you?"), self.refuse())
        self.assertEqual((2, []), (feed.times_called, feed.connections))
        self.stub.verify()

    def test_plain_function(self) -> None:
        """A function serves the connection for as long as the client stays."""
        ends: list[str] = []

        def echo(connection: WebSocketConnection) -> None:
            for message in connection:
                connection.send(message)
            try:
                connection.receive()
            except ClientDisconnected:
                ends.append("left")

        self.stub.expect_websocket("/feed").send("ready").reply_with(echo)
        client = self.open()
        self.assertEqual("ready", client.recv(HANG))
        for message in ("a", b"b", ""):
            client.send(message)
            self.assertEqual(message, client.recv(HANG))
        client.close()
        self.stub.verify()
        self.assertEqual(["left"], ends)

    def test_coroutine_function(self) -> None:
        """A coroutine function serves it on the stub's loop, with other tasks of its own."""

        async def serve(connection: WebSocketConnection) -> None:
            async def tick() -> None:
                for number in range(3):
                    connection.send(f"tick {number}")
                    await asyncio.sleep(0)

            task = asyncio.create_task(tick())
            self.assertEqual("go", await connection.receive_async("go"))
            await task
            await connection.ping_async()
            async for message in connection:
                connection.send(message)

        self.stub.expect_websocket("/feed").reply_with(serve)
        client = self.open()
        self.assertEqual(["tick 0", "tick 1", "tick 2"], [client.recv(HANG) for _ in range(3)])
        client.send("go")
        client.send("echo")
        self.assertEqual("echo", client.recv(HANG))
        client.close()
        self.stub.verify()

    def test_order_of_what_is_sent(self) -> None:
        """What a coroutine function, or the test, has sent goes out before what the next step sends, or closes."""
        entered, release = threading.Event(), threading.Event()

        async def send(connection: WebSocketConnection) -> None:
            connection.send("of the coroutine")

        def wait(_connection: WebSocketConnection) -> None:
            entered.set()
            release.wait(HANG)

        feed = self.stub.expect_websocket("/feed").reply_with(send).send("of the script").reply_with(wait).close()
        client = self.open()
        self.assertTrue(entered.wait(HANG))
        feed.connection(HANG).send("of the test")
        release.set()
        for message in ("of the coroutine", "of the script", "of the test"):
            self.assertEqual(message, client.recv(HANG))
        self.assert_closed(client, 1000)
        self.stub.verify()

    def test_messages_that_come_with_the_handshake(self) -> None:
        """A client need not wait for the answer to its handshake with its first message."""
        self.stub.expect_websocket("/feed").receive("hi")
        client = self.connect()
        client.sendall(handshake() + frame(1, b"hi") + frame(8, b"\x03\xe8"))
        client.settimeout(HANG)
        data = b""
        while more := client.recv(4096):
            data += more
        self.assertTrue(data.startswith(b"HTTP/1.1 101 "), data)
        self.assertTrue(data.endswith(b"\x88\x02\x03\xe8"), data)


class HandshakeTest(WebSocketTest):
    """The criteria of a handshake are those of any request."""

    def test_criteria(self) -> None:
        """Headers, the query and the path's parameters are compared, and are in the record."""
        feed = self.stub.expect_websocket(
            "/rooms/<int:room>", headers={"Authorization": "Bearer x"}, query={"v": "1"}, name="room"
        )
        self.open("/rooms/5?v=1", additional_headers={"Authorization": "Bearer x"}).close()
        (request,) = feed.requests
        self.assertEqual({"room": 5}, request.path_params)
        self.assertIs(request.websocket, feed.connections[0])
        self.assertIs(request, feed.connections[0].request)
        self.stub.verify()

    def test_a_request_that_is_no_handshake(self) -> None:
        """A plain request finds no WebSocket, and a handshake can find a plain reply."""
        self.stub.on_websocket("/feed")
        self.stub.on("GET", "/page").reply(403, text="no")
        self.assertEqual(501, self.send("GET", "/feed").status)
        self.assertEqual((403, "no"), self.refuse("/page"))
        report = self.report()
        self.assertIn("    FAIL upgrade: wanted 'websocket', got nothing (it is no handshake of a WebSocket)", report)

    def test_subprotocols(self) -> None:
        """The first that the stub speaks and the client offers is agreed upon; one that offers none is unmatched."""
        feed = self.stub.on_websocket("/feed", subprotocols=["v2", "v1"])
        client = self.open(subprotocols=["v1", "v2"])
        self.assertEqual(("v2", "v2"), (client.subprotocol, feed.connection(HANG).subprotocol))
        other = self.open(subprotocols=["v0", "v1"])
        self.assertEqual("v1", other.subprotocol)
        # no extension is agreed upon, such as one that compresses
        self.assertNotIn("Sec-WebSocket-Extensions", other.response.headers if other.response is not None else {})
        self.assertEqual(501, self.refuse(subprotocols=["v3"])[0])
        self.assertEqual(501, self.refuse()[0])
        report = self.report()
        self.assertIn("    FAIL subprotocols: wanted 'v2' or 'v1', got 'v3'\n", report)
        self.assertIn("    FAIL subprotocols: wanted 'v2' or 'v1', got none\n", report)
        self.stub.on_websocket("/plain")
        self.assertIsNone(self.open("/plain", subprotocols=["v1"]).subprotocol)

    def test_times_and_states(self) -> None:
        """What holds for any expectation holds for these: bounds, orders, scenarios, defaults and scopes."""
        api = self.stub.defaults(prefix="/v1", headers={"X-Key": "k"})
        api.expect_websocket("/feed", times=1).close(4001)
        api.on_websocket("/feed").close(4002)
        key = {"X-Key": "k"}
        self.assert_closed(self.open("/v1/feed", additional_headers=key), 4001)
        self.assert_closed(self.open("/v1/feed", additional_headers=key), 4002)
        self.assertEqual(501, self.refuse("/v1/feed")[0])
        self.stub.failure_report()
        job = self.stub.scenario("job", "new")
        job.on_websocket("/job", state="new").then_state("done").close(4003)
        job.on_websocket("/job", state="done").close(4004)
        self.assert_closed(self.open("/job"), 4003)
        self.assert_closed(self.open("/job"), 4004)
        with self.stub.scope():
            self.stub.on_websocket("/job").close(4005)
            self.assert_closed(self.open("/job"), 4005)
        self.assert_closed(self.open("/job"), 4004)
        removed = self.stub.on_websocket("/gone")
        removed.remove()
        self.assertEqual(501, self.refuse("/gone")[0])
        self.stub.failure_report()

    def test_of_the_class(self) -> None:
        """What a class has written is there again in each test, as it was."""
        self.stub.stop()
        stub = HTTPStub()
        self.addCleanup(stub.stop)
        stub.start()
        feed = stub.on_websocket("/feed").send("of the class")
        for name in ("one", "two"):
            stub.begin(name)
            self.assertEqual([], feed.connections)
            feed.send(f"of {name}").close()
            client = self.open(stub=stub)
            self.assertEqual(["of the class", f"of {name}"], [client.recv(HANG), client.recv(HANG)])
            self.assert_closed(client, 1000)

    def test_nothing_answers(self) -> None:
        """An unmatched handshake is reported as any request, with what to write."""
        status, body = self.refuse("/live/feed")
        self.assertEqual(501, status)
        first = [
            "nothing answers GET /live/feed: no expectation is written",
            "  write stub.on_websocket('/live/feed'), or expect_websocket(…) if it must come: it opens a WebSocket",
        ]
        self.assertEqual(first, body.splitlines()[:2])
        self.assertEqual([f"#1: {first[0]}", first[1]], self.report().splitlines()[:2])
        self.stub.on("GET", "/other").reply(200)
        self.refuse()
        self.assertIn(
            "  it opens a WebSocket: write stub.on_websocket('/feed'), or expect_websocket(…) if it must come",
            self.report().splitlines(),
        )

    def test_malformed_handshakes(self) -> None:
        """What is no handshake by RFC 6455 is refused, and held against the test."""
        self.stub.on_websocket("/feed")
        for changed, status, reason in (
            ({"Sec-WebSocket-Version": "12"}, 400, "invalid Sec-WebSocket-Version header: 12"),
            ({"Sec-WebSocket-Key": "short"}, 400, "invalid Sec-WebSocket-Key header: short"),
            ({"Sec-WebSocket-Key": None}, 400, "missing Sec-WebSocket-Key header"),
            ({"Connection": "close"}, 426, "invalid Connection header: close"),
        ):
            with self.subTest(reason=reason):
                client = self.connect()
                client.sendall(handshake(**{"_".join(name.split("-")): value for name, value in changed.items()}))
                client.settimeout(HANG)
                data = b""
                while more := client.recv(4096):
                    data += more
                self.assertTrue(data.startswith(b"HTTP/1.1 %d " % status), data)
                self.assertIn(f": the WebSocket GET /feed: its handshake is malformed: {reason}\n", self.report())


class ByHandTest(WebSocketTest):
    """A test has the connection in its hands."""

    def test_conversation(self) -> None:
        """The test receives and sends in turn, and the block closes the WebSocket."""
        feed = self.stub.expect_websocket("/feed")
        client = self.open()
        with feed.connection(timeout=HANG) as connection:
            client.send('{"subscribe": "AAPL"}')
            self.assertEqual('{"subscribe": "AAPL"}', connection.receive(json={"subscribe": "AAPL"}))
            connection.send(json={"price": 1})
            self.assertEqual('{"price": 1}', client.recv(HANG))
            self.assertTrue(connection.is_open)
            connection.ping(b"x", timeout=HANG)
        self.assert_closed(client, 1000)
        self.assertEqual(1000, connection.wait_closed(HANG))
        self.assertFalse(connection.is_open)
        self.stub.verify()

    def test_each_connection_once(self) -> None:
        """Connections are given out in the order in which they were opened, each once."""
        feed = self.stub.on_websocket("/feed")
        self.open().send("first")
        first = feed.connection(HANG)
        self.open().send("second")
        second = feed.connection(HANG)
        self.assertEqual(["first", "second"], [first.receive(), second.receive()])
        with self.assertRaisesRegex(
            AssertionError, r"waited 0.01 s for a WebSocket of GET '/feed' upgrade='websocket'"
        ):
            feed.connection(0.01)

    def test_another_message(self) -> None:
        """A message that is not wanted fails the test at once, with the difference, and is not said twice."""
        feed = self.stub.expect_websocket("/feed")
        client = self.open()
        connection = feed.connection(HANG)
        client.send('{"subscribe": "MSFT"}')
        with self.assertRaises(AssertionError) as caught:
            connection.receive(json={"subscribe": "AAPL"})
        self.assertEqual(
            "the WebSocket GET /feed was sent another message than receive(json={'subscribe': 'AAPL'}) wants\n"
            "    FAIL json at $.subscribe: wanted 'AAPL', got 'MSFT'\n"
            "  what was exchanged on it:\n"
            '    client  \'{"subscribe": "MSFT"}\'',
            str(caught.exception),
        )
        self.assertEqual("", self.report())

    def test_no_message(self) -> None:
        """A wait has its end, and names what it was for; a closed WebSocket ends it at once."""
        feed = self.stub.expect_websocket("/feed")
        client = self.open()
        connection = feed.connection(HANG)
        with self.assertRaisesRegex(AssertionError, r"^waited 0.01 s for receive\('x'\) on the WebSocket GET /feed\n"):
            connection.receive("x", timeout=0.01)
        client.close(1001, "away")
        for call in (lambda: connection.receive("x", timeout=HANG), lambda: connection.ping(timeout=HANG)):
            with self.assertRaisesRegex(AssertionError, r"but the client has closed it with 1001 'away'\n"):
                call()
        with self.assertRaisesRegex(
            AssertionError, r"^cannot send a message on the WebSocket GET /feed, but the client"
        ):
            connection.send("x")
        connection.close()
        connection.drop()

    def test_after_a_script(self) -> None:
        """A test can go on where a script has ended."""
        feed = self.stub.expect_websocket("/feed").receive("login").send("welcome")
        client = self.open("/feed", "login")
        self.assertEqual("welcome", client.recv(HANG))
        client.send("more")
        connection = feed.connection(HANG)
        self.assertEqual("more", connection.receive("more"))
        connection.drop()
        with self.assertRaises(ConnectionClosedError):
            client.recv(HANG)
        self.stub.verify()

    def test_on_an_event_loop(self) -> None:
        """Where a wait would block a loop, it says what to write; that works."""
        feed = self.stub.expect_websocket("/feed")

        async def converse() -> None:
            loop = asyncio.get_running_loop()
            client = await loop.run_in_executor(None, self.open)
            with self.assertRaisesRegex(UsageError, r"write await ws.connection_async\(…\)"):
                feed.connection()
            with await feed.connection_async(HANG) as connection:
                with self.assertRaisesRegex(UsageError, r"write await connection.receive_async\(…\)"):
                    connection.receive()
                await loop.run_in_executor(None, client.send, "x")
                self.assertEqual("x", await connection.receive_async("x"))
                connection.send("y")
                await connection.ping_async(timeout=HANG)
            self.assertEqual(1000, await connection.wait_closed_async(HANG))

        asyncio.run(converse())
        self.stub.verify()

    def test_names(self) -> None:
        """A misspelt name is refused with the nearest, and nothing can be set."""
        connection = self.stub.on_websocket("/feed")
        self.open()
        with self.assertRaisesRegex(AttributeError, "did you mean 'connections'"):
            connection.conections  # noqa: B018
        with self.assertRaisesRegex(AttributeError, "did you mean 'receive'"):
            connection.connection(HANG).recieve()  # type: ignore[attr-defined]
        with self.assertRaisesRegex(TypeError, "Did you mean 'json'"):
            connection.send(jsn=1)  # type: ignore[call-arg]


class FailureTest(WebSocketTest):
    """What goes wrong on a WebSocket fails the test."""

    def test_another_message(self) -> None:
        """A message that the script does not receive fails the test, with the difference and all that was exchanged."""
        self.stub.expect_websocket("/feed").send("welcome").receive(json={"subscribe": ["AAPL", "MSFT"]}).send("ok")
        client = self.open()
        self.assertEqual("welcome", client.recv(HANG))
        client.send('{"subscribe": ["AAPL", "NVDA"]}')
        self.assert_closed(client, 1008, "the test does not expect this message")
        self.assertEqual(
            "#1: the WebSocket GET /feed was sent another message than "
            "receive(json={'subscribe': ['AAPL', 'MSFT']}) wants\n"
            "  step 2 of 3 is receive(json={'subscribe': ['AAPL', 'MSFT']}), written at here\n"
            "    FAIL json at $.subscribe[1]: wanted 'MSFT', got 'NVDA'\n"
            "  what was exchanged on it:\n"
            "    stub    'welcome'\n"
            '    client  \'{"subscribe": ["AAPL", "NVDA"]}\'\n'
            "the stub at URL was sent 1 request in this test:\n"
            "  #1 GET /feed -> 101, 1 message received, 1 sent, the stub has closed it with 1008 "
            "'the test does not expect this message'",
            self.report(),
        )
        self.assertEqual("", self.report())

    def test_kinds_of_difference(self) -> None:
        """The report says what kind of message came, that it is no JSON, what a predicate raised, what comes later.

        What is allowed to stay unmatched is allowed to go wrong, and no report prints a secret of a message.
        """
        for steps, message, line in (
            ([("a", None)], b"a", "FAIL message: wanted 'a', got b'a' (a binary message: the other kind is wanted)"),
            ([(b"a", None)], "a", "FAIL message: wanted b'a', got 'a' (a text message: the other kind is wanted)"),
            ([("Hello", None)], "hello", "FAIL message: wanted 'Hello', got 'hello' (upper and lower case differ)"),
            ([(None, 1)], "one", "FAIL json: wanted 1, got 'one', which is no JSON"),
            ([(lambda text: text.x, None)], "one", "AttributeError"),
            ([("a", None), ("b", None)], "b", "  step 2 wants it: does it come too early?"),
            ([(None, {"token": "hunter2", "b": 2})], '{"token": "hunter3", "b": 1}',
             "at $.token: wanted ***, got anot"),
        ):  # fmt: skip
            with self.subTest(line=line):
                self.begin("shop.test_difference")
                feed = self.stub.on_websocket("/feed")
                for text, value in steps:
                    feed = feed.receive(text) if text is not None else feed.receive(json=value)
                with self.stub.allow_unmatched("GET", "/feed"):
                    self.mismatch(message)
                    self.stub._inspection.settle(HANG)
                self.assertEqual("", self.report())
                self.mismatch(message)
                report = self.report()
                self.assertIn(line, report)
                self.assertNotIn("hunter", report)

    def test_a_script_that_does_not_end(self) -> None:
        """What must come and does not fails the test: the client has left, has sent nothing more, or never came."""
        self.stub.expect_websocket("/feed").receive("a").receive("b").send("c")
        client = self.open("/feed", "a")
        client.close(1001, "away")
        self.assertEqual(
            "#1: the WebSocket GET /feed did not come to the end of its script: "
            "the client has closed it with 1001 'away'\n"
            "  step 2 of 3 is receive('b'), written at here\n"
            "  what was exchanged on it:\n"
            "    client  'a'\n"
            "    client  close 1001 'away'\n"
            "    stub    close 1001 'away'\n"
            "the stub at URL was sent 1 request in this test:\n"
            "  #1 GET /feed -> 101, 1 message received, 0 sent, the client has closed it with 1001 'away'",
            self.report(),
        )
        self.begin("shop.test_silence")
        self.stub.expect_websocket("/feed").receive("a")
        self.open()
        wanted = (
            "#1: the WebSocket GET /feed did not come to the end of its script: it is open\n"
            "  step 1 of 1 is receive('a'), written at here\n"
            "  nothing was exchanged on it\n"
        )
        self.assertEqual(wanted, self.report()[: len(wanted)])
        self.begin("shop.test_never")
        self.stub.expect_websocket("/feed", subprotocols="v1").receive("a")
        self.assertEqual(
            "GET '/feed' upgrade='websocket' subprotocols='v1' was expected exactly once, and never came, "
            "written at here\nthe stub was sent nothing in this test: does the code under test use URL?",
            self.report(),
        )

    def test_a_message_too_many(self) -> None:
        """Where a script receives, it says all that comes; what may come may stop in the middle."""
        for steps, messages, wanted in (
            ("ab", "a", ""),
            ("a", "ab", "#1: the WebSocket GET /feed was sent 1 message that its script has no step for\n"),
        ):
            with self.subTest(steps=steps, messages=messages):
                self.begin("shop.test_many")
                feed = self.stub.on_websocket("/feed")
                for step in steps:
                    feed.receive(step)
                self.open("/feed", *messages).close()
                report = self.report()
                self.assertEqual(wanted, report[: len(wanted)] if wanted else report)

    def test_what_a_function_raises(self) -> None:
        """An exception of a function fails the test, and closes with 1011; a message that is not wanted with 1008."""

        def fail(connection: WebSocketConnection) -> None:
            raise ValueError(connection.receive())

        async def fail_later(connection: WebSocketConnection) -> None:
            raise ValueError(await connection.receive_async())

        def wait(connection: WebSocketConnection) -> None:
            connection.receive()
            connection.receive("a", timeout=0.01)

        raised = "GET /feed could not be answered: ValueError: boom"
        late = "waited 0.01 s for receive('a') on the WebSocket GET /feed"
        for function, reason in ((fail, raised), (fail_later, raised), (wait, late)):
            with self.subTest(function=function.__name__):
                self.begin("shop.test_function")
                self.stub.on_websocket("/feed").reply_with(function)
                client = self.open("/feed", "boom")
                self.assert_closed(client, 1011, "the function of the test has failed")
                self.assertIn(reason, self.report())
        self.begin("shop.test_mismatch")
        self.stub.on_websocket("/feed").reply_with(lambda connection: connection.receive("a"))
        self.mismatch("b")
        self.assertIn("  step 1 of 1 is reply_with(the lambda in line ", self.report())

    def test_long_conversations(self) -> None:
        """Of many messages the report has the first and the last."""
        feed = self.stub.expect_websocket("/feed").receive("x")
        client = self.open("/feed", "x", *[f"y{number}" for number in range(49)])
        client.close()
        self.assertEqual(1000, feed.connections[0].wait_closed(HANG))
        report = self.report()
        self.assertIn("    … 32 more …\n", report)
        self.assertLess(len(report.splitlines()), 40)

    def test_in_a_test_case(self) -> None:
        """A test of a class fails by itself, and a passing one needs no more than the script."""

        def test_passes(self: Any) -> None:
            self.stub.expect_websocket("/feed").receive("a").send("b")
            with connect(f"{self.stub.ws_url}/feed") as client:
                client.send("a")
                self.assertEqual("b", client.recv(HANG))

        def test_fails(self: Any) -> None:
            self.stub.expect_websocket("/feed").receive("a")
            with connect(f"{self.stub.ws_url}/feed") as client:
                client.send("b")

        case = make_case(HTTPStubTestCase, test_passes=test_passes, test_fails=test_fails)
        outcome = run_case(case)
        self.assertEqual({"run": 2, "failures": 1}, outcome.summary)
        self.assertIn("FAIL message: wanted 'a', got 'b'", outcome.report)


class StopTest(WebSocketTest):
    """A stop, and what cuts connections, finds WebSockets open."""

    def test_stop(self) -> None:
        """A hundred open WebSockets are closed with 1001, whatever their scripts are at, and nothing is left."""
        self.stub.on_websocket("/idle")
        self.stub.on_websocket("/waiting").receive("never")
        self.stub.on_websocket("/pausing").pause(3600)
        self.stub.on_websocket("/pinging").ping()

        async def serve(connection: WebSocketConnection) -> None:
            await connection.receive_async()

        self.stub.on_websocket("/function").reply_with(lambda connection: connection.receive())
        self.stub.on_websocket("/coroutine").reply_with(serve)
        paths = ("/idle", "/waiting", "/pausing", "/function", "/coroutine")
        clients = [self.open(path) for path in paths for _ in range(20)]
        self.stub._inspection.settle(HANG)  # each has come to where it waits
        self.stub.stop()
        for client in clients:
            self.assert_closed(client, 1001, "the server stops")

    def test_a_function_that_does_not_end(self) -> None:
        """A stop cuts the WebSocket of a function that waits for something else; close_connections() cuts any."""
        release, entered = threading.Event(), threading.Event()

        def wait(_connection: WebSocketConnection) -> None:
            entered.set()
            release.wait(HANG)

        feed = self.stub.on_websocket("/idle")
        idle = self.open("/idle")
        connection = feed.connection(HANG)
        self.stub.close_connections()
        self.stub.on_websocket("/feed").reply_with(wait)
        client = self.open()
        self.assertTrue(entered.wait(HANG))
        threading.Timer(0.05, release.set).start()
        self.stub.stop()
        for cut in (idle, client):
            with self.assertRaises(ConnectionClosedError):
                cut.recv(HANG)
        self.assertEqual(1006, connection.wait_closed(HANG))

    def test_the_next_test(self) -> None:
        """A WebSocket that stays open over tests belongs to the one in which it was opened."""
        feed = self.stub.on_websocket("/feed").receive("a")
        client = self.open()
        feed.connection(HANG)
        self.begin("shop.test_next")
        client.send("b")
        self.assert_closed(client, 1008, "the test does not expect this message")
        self.assertEqual("", self.report())
        self.assertIn("left over from shop.test_feed: the WebSocket GET /feed was sent", self.late_report())

    def test_wait_until_satisfied(self) -> None:
        """Who waits until all is met waits for the scripts, too."""
        self.stub.expect_websocket("/feed").receive("a").receive("b")
        client = self.open("/feed", "a")
        with self.assertRaisesRegex(AssertionError, r"did not come to the end of its script: it is open"):
            self.stub.wait_until_satisfied(0.05)
        client.send("b")
        self.stub.wait_until_satisfied(HANG)
        self.stub.verify()


class CostTest(WebSocketTest):
    """Who uses no WebSocket pays nothing, and who has no websockets hears what to install."""

    def test_without_websockets(self) -> None:
        """Where it is not installed, the verbs say so, and the names of the package are there."""
        done = run_python("""
            import sys
            sys.modules["websockets"] = None
            from liveserver_testcase import *

            stub = HTTPStub()
            for verb in (stub.on_websocket, stub.expect_websocket):
                try:
                    verb("/feed")
                except UsageError as error:
                    print(error)
            print(stub.expectations)
        """)
        message = "a WebSocket stub needs websockets, which cannot be imported"
        lines = done.stdout.splitlines()
        self.assertEqual([True, True, "[]"], [*(line.startswith(message) for line in lines[:2]), lines[2]], done.stderr)
        self.assertTrue(lines[0].endswith("Install liveserver-testcase[websocket]."))

    def test_records(self) -> None:
        """A WebSocket is in the journal as a request with status 101, and closed as a stream is not waited for."""
        self.stub.on_websocket("/feed").send("x")
        client = self.open()
        client.recv(HANG)
        self.assertEqual([], self.stub.wait_until_idle(0.0))
        self.assertEqual([101], [exchange.status for exchange in self.stub.exchanges])
        client.close()
        self.wait_for(lambda: all(exchange.is_over for exchange in self.stub.exchanges))
        (exchange,) = self.stub.exchanges
        self.assertEqual((101, True, "", ""), (exchange.status, exchange.completed, exchange.aborted, exchange.refused))

    def test_saved_traffic(self) -> None:
        """A handshake is saved with its response, and passed over when the file is played."""
        self.stub.on_websocket("/feed").close()
        self.stub.on("GET", "/page").reply(200, "page")
        self.assert_closed(self.open(), 1000)
        self.send("GET", "/page")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "traffic.har")
            self.stub.save_har(path)
            with open(path, encoding="utf-8") as file:
                entries = json.load(file)["log"]["entries"]
            self.assertEqual([101, 200], [entry["response"]["status"] for entry in entries])
            self.begin("shop.test_replay")
            (expectation,) = self.stub.load_har(path)
        self.assertIn("'/page'", expectation.describe())
        self.assertEqual("page", self.send("GET", "/page").text)


# -- frames by hand ----------------------------------------------------------------------------------------------------

_HANDSHAKE = {
    "Host": "a",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def handshake(path: str = "/feed", **changed: str | None) -> bytes:
    """A handshake; names with ``_`` for ``-``, and None for a header that is not sent."""
    headers = {**_HANDSHAKE, **{name.replace("_", "-"): value for name, value in changed.items()}}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, mask: bool = True) -> bytes:
    """A frame as a client sends it."""
    size = len(data)
    head = bytes([0x80 * fin | reserved << 4 | opcode])
    flag = 0x80 * mask
    head += bytes([flag | size]) if size < 126 else bytes([flag | 126]) + size.to_bytes(2, "big")
    return head + (b"\0\0\0\0" if mask else b"") + data
