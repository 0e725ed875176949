"""What the server's journal knows of each exchange."""

from __future__ import annotations

import threading
import time
from typing import Any
from unittest import mock

from liveserver_testcase.web.http_server import HTTPServer
from liveserver_testcase.web.records import Exchange
from tests.integration.web.wire import GET, Client, Held, WireTestCase, echo, get, hello, post, replying
from tests.support import HANG, wait_until


class Facts(WireTestCase):
    """Every exchange knows its place, its time and its result."""

    def test_places(self) -> None:
        """Connections and exchanges are numbered from 0, in their order."""
        server = self.serve(hello)
        clients = []
        for _ in range(2):
            clients.append(self.connect(server))
            clients[-1].ask(GET)
        for client in reversed(clients):
            client.ask(GET)
        places = [(e.index, e.connection_index, e.exchange_index) for e in self.exchanges(server, 4)]
        self.assertEqual([(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 0, 1)], places)

    def test_request_line(self) -> None:
        """It has the request line, and the raw path without the query."""
        server = self.serve(hello)
        self.connect(server).ask(get("/a%20b?c=d", version="1.0", method="PUT"))
        self.connect(server).ask(get("http://b/e?f"))
        first, second = self.exchanges(server, 2)
        self.assertEqual(
            ("PUT", "/a%20b?c=d", "HTTP/1.0", "/a%20b"), (first.method, first.target, first.version, first.path)
        )
        self.assertEqual(("http://b/e?f", "/e"), (second.target, second.path))
        self.assertEqual("PUT /a%20b?c=d", first.describe())
        self.assertEqual("<Exchange #0 PUT /a%20b?c=d: 200>", repr(first))

    def test_time_and_result(self) -> None:
        """It knows when it arrived, how long it lasted, its status, and that the response was handed over."""
        before = time.time()
        server = self.serve(replying(b"", status="404 NOT FOUND"))
        self.connect(server).ask(GET)
        exchange = self.exchange(server)
        self.assertTrue(before <= exchange.received_at <= time.time())
        self.assertGreater(exchange.duration or 0, 0)
        self.assertEqual(exchange.age, exchange.duration)
        self.assertEqual((404, True, "", "", []), (
            exchange.status, exchange.completed, exchange.aborted, exchange.refused, exchange.errors,
        ))  # fmt: skip

    def test_in_flight(self) -> None:
        """While it is served, it is in flight and has head, body and response; afterwards it has let go of them."""
        held = Held(echo)
        server = self.serve(held)
        client = self.connect(server).send(post(b"body"))
        self.assertTrue(held.wait())
        (exchange,) = server.in_flight
        self.assertEqual([exchange], server.journal.entries())
        self.assertEqual([exchange], server.wait_until_idle(0.0))
        self.assertFalse(exchange.is_over)
        self.assertEqual((None, None, False), (exchange.status, exchange.duration, exchange.completed))
        self.assertEqual("<Exchange #0 POST /: in progress>", repr(exchange))
        self.assertNotIn(None, (exchange.head, exchange.body, exchange.response))
        self.assertGreater(exchange.age, 0)
        held.go.set()
        client.answer()
        self.assertEqual([], server.wait_until_idle(HANG))
        self.assertTrue(exchange.is_over)
        self.assertEqual([None] * 3, [exchange.head, exchange.body, exchange.response])

    def test_idle_means_over(self) -> None:
        """When an exchange is no longer in flight, it has its result: nobody sees it in between."""
        seen: list[bool] = []
        original = Exchange.end

        def end(exchange: Exchange) -> None:
            seen.append(exchange in server.in_flight)
            original(exchange)

        server = self.serve(hello)
        with mock.patch.object(Exchange, "end", end):
            self.connect(server).ask(GET)
            self.assertEqual([], server.wait_until_idle(HANG))
        self.assertEqual([True], seen)
        self.assertEqual((200, True), ((e := server.journal.entries()[-1]).status, e.completed))

    def test_windows(self) -> None:
        """An exchange belongs to the test in which it arrived, also if it ends in a later one."""
        held = Held()
        server = self.serve(held)
        first = server.journal.begin("first")
        client = self.connect(server).send(GET)
        self.assertTrue(held.wait())
        second = server.journal.begin("second")
        self.assertEqual([], server.wait_until_idle(0.0, second))
        held.go.set()
        client.answer()
        self.assertEqual([], server.wait_until_idle(HANG, first))
        self.assertEqual(([first], []), ([e.window for e in server.journal.entries()], server.journal.entries(second)))

    def test_waiting_for_an_exchange(self) -> None:
        """Who waits on the journal wakes when an exchange arrives, and when it is over."""
        held, woken = Held(), []
        server = self.serve(held)

        def is_over() -> bool:
            entries = server.journal.entries()
            if entries:
                held.go.set()  # seen while it was served
            return bool(entries) and entries[0].is_over

        thread = threading.Thread(target=lambda: woken.append(server.journal.wait_for(is_over, HANG)))
        thread.start()
        self.connect(server).ask(GET)
        thread.join(HANG)
        self.assertEqual([True], woken)


class Stop(WireTestCase):
    """What a stop of the server does to exchanges."""

    def test_idle_connections(self) -> None:
        """Idle and new connections are closed, and leave no record."""
        server = self.serve(hello)
        new, idle = self.connect(server), self.connect(server)
        idle.ask(GET)
        self.assertTrue(wait_until(lambda: len(server.connections) == 2))
        server.stop()
        self.assertTrue(new.is_at_end() and idle.is_at_end())
        self.exchange(server)

    def test_half_requests(self) -> None:
        """Requests that are half here are cut, and recorded as the server's doing."""
        held = Held(echo)
        held.go.set()
        server = self.serve(held)
        clients = [self.connect(server).send(GET[:-1]), self.connect(server).send(post(b"body")[:-1])]
        self.assertTrue(held.wait())
        self.assertTrue(wait_until(lambda: all(c.state.value == "reading" for c in server.connections)))
        server.stop()
        for client in clients:
            self.assertTrue(client.is_at_end())
        wanted = {
            f"the server cut the connection after {len(GET) - 1} bytes of a request's head",
            "the server stopped in the middle of its request's body",
        }
        self.assertEqual(wanted, {exchange.aborted for exchange in self.exchanges(server, 2)})
        self.assert_no_app_errors(server)

    def test_answer_of_the_last(self) -> None:
        """What is being answered is answered to the end, and says that the connection is over."""
        held = Held()
        server = self.serve(held)
        client: Client = self.connect(server).send(GET)
        self.assertTrue(held.wait())
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        workers = server._workers
        assert workers is not None
        self.assertTrue(workers.stopping.wait(HANG))
        held.go.set()
        answer = client.answer()
        self.assertEqual((200, b"hello", "close"), (answer.status, answer.body, answer.get("Connection")))
        self.assertTrue(client.is_at_end())
        stopper.join(HANG)


class Times(WireTestCase):
    """An exchange says when each of its parts came to its end."""

    def check_order(self, exchange: Any, *names: str) -> None:
        """Fail unless the times of ``names`` are known, and in this order."""
        times = [getattr(exchange, name) for name in names]
        self.assertNotIn(None, times, dict(zip(names, times, strict=True)))
        self.assertEqual(sorted(times), times)

    def test_of_a_request_with_a_body(self) -> None:
        """Its times are in the order of the wire."""

        server = self.serve(echo)
        client = self.connect(server)
        for request in (post(b"abc"), post(b"abcdef"), GET):
            client.ask(request)
        self.assertEqual([], server.wait_until_idle(HANG))
        first, second, third = self.exchanges(server, 3)
        names = "first_byte_at", "arrived", "body_complete_at", "response_begun_at", "finished_at"
        for exchange in (first, second, third):
            self.check_order(exchange, "accepted_at", *names)
            self.assertIsNone(exchange.handshake_done_at)
        self.assertEqual(first.accepted_at, third.accepted_at)
        self.assertGreater(second.first_byte_at or 0.0, first.response_begun_at or 0.0)
        self.assertEqual(third.arrived, third.body_complete_at)

    def test_of_tls(self) -> None:
        """The handshake comes between the connection and the first byte."""
        server = self.serve(hello, tls=True)
        client = self.connect(server, context=server.client_context())
        client.ask(GET)
        self.check_order(self.exchange(server), "accepted_at", "handshake_done_at", "first_byte_at", "finished_at")

    def test_of_what_did_not_happen(self) -> None:
        """A body that nobody read to its end, and an answer that was not given, have no time."""
        server = self.serve(hello)
        client = self.connect(server)
        client.send(post(b"abc")[:-1])
        client.answer()
        client.close()
        self.assertIsNone(self.exchange(server).body_complete_at)


class Handlers(WireTestCase):
    """Handlers answer for themselves."""

    def serve_with(self, handle: Any) -> HTTPServer:
        """Start a server whose exchanges ``handle`` answers."""
        server = HTTPServer(type("Handler", (), {"handle": lambda self, exchange, connection: handle(exchange)})())
        server.start()
        self.addCleanup(server.stop)
        return server

    def only_errors(self, handle: Any) -> list[str]:
        """The errors of the one exchange that ``handle`` answers, with a 500."""
        server: Any = self.serve_with(handle)
        self.assertEqual(500, self.connect(server).ask(GET).status)
        return [str(error) for error in self.exchange(server).errors]

    def test_no_answer(self) -> None:
        """A handler that does not answer, or answers without a status, is an error."""
        self.assertEqual(["the handler ended without a response"], self.only_errors(lambda exchange: None))
        for call in ("write", "finish"):
            errors = self.only_errors(lambda exchange, call=call: getattr(exchange.response, call)(b"x"))
            self.assertEqual(["the response has no status yet: call begin() first"], errors)

    def test_half_an_answer(self) -> None:
        """A handler that ends in the middle of its answer has the connection cut, which may be what it wants."""

        def handle(exchange: Any) -> None:
            exchange.response.begin("200 OK", [("Content-Length", "10")])
            exchange.response.write(b"half")

        server: Any = self.serve_with(handle)
        with self.assertRaises(EOFError):
            self.connect(server).ask(GET)
        exchange = self.exchange(server)
        self.assertEqual((200, False, []), (exchange.status, exchange.completed, exchange.errors))

    def test_begin_twice(self) -> None:
        """Until the head leaves, another begin() replaces the first; afterwards it is an error."""

        def handle(exchange: Any) -> None:
            exchange.response.begin("204 NO CONTENT", [("X-A", "1")])
            exchange.response.begin("200 OK", [])
            exchange.response.write(b"one")
            exchange.response.begin("500 TOO LATE", [])

        server: Any = self.serve_with(handle)
        with self.assertRaises(EOFError):
            self.connect(server).ask(GET)
        exchange = self.exchange(server)
        self.assertEqual(200, exchange.status)
        self.assertEqual(
            ["the response has begun; its status and headers cannot change any more"], [str(e) for e in exchange.errors]
        )
