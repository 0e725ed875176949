"""What clients get, and what is recorded of them, does not depend on what serves: WSGI, or ASGI with either parser."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from liveserver_testcase.errors import ClientDisconnected
from tests.integration.web import malformed
from tests.integration.web.malformed import SIZE
from tests.integration.web.wire import (
    CHUNKED,
    GET,
    IN_CHUNKS,
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
from tests.support import HANG, wait_until

H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
MUCH = 16 * 1024 * 1024  # more than the buffers of a loopback connection hold
SLOW_HEAD = f"a head that is not complete after {SHORT} s"
SLOW_BODY = f"a body of which nothing more came for {SHORT} s"
LEFT_BODY = "the client left in the middle of its request's body"


class EngineCase(WireTestCase):
    """Looks at several answers, and at the end of a connection."""

    def connect(self, server: Any, **options: Any) -> Client:
        """Connect to ``server``, with TLS if it speaks that."""
        return super().connect(server, context=server.client_context() if server.tls else None, **options)

    def assert_answers(self, client: Client, *wanted: bytes, at_end: bool = False) -> None:
        """Fail unless these bodies come in turn, each with a 200, and then the end if that is wanted."""
        answers = [client.answer() for _ in wanted]
        self.assertEqual([(200, body) for body in wanted], [(answer.status, answer.body) for answer in answers])
        if at_end:
            self.assertTrue(client.is_at_end())

    def assert_refused(self, client: Client, status: int, reason: str) -> None:
        """Fail unless the next answer is this refusal, announced as the last, and then the end."""
        answer = client.answer()
        found = (answer.status, answer.get("Connection"), answer.body.decode())
        self.assertEqual((status, "close", f"{reason}\n"), found)
        self.assertTrue(client.is_at_end())

    def send_by_byte(self, client: Client, data: bytes) -> None:
        try:
            for index in range(len(data)):
                client.send(data[index : index + 1])
        except OSError:
            pass  # refused before it was all sent


class Connections(EngineCase):
    """How long a connection lasts, and what may come on it."""

    def test_close(self) -> None:
        """A close that the client asks for, in any of its headers, comes after the answer, announced; nothing else."""
        client = self.connect(server := self.serve(hello))
        for _ in range(3):
            self.assertIsNone(client.ask(GET).get("Connection"))
        self.assertIsNone(client.ask(get("/", "Connection: closet, x")).get("Connection"))
        for values in (["close"], ["Close"], ["foo, close"], ["foo , close"], ["close,keep-alive"], ["x", "close"]):
            with self.subTest(values=values):
                client = self.connect(server)
                client.send(get("/", *[f"Connection: {value}" for value in values]) + GET * 1000)
                self.assertEqual("close", client.answer().get("Connection"))
                self.assertTrue(client.is_at_end())  # what comes behind it is neither answered nor recorded
        self.exchanges(server, 10)

    def test_upgrade_is_not_granted(self) -> None:
        """A wish to change the protocol is passed over, and the body read, whatever its framing."""
        client = self.connect(self.serve(echo))
        for wish in (H2C, ("Connection: Upgrade", "Upgrade: nobody-knows/1")):
            for request in (post(b"abc", *wish), get("/", *wish, IN_CHUNKS, method="POST") + chunked(b"ab", b"c")):
                with self.subTest(request=request):
                    client.send(request + post(b"next"))
                    self.assert_answers(client, b"abc", b"next")

    def test_empty_lines(self) -> None:
        """One before a request is forgiven, however it arrives, and makes no request of its own; two are none."""
        server = self.serve(hello)
        for lines, how, earlier in itertools.product((1, 2), ("at once", "by byte", "apart"), (b"", GET)):
            with self.subTest(lines=lines, how=how, earlier=earlier):
                client, data = self.connect(server), b"\r\n" * lines + GET
                if earlier:
                    client.ask(earlier)
                for _ in range(lines) if how == "apart" else ():
                    client.send(b"\r\n")
                    self.assertEqual([], server.wait_until_idle(HANG))  # it has been read
                    data = data[2:]
                self.send_by_byte(client, data) if how == "by byte" else client.send(data)
                self.assertEqual(200 if lines == 1 else 400, client.answer().status)
                client.close()
        self.assertEqual(18, len(server.journal))

    def test_pipelining(self) -> None:
        """Requests that come at once, or a byte at a time, with bodies of any kind, are told apart and all answered."""
        server = self.serve(echo)
        several = post(GET) + CHUNKED + b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n" + post(b"") + GET
        several += get("/", "Content-Length: 0004", method="POST") + b"last"
        bodies = GET, b"abc", b"", b"", b"last"
        for how in ("at once", "by byte", "half-closed"):
            with self.subTest(how=how):
                client = self.connect(server)
                self.send_by_byte(client, several) if how == "by byte" else client.send(several)
                if how == "half-closed":
                    client.half_close()
                self.assert_answers(client, *bodies, at_end=how == "half-closed")
        self.assertEqual([*range(5)] * 3, [each.exchange_index for each in self.exchanges(server, 15)])
        client = self.connect(server).send(GET * 1500).half_close()
        self.assertEqual(1500, b"".join(iter(lambda: client.sock.recv(65536), b"")).count(b"HTTP/1.1 200 OK\r\n"))

    def test_bodies_nobody_reads(self) -> None:
        """A body that the application does not read is not taken for the next request."""
        client = self.connect(self.serve(hello)).send(post(GET) + CHUNKED + chunked(GET, GET) + GET)
        self.assert_answers(client, *[b"hello"] * 3)

    def test_an_error_in_the_second(self) -> None:
        """Of two requests the good one is answered, the bad one behind it refused, and nothing more."""
        for bad, reason in (
            (b"BAD\r\n\r\n", "a malformed request line"),
            (get("/", "Host: b"), "more than one Host header"),
        ):
            with self.subTest(reason=reason):
                server = self.serve(echo)
                client = self.connect(server).send(post(b"good") + bad + GET)
                self.assert_answers(client, b"good")
                self.assert_refused(client, 400, reason)
                self.assertEqual([("", 200), (reason, 400)], [(e.refused, e.status) for e in self.exchanges(server, 2)])

    def test_methods(self) -> None:
        """Any token is a method, with any framing, and also of a later request.  Source: RFC 9110, 9.1 and 5.6.2."""
        methods: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            methods.append(environ["REQUEST_METHOD"])
            return echo(environ, start_response)

        server = self.serve(app, valid=False)
        names = ["GET", "PUT", "LIST", "BREW", "PLAY", "PRI", "SOURCE", "M-SEARCH", "get", "head", "!#$%&'*+-.^_`|~1"]
        for name in names:
            client = self.connect(server).send(
                GET + get(method=name) + get("/", IN_CHUNKS, method=name) + chunked(b"ab")
            )
            client.send(get("/", "Content-Length: 3", method=name) + b"abc" + get(version="1.0", method=name))
            with self.subTest(name=name):
                self.assert_answers(client, b"", b"", b"ab", b"abc", b"", at_end=True)
        wanted = [method for name in names for method in ("GET", *[name] * 4)]
        records = self.exchanges(server, len(wanted))
        self.assertEqual((wanted, wanted), (methods, [record.method for record in records]))

    def test_targets(self) -> None:
        """A target that is a whole URL is its path and its query, whatever the method."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            return [f"{environ['PATH_INFO']} {environ['QUERY_STRING']}".encode()]

        client = self.connect(self.serve(app, valid=False))
        for method, (target, wanted) in itertools.product(("GET", "OPTIONS", "LIST"), {
            "http://a": b"/ ", "http://a?b": b"/ b", "http://a/%41?b?c": b"/A b?c", "/http://a": b"/http://a ",
        }.items()):  # fmt: skip
            with self.subTest(method=method, target=target):
                self.assertEqual(wanted, client.ask(get(target, method=method)).body)

    def test_chunk_extensions_and_trailers(self) -> None:
        """Neither is handed to the application: parsers do not agree on them, and trailers are no headers."""
        seen: set[str] = set()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            seen.update(environ)
            return echo(environ, start_response)

        body = b'2 ; a="b"\r\nab\r\n0001\r\nc\r\n0 ;x\r\nX-Sum: y\r\nContent-Length: 1\r\n\r\n'
        client = self.connect(self.serve(app)).send(CHUNKED + body + get("/", "Connection: close"))
        self.assert_answers(client, b"abc", b"", at_end=True)
        self.assertIn("HTTP_HOST", seen)
        self.assertEqual(set(), seen & {"HTTP_X_SUM", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"})

    def test_large_bodies(self) -> None:
        """Megabytes arrive byte for byte both ways, plain and over TLS, of any framing."""
        data = bytes(range(256)) * 32768
        pieces = [data[start : start + 20_000] for start in range(0, len(data), 20_000)]
        for tls in (None, True):
            with self.subTest(tls=tls):
                client = self.connect(self.serve(echo, tls=tls))
                for request in (post(data), CHUNKED + chunked(*pieces)):
                    self.assertEqual(data, client.ask(request).body)

    def test_item_by_item(self) -> None:
        """The client has each item of a stream before the application makes the next, and sends while it reads."""
        steps = [threading.Event() for _ in range(2)]

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            for step in steps:
                yield environ["wsgi.input"].read(1).upper() * 2
                step.wait(HANG)

        server = self.serve(app)
        data = post(b"ab")
        client = self.connect(server).send(data[:-1])
        received = client.read_until(b"AA\r\n")
        self.assertNotIn(b"BB", received)
        self.assertEqual([200], [record.status for record in server.in_flight])
        steps[0].set()
        received += client.send(data[-1:]).read_until(b"BB\r\n")
        steps[1].set()
        received += client.read_until(b"0\r\n\r\n")
        self.assertTrue(received.endswith(b"\r\n\r\n2\r\nAA\r\n2\r\nBB\r\n0\r\n\r\n"), received)

    def test_clients_in_threads(self) -> None:
        """Forty clients in eight threads get the answers to their own requests, which are numbered without gaps."""
        server = self.serve(echo)

        def work(number: int) -> list[bytes]:
            client = Client(server.address)
            try:
                return [client.ask(post(b"%d %d" % (number, turn))).body for turn in range(20)]
            finally:
                client.close()

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work, range(40)))
        self.assertEqual([[b"%d %d" % (number, turn) for turn in range(20)] for number in range(40)], found)
        exchanges = self.exchanges(server, 800)
        self.assertEqual(list(range(800)), [exchange.index for exchange in exchanges])
        places = sorted((exchange.connection_index, exchange.exchange_index) for exchange in exchanges)
        self.assertEqual([(connection, number) for connection in range(40) for number in range(20)], places)


class Records(EngineCase):
    """What the journal knows of each exchange."""

    def test_facts(self) -> None:
        """It has the request line, the raw path without the query, its peer, its place, its time and its result."""
        before = time.time()
        server = self.serve(replying(b"", status="404 NOT FOUND"))
        client = self.connect(server)
        for target in ("/a%20b?c=d", "http://b/e?f"):
            client.ask(get(target, method="PUT"))
        first, second = self.exchanges(server, 2)
        self.assertEqual(("PUT", "/a%20b?c=d", "HTTP/1.1", "/a%20b"), (
            first.method, first.target, first.version, first.path,
        ))  # fmt: skip
        self.assertEqual(("http://b/e?f", "/e", 0, 1), (
            second.target, second.path, second.connection_index, second.exchange_index,
        ))  # fmt: skip
        self.assertEqual(f"127.0.0.1:{client.sock.getsockname()[1]}", first.peer)
        self.assertRegex(repr(first), "^<[A-Za-z]+ #0 PUT /a%20b\\?c=d: 404>$")
        self.assertEqual("PUT /a%20b?c=d", first.describe())
        self.assertTrue(before <= first.received_at <= time.time())
        self.assertGreaterEqual(first.duration, 0)  # a clock that ticks slowly shows no time between two looks
        self.assertEqual(first.duration, first.age)
        self.assertEqual((404, True, "", "", []), (
            first.status, first.completed, first.aborted, first.refused, first.errors,
        ))  # fmt: skip

    def test_windows(self) -> None:
        """An exchange belongs to the test in which it arrived, also if it ends in a later one."""
        held = Held()
        server = self.serve(held)
        first = server.journal.begin("first")
        client = self.connect(server).send(GET)
        self.assertTrue(held.wait())
        (exchange,) = server.in_flight
        self.assertEqual((None, None, False, False), (
            exchange.status, exchange.duration, exchange.completed, exchange.is_over,
        ))  # fmt: skip
        self.assertRegex(repr(exchange), "GET /: in progress>$")
        second = server.journal.begin("second")
        self.assertEqual(([exchange], []), (server.wait_until_idle(0.0), server.wait_until_idle(0.0, second)))
        held.go.set()
        client.answer()
        self.assertEqual([], server.wait_until_idle(HANG, first))
        self.assertEqual(([first], []), ([e.window for e in server.journal.entries()], server.journal.entries(second)))

    def test_times(self) -> None:
        """A record says when each part of its request came to its end, in the order of the wire."""
        names = ["first_byte_at", "arrived", "body_complete_at", "response_begun_at", "finished_at"]
        for tls in (None, True):
            with self.subTest(tls=tls):
                server = self.serve(echo, tls=tls)
                client = self.connect(server)
                for request in (post(b"abc"), post(b"abcdef"), GET):
                    client.ask(request)
                self.assertEqual([], server.wait_until_idle(HANG))
                first, second, third = self.exchanges(server, 3)
                for record in (first, second, third):
                    keys = ["accepted_at", *["handshake_done_at"] * bool(tls), *names]
                    times = [getattr(record, name) for name in keys]
                    self.assertNotIn(None, times, keys)
                    self.assertEqual(sorted(times), times)
                self.assertEqual(bool(tls), first.handshake_done_at is not None)
                self.assertEqual((first.accepted_at, third.arrived), (third.accepted_at, third.body_complete_at))
                self.assertGreaterEqual(second.first_byte_at, first.response_begun_at)


class Malformed(EngineCase):
    """Requests that can be understood in two ways, or in none: refused, recorded, and never handed on.

    Each row of the tables is sent in one piece and byte by byte: what a server makes of bytes must not depend on their
    packets.
    """

    def setUp(self) -> None:
        self.bodies: list[bytes] = []
        self.logged = self.keep_logs()
        self.server = self.serve(self.app)

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Read the body, and keep what came whole."""
        result = echo(environ, start_response)
        self.bodies += result
        return result

    def check(self, payload: bytes, status: int, reason: str, *, by_byte: bool) -> None:
        """Send a payload; look at the answer, at the record, and at the next good request."""
        server, seen = self.server, len(self.server.journal)
        self.bodies.clear()
        client = self.connect(server)
        if by_byte:
            self.send_by_byte(client, payload)
        else:
            try:
                client.send(payload)
            except ConnectionError:
                pass  # refused before it was all sent
        self.assert_refused(client, status, reason)
        client.close()
        wait_until(lambda: len(server.journal) > seen and server.journal.entries()[seen].is_over)
        self.assertEqual(seen + 1, len(server.journal))
        exchange = server.journal.entries()[seen]
        self.assertEqual((reason, status, True, "", []), (
            exchange.refused, exchange.status, exchange.completed, exchange.aborted, exchange.errors,
        ))  # fmt: skip
        self.assertTrue(f"{exchange.describe()}{exchange!r}".isprintable())
        self.assertEqual([], self.bodies)
        self.assert_lives(server)

    def test_tables(self) -> None:
        """Request lines, headers, bodies and chunks that are none, or that can be read in two ways; other protocols."""
        tables = malformed.REQUEST_LINES, malformed.HEADERS, malformed.FRAMING, malformed.CHUNKS
        for payload, status, reason in itertools.chain(*tables, malformed.OTHER_PROTOCOLS, malformed.SIZES):
            for by_byte in (False, True) if len(payload) < 10_000 else (False,):
                with self.subTest(payload=payload[:100], by_byte=by_byte):
                    self.check(payload, status, reason, by_byte=by_byte)
        self.assertEqual([], self.logged)

    def test_just_not_too_long(self) -> None:
        """A request line of 16,384 bytes is fine, and so is a head of 65,536 bytes or 200 lines."""
        line = get("/" + "a" * (16384 - len("GET / HTTP/1.1")))
        head = get("/", "X: " + "a" * (65536 - len(get("/", "X: "))))
        lines = get("/", *["X: y"] * 199)
        client = self.connect(self.server)
        for request in (line, head, lines, b"\r\n" + lines):
            self.assertEqual(200, client.ask(request).status)

    def test_what_is_known(self) -> None:
        """The request line is recorded if it could be made out, and the place on its connection."""
        self.connect(self.server).ask(get("/path?query", "Host: b"))
        client = self.connect(self.server)
        client.ask(GET)
        client.ask(b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
        first, _, third = self.exchanges(self.server, 3)
        self.assertEqual(("GET", "/path?query", "HTTP/1.1"), (first.method, first.target, first.version))
        self.assertRegex(repr(first), "^<[A-Za-z]+ #0 GET /path\\?query: more than one Host header>$")
        self.assertEqual(("", "", ""), (third.method, third.target, third.version))
        self.assertEqual("a request that could not be made out", third.describe())
        self.assertEqual((2, 1, 1), (third.index, third.connection_index, third.exchange_index))
        self.assertIsNotNone(third.duration)

    def test_in_a_stream(self) -> None:
        """A body that turns out malformed when the response has begun cuts it off."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", PLAIN)
            while piece := environ["wsgi.input"].read(5):
                yield piece

        server = self.serve(app)
        client = self.connect(server).send(CHUNKED + b"5\r\nhello\r\n")
        received = client.read_until(b"hello\r\n")
        client.send(b"x\r\n")
        self.assertTrue(received.endswith(b"5\r\nhello\r\n"), received)
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual((SIZE, False, []), (exchange.refused, exchange.completed, exchange.errors))

    def test_truncated(self) -> None:
        """Whatever is cut short, the application is given nothing that was not sent, and no answer pretends."""
        for whole in (post(b"hello"), CHUNKED + chunked(b"he", b"llo")):
            for length in range(1, len(whole)):
                client = self.connect(self.server)
                self.assertTrue(client.send(whole[:length]).half_close().is_at_end(), whole[:length])
                client.close()
        self.assertEqual([], self.bodies)
        self.assert_lives(self.server)
        self.assert_no_app_errors(self.server)


class Slow(EngineCase):
    """Clients that stop in the middle, and stay."""

    def test_head(self) -> None:
        """A head that is not complete in time is refused with a 408, however far it got, also of a later request."""
        for before, part in ((b"", b"G"), (b"", b"GET / HTTP/1.1\r\n"), (b"", GET[:-1]), (GET, GET[:-1])):
            with self.subTest(before=before, part=part):
                server = self.serve(hello, header_timeout=SHORT)
                client = self.connect(server)
                if before:
                    client.ask(before)
                self.assert_refused(client.send(part), 408, SLOW_HEAD)
                self.assertEqual(SLOW_HEAD, self.exchanges(server, 1 + bool(before))[-1].refused)

    def test_drop_by_drop(self) -> None:
        """A head that goes on coming is refused all the same: the time is for the whole of it."""
        client = self.connect(self.serve(hello, header_timeout=SHORT))
        stop = threading.Event()

        def drip() -> None:
            try:
                client.send(b"GET / HTTP/1.1\r\nX: ")
                while not stop.wait(SHORT / 10):
                    client.send(b"x")
            except OSError:
                pass  # refused

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.assertEqual(408, client.answer().status)
        finally:
            stop.set()
            thread.join(HANG)

    def test_body(self) -> None:
        """A body of which nothing more comes is refused with a 408, and the application is told."""
        told: list[BaseException] = []

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                return echo(environ, start_response)
            except OSError as error:
                told.append(error)
                raise

        for sent in (post(b"body")[:-1], CHUNKED + b"4\r\nbo"):
            with self.subTest(sent=sent):
                server = self.serve(app, body_timeout=SHORT)
                self.assert_refused(self.connect(server).send(sent), 408, SLOW_BODY)
                exchange = self.exchange(server)
                self.assertEqual((SLOW_BODY, 408, []), (exchange.refused, exchange.status, exchange.errors))
        self.assertTrue(wait_until(lambda: len(told) == 2))
        if self.engine == "wsgi":
            self.assertEqual([SLOW_BODY] * 2, [str(error) for error in told])

    def test_half_open_clients_disturb_nobody(self) -> None:
        """With 200 clients in the middle of a head, the next one is served."""
        server = self.serve(hello)
        for _ in range(200):
            self.connect(server).send(GET[:-1])
        self.assertEqual(200, self.connect(server).ask(GET).status)


class Departures(EngineCase):
    """Clients that leave: recorded as aborted, never as an error of the application."""

    def ends(self) -> Any:
        """How a client may leave, and what is said of it."""
        return ((Client.close, "$"), (Client.reset, "$" if self.engine != "wsgi" else ": .*reset"))

    def states(self, server: Any) -> list[str]:
        """What the clients of the server do, as it sees them."""
        if self.engine == "wsgi":
            return sorted(connection.state.value for connection in list(server.connections))
        found = []
        for connection in list(server._run.connections):
            is_reading = connection.cycles or connection.protocol._received
            found.append("reading" if is_reading else "idle" if connection.count else "new")
        return sorted(found)

    def has_begun(self, server: Any) -> bool:
        """Return True if the server has read the beginning of a request."""
        if self.engine == "wsgi":
            return any(len(connection.data) > connection.position for connection in list(server.connections))
        return any(connection.first_byte_at is not None for connection in list(server._run.connections))

    def aborted(self, server: Any) -> str:
        """Why the one exchange was aborted; nothing is held against the application, and the server lives."""
        exchange = self.exchange(server)
        self.assertEqual(([], False, ""), (exchange.errors, exchange.completed, exchange.refused))
        self.assert_lives(server)
        return exchange.aborted

    def test_in_the_head(self) -> None:
        """A client that leaves in the middle of a head is recorded with how far it got."""
        for part in (b"G", GET[:-1]):
            for end, said in self.ends():
                with self.subTest(part=part, end=end):
                    server = self.serve(hello)
                    client = self.connect(server).send(part)
                    if end is Client.reset:  # which destroys what the server has not read yet
                        self.assertTrue(wait_until(lambda: self.has_begun(server)))  # noqa: B023
                    end(client)
                    self.assertRegex(
                        self.aborted(server), f"^the client left after {len(part)} bytes of a request's head{said}"
                    )

    def test_between_requests(self) -> None:
        """A client that leaves after its answer is not worth a record, however it leaves."""
        for end, _ in self.ends():
            server = self.serve(hello)
            client = self.connect(server)
            client.ask(GET)
            self.assertEqual([], server.wait_until_idle(HANG))  # the application may not have ended with the last byte
            end(client)
            self.assert_lives(server)
            self.assertEqual(["", ""], [exchange.aborted for exchange in self.exchanges(server, 2)])

    def test_in_the_body(self) -> None:
        """A body that ends too early is told to the application, and recorded as the client's doing."""
        bodies = post(b"body")[:-1], post(b"body")[:-4], CHUNKED, CHUNKED + b"4\r\nbo", CHUNKED + b"4\r\nbody\r\n"
        for sent, (end, said) in itertools.product(bodies, (*self.ends(), (Client.half_close, "$"))):
            with self.subTest(end=end, sent=sent):
                told: list[BaseException] = []
                called = threading.Event()

                def app(environ: dict[str, Any], start_response: Any, told: Any = told, called: Any = called) -> Any:
                    called.set()
                    try:
                        return echo(environ, start_response)
                    except BaseException as error:
                        told.append(error)  # noqa: B023
                        raise

                server = self.serve(app)
                client = self.connect(server).send(sent)
                self.assertTrue(called.wait(HANG))
                end(client)
                if end is Client.half_close:  # and waits for an answer as if all were well
                    self.assertTrue(client.is_at_end())
                self.assertRegex(aborted := self.aborted(server), f"^{LEFT_BODY}{said}")
                self.assertEqual([True], [isinstance(error, ClientDisconnected) for error in told])
                if self.engine == "wsgi":
                    self.assertEqual(aborted, str(told[0]))

    def test_in_the_response(self) -> None:
        """A client that leaves before it has read the response is recorded."""
        wanted = "before it had the whole response: " if self.engine == "wsgi" else "in the middle of the response"
        for app in (replying(bytes(MUCH)), streaming(*[bytes(MUCH // 16)] * 16)):
            for end, _ in self.ends():
                with self.subTest(app=app, end=end):
                    server = self.serve(app, valid=False)
                    client = self.connect(server).send(GET)
                    client.read(1)
                    end(client)
                    self.assertTrue(wait_until(lambda: not server.in_flight))  # noqa: B023
                    exchange = self.exchange(server)
                    self.assertEqual(([], False, 200), (exchange.errors, exchange.completed, exchange.status))
                    self.assertRegex(exchange.aborted, f"^the client left {wanted}")

    def test_half_requests_at_a_stop(self) -> None:
        """Requests that are half here are cut, and recorded as the server's doing; silence leaves no record."""
        held = Held(echo)
        held.go.set()
        server = self.serve(held)
        idle, in_head, in_body, _ = clients = [self.connect(server) for _ in range(4)]
        self.assertEqual(200, idle.ask(GET).status)
        in_head.send(GET[:-1])
        in_body.send(post(b"body")[:-1])
        for _ in range(2):
            self.assertTrue(held.wait())
        self.assertTrue(wait_until(lambda: self.states(server) == ["idle", "new", "reading", "reading"]))
        server.stop()
        for client in clients:
            self.assertTrue(client.is_at_end())
        in_its_head = f"after {len(GET) - 1} bytes of a request's head"
        self.assertEqual(
            {
                "",
                f"the server {'cut the connection' if self.engine == 'wsgi' else 'stopped'} {in_its_head}",
                "the server stopped in the middle of its request's body",
            },
            {exchange.aborted for exchange in self.exchanges(server, 3)},
        )
        self.assert_no_app_errors(server)


for _case in (Connections, Records, Malformed, Slow, Departures):
    for _parser in ("httptools", "h11"):
        _name = f"{_case.__name__}Of{_parser.upper()}"
        globals()[_name] = type(_name, (_case,), {"engine": _parser, "__module__": __name__})
del _case
