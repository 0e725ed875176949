"""What the server's journal knows of each exchange."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

from liveserver_testcase.web.http_server import HTTPServer
from liveserver_testcase.web.records import Exchange
from tests.integration.web.wire import GET, Client, Held, WireTestCase, echo, hello, post
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
