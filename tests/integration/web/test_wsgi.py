"""What only the server of WSGI applications does; see `test_every_engine` for what all do."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

from liveserver_testcase.web.http_server import HTTPServer
from liveserver_testcase.web.records import Exchange
from tests.integration.web.malformed import SIZE
from tests.integration.web.wire import (
    CHUNKED,
    GET,
    PLAIN,
    SHORT,
    Client,
    Held,
    WireTestCase,
    chunked,
    echo,
    get,
    hello,
    post,
    replying,
    streaming,
)
from tests.support import HANG, call_in_thread


class Facts(WireTestCase):
    """What an exchange holds, and when it is over."""

    def test_what_it_holds(self) -> None:
        """While it is served it has head, body and response; afterwards it has let go of them."""
        held = Held(echo)
        server = self.serve(held)
        client = self.connect(server).send(post(b"body"))
        self.assertTrue(held.wait())
        (exchange,) = server.in_flight
        self.assertNotIn(None, (exchange.head, exchange.body, exchange.response))
        self.assertGreater(exchange.age, 0)
        held.go.set()
        client.answer()
        self.assertEqual([], server.wait_until_idle(HANG))
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
        held = Held()
        server = self.serve(held)

        def is_over() -> bool:
            entries = server.journal.entries()
            if entries:
                held.go.set()  # seen while it was served
            return bool(entries) and entries[0].is_over

        woken = call_in_thread(server.journal.wait_for, is_over, HANG)
        self.connect(server).ask(GET)
        self.assertTrue(woken.result(2 * HANG))


class Stops(WireTestCase):
    """What a stop of the server does to exchanges."""

    def test_answer_of_the_last(self) -> None:
        """What is being answered is answered to the end, and says that the connection is over."""
        held = Held()
        server = self.serve(held)
        client: Client = self.connect(server).send(GET)
        self.assertTrue(held.wait())
        stopped = call_in_thread(server.stop)
        workers = server._workers
        assert workers is not None
        self.assertTrue(workers.stopping.wait(HANG))
        held.go.set()
        answer = client.answer()
        self.assertEqual((200, b"hello", "close"), (answer.status, answer.body, answer.get("Connection")))
        self.assertTrue(client.is_at_end())
        stopped.result(HANG)


class Handlers(WireTestCase):
    """Handlers answer for themselves."""

    def serve_with(self, handle: Any) -> Any:
        """Start a server whose exchanges ``handle`` answers."""
        handler = type("Handler", (), {"handle": lambda self, exchange, connection: handle(exchange)})()
        return self.start(HTTPServer(handler))

    def only_errors(self, handle: Any) -> list[str]:
        """The errors of the one exchange that ``handle`` answers, with a 500."""
        server = self.serve_with(handle)
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

        server = self.serve_with(handle)
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

        server = self.serve_with(handle)
        with self.assertRaises(EOFError):
            self.connect(server).ask(GET)
        exchange = self.exchange(server)
        self.assertEqual(200, exchange.status)
        self.assertEqual(
            ["the response has begun; its status and headers cannot change any more"], [str(e) for e in exchange.errors]
        )


class Crowds(WireTestCase):
    """Each client is served as if it were alone."""

    def test_five_hundred_connections(self) -> None:
        """Of 500 clients that connect at once each gets its answer."""
        server = self.serve(hello)
        answered = 0
        with selectors.DefaultSelector() as selector:
            for _ in range(500):
                sock = socket.socket()
                self.addCleanup(sock.close)
                sock.setblocking(False)
                sock.connect_ex(server.address)
                selector.register(sock, selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(HANG)
                self.assertTrue(ready, f"{answered} of 500 were answered")
                for key, events in ready:
                    sock = key.fileobj  # type: ignore[assignment]
                    if events & selectors.EVENT_WRITE:
                        sock.sendall(GET)
                        selector.modify(sock, selectors.EVENT_READ)
                    else:
                        answered += sock.recv(65536).endswith(b"hello")
                        selector.unregister(sock)
        self.assertEqual(500, answered)

    def test_re_entrancy(self) -> None:
        """An application may call its own server, which calls itself, twenty deep."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            depth = int(environ["PATH_INFO"][1:])
            body = b"bottom"
            if depth:
                client = Client((environ["SERVER_NAME"], int(environ["SERVER_PORT"])))
                body = b"%d %b" % (depth, client.ask(get(f"/{depth - 1}")).body)
                client.close()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [body]

        body = self.connect(self.serve(app)).ask(get("/20")).body
        self.assertEqual(b" ".join([*(b"%d" % depth for depth in range(20, 0, -1)), b"bottom"]), body)


class EventStreams(WireTestCase):
    """What is sent as ``text/event-stream`` lasts until one side leaves."""

    def setUp(self) -> None:
        self.go = threading.Event()
        self.addCleanup(self.go.set)

    def app(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """Send one event, and the next when the test says so."""
        kind = "text/plain" if environ["QUERY_STRING"] == "plain" else "Text/Event-Stream; charset=utf-8"
        start_response("200 OK", [("content-type", kind)])
        yield b"data: 1\n\n"
        self.go.wait(HANG)
        yield b"data: 2\n\n"

    def ask_for(self, kind: str, **options: Any) -> Any:
        """A server one of whose clients has had the first event."""
        server = self.serve(self.app, **options)
        self.connect(server).send(get(f"/?{kind}")).read_until(b"data: 1\n\n")
        return server

    def test_who_is_awaited(self) -> None:
        """It is in flight, and does not keep the server from being idle; another slow response does."""
        server = self.ask_for("events")
        self.assertEqual([True], [exchange.is_streaming for exchange in server.in_flight])
        self.assertEqual([], server.wait_until_idle(0.0))
        server = self.ask_for("plain")
        self.assertEqual([False], [exchange.is_streaming for exchange in server.wait_until_idle(0.0)])
        self.go.set()
        self.assertEqual([], server.wait_until_idle(HANG))

    def test_stop(self) -> None:
        """A stop ends it at once: without its grace, and without a warning."""
        self.assert_stops_at_once(self.ask_for("events", stop_timeout=10 * HANG))


class Malformed(WireTestCase):
    """What is refused when the application has answered, or thinks that it has."""

    def test_behind_the_answer(self) -> None:
        """A body that turns out malformed when its request is answered is recorded, and ends the connection."""
        server = self.serve(replying(b"early"))
        client = self.connect(server).send(CHUNKED + b"5\r\nhello\r\nx\r\n" + GET)
        self.assertEqual(b"early", client.answer().body)
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual((SIZE, 200, True), (exchange.refused, exchange.status, exchange.completed))

    def test_swallowed(self) -> None:
        """An application that passes over a malformed body does not get to answer it."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                environ["wsgi.input"].read(-1)
            except OSError:
                start_response("200 OK", PLAIN)
            return [b"fine"]

        for returns in (list, iter):
            with self.subTest(returns=returns):
                server = self.serve(lambda e, s, returns=returns: returns(app(e, s)), valid=False)
                answer = self.connect(server).ask(CHUNKED + b"x\r\n")
                self.assertEqual((400, f"{SIZE}\n"), (answer.status, answer.body.decode()))
                self.assertEqual(SIZE, self.exchange(server).refused)


class KeepAlive(WireTestCase):
    """A connection stays until one side does not want it to."""

    def test_application_closes(self) -> None:
        """An application can have the connection closed."""
        client = self.connect(self.serve(replying(b"bye", headers=[*PLAIN, ("Connection", "Close")])))
        self.assertEqual(["close"], client.ask(GET).get_all("Connection"))
        self.assertTrue(client.is_at_end())

    def test_http_1_0(self) -> None:
        """A connection of HTTP/1.0 stays, and says so, if the client asks for that and the length is known."""
        for app, fields, body, length in (
            (hello, [], b"hello", "5"),
            (hello, ["Connection: keep-alive, close"], b"hello", "5"),
            (streaming(b"one", b"two"), ["Connection: keep-alive"], b"onetwo", None),  # ends with the connection
        ):
            with self.subTest(app=app, fields=fields):
                client = self.connect(self.serve(app))
                answer = client.ask(get("/", *fields, version="1.0"))
                found = answer.body, answer.get("Content-Length"), answer.get("Connection")
                self.assertEqual((body, length, "close"), found)
                self.assertTrue(client.is_at_end())
        client = self.connect(self.serve(hello))
        for _ in range(2):
            answer = client.ask(get("/", "Connection: Keep-Alive", version="1.0"))
            self.assertEqual("keep-alive", answer.get("Connection"))


class Patience(WireTestCase):
    """What is not bounded."""

    def serve_impatiently(self, app: Any) -> Any:
        """Start a server whose timeouts are over soon, and not before a busy machine has sent twice."""
        return self.serve(app, header_timeout=0.5, body_timeout=0.5)

    def outlast_timeouts(self, server: Any) -> None:
        """Let more time pass than any of the timeouts: two requests run into theirs, one after the other."""
        for _ in range(2):
            client = self.connect(server)
            self.assertEqual(408, client.send(b"G").answer().status)
            client.close()

    def test_idle(self) -> None:
        """A connection may be idle for longer than a request may take, whatever came on it before."""
        server = self.serve_impatiently(lambda e, s: (hello if e["PATH_INFO"] == "/unread" else echo)(e, s))
        new, used, nudged, slow, drained = clients = [self.connect(server) for _ in range(5)]
        used.ask(GET)
        nudged.ask(GET)
        nudged.send(b"\r\n")
        for client, path, cut in ((slow, "/", 1), (drained, "/unread", 6)):
            request = post(b"unread", path=path)
            client.send(request[:-cut])
            if client is drained:
                client.answer()
            client.send(request[-cut:])
        slow.answer()
        self.outlast_timeouts(server)
        for client in clients:
            self.assertEqual(200, client.ask(GET).status)
        port = new.sock.getsockname()[1]
        self.assertEqual([0], [each.exchange_index for each in server.journal.entries() if each.address[1] == port])

    def test_slow_reader(self) -> None:
        """A client may read its response as slowly as it likes, also after a body that came slowly."""
        data = bytes(8 * 1024 * 1024)
        server = self.serve_impatiently(lambda e, s: [e["wsgi.input"].read(-1), s("200 OK", PLAIN)] and [data])
        client = self.connect(server)
        request = post(b"body")
        client.send(request[:-1]).send(request[-1:])
        self.outlast_timeouts(server)
        self.assertEqual(data, client.answer().body)

    def test_slow_body(self) -> None:
        """A body may take as long as it likes while something comes; the response, too, has all the time."""
        released = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            body = environ["wsgi.input"].read(-1)
            start_response("200 OK", PLAIN)
            yield body
            released.wait(HANG)
            yield b"!"

        server = self.serve_impatiently(app)
        client = self.connect(server)
        client.send(CHUNKED[:20]).send(CHUNKED[20:]).send(chunked(b"body")).read_until(b"body")
        self.outlast_timeouts(server)
        released.set()
        client.read_until(b"0\r\n\r\n")

    def test_body_that_nobody_reads(self) -> None:
        """An answer does not wait for a body that nobody reads; a rest that does not come ends the connection."""
        server = self.serve(hello, body_timeout=SHORT)
        client = self.connect(server)
        self.assertEqual(200, client.send(post(b"body")[:-1]).answer().status)
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual((200, True, None), (exchange.status, exchange.completed, exchange.body_complete_at))
        self.assertEqual(f"a body of which nothing more came for {SHORT} s", exchange.refused)
