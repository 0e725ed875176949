"""Clients that leave: recorded as aborted, never as an error of the application, and without noise."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import flask

from liveserver_testcase.errors import ClientDisconnected
from liveserver_testcase.web.live import LiveServer
from tests.integration.web.wire import CHUNKED, GET, PLAIN, Client, WireTestCase, get, hello, post, replying, streaming

MUCH = 16 * 1024 * 1024  # more than the buffers of a loopback connection hold


class DepartureCase(WireTestCase):
    """Fails if anything is written to stderr, or logged as a warning."""

    def setUp(self) -> None:
        self.logged = self.keep_logs()
        self.written = io.StringIO()
        redirection = contextlib.redirect_stderr(self.written)
        redirection.__enter__()
        self.addCleanup(redirection.__exit__, None, None, None)
        self.addCleanup(lambda: self.assertEqual(([], ""), (self.logged, self.written.getvalue())))

    def aborted(self, server: Any) -> str:
        """Why the one exchange was aborted; nothing is held against the application, and the server lives."""
        exchange = self.exchange(server)
        self.assertEqual(([], False, ""), (exchange.errors, exchange.completed, exchange.refused))
        self.assert_lives(server)
        return exchange.aborted


class Before(DepartureCase):
    """Before there is a request."""

    def test_without_a_word(self) -> None:
        """A client that connects and leaves is recorded, however it leaves."""
        for leave, end in ((Client.close, "$"), (Client.reset, ": .*reset")):
            server = self.serve(hello)
            leave(self.connect(server))
            self.assertRegex(self.aborted(server), f"^the client left without having sent a request{end}")
            exchange = server.journal.entries()[0]
            self.assertEqual(("", "", None), (exchange.method, exchange.target, exchange.status))
            self.assertEqual("a request that could not be made out", exchange.describe())


class InTheBody(DepartureCase):
    """While the request's body is read."""

    def test_huge_promise(self) -> None:
        """A length that never arrives costs no memory, and is never made up for."""
        for sent in (
            get("/", "Content-Length: 999999999999", method="POST") + b"hello",
            CHUNKED + b"e8d4a50fff\r\nhello",
            CHUNKED + b"ffffffffffffffff\r\nhello",
        ):
            with self.subTest(sent=sent):
                server = self.serve(reading_exactly(999999999999))
                client = self.connect(server)
                self.assertTrue(client.send(sent).half_close().is_at_end())
                self.assertEqual("the client left in the middle of its request's body", self.aborted(server))

    def test_application_that_copes(self) -> None:
        """An application that catches the error may answer; the exchange is aborted all the same."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            with contextlib.suppress(ClientDisconnected):
                environ["wsgi.input"].read(-1)
            start_response("400 BAD", PLAIN)
            return [b"sorry"]

        server = self.serve(app)
        client = self.connect(server)
        answer = client.send(post(b"body")[:-1]).half_close().answer()
        self.assertEqual((400, b"sorry", "close"), (answer.status, answer.body, answer.get("Connection")))
        exchange = self.exchange(server)
        self.assertEqual("the client left in the middle of its request's body", exchange.aborted)
        self.assertEqual((400, True, []), (exchange.status, exchange.completed, exchange.errors))

    def test_errors(self) -> None:
        """What the application makes of the departure itself is not held against it; any other error is, a bug in
        the code that copes with it, too, whatever the client did before."""

        def because(error: OSError) -> None:
            raise ValueError("no upload") from error

        def misspelt(_: OSError) -> None:
            undefined_name()  # type: ignore[name-defined]  # noqa: F821

        def unrelated(_: OSError) -> None:
            raise KeyError("a bug") from None

        def later(_: OSError) -> None:
            """Go on, to the error behind it."""

        for cope, kinds in ((because, []), (misspelt, [NameError]), (unrelated, [KeyError]), (later, [TypeError])):
            with self.subTest(cope=cope.__name__):

                def app(environ: dict[str, Any], start_response: Any, cope: Any = cope) -> Any:
                    try:
                        environ["wsgi.input"].read(-1)
                    except OSError as departure:
                        cope(departure)
                    raise TypeError("a bug")

                server = self.serve(app)
                self.connect(server).send(post(b"body")[:-1]).close()
                exchange = self.exchange(server)
                self.assertEqual("the client left in the middle of its request's body", exchange.aborted)
                self.assertEqual(kinds, [type(error) for error in exchange.errors])


class InTheResponse(DepartureCase):
    """While the response is sent."""

    def test_stop(self) -> None:
        """A response that the server's own stop cuts is recorded as such."""
        server = self.serve(replying(b"x" * MUCH))
        client = self.connect(server)
        client.send(GET).read(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # whether it counts as stalled depends on the buffers
            server.stop(0.2)
        aborted = self.exchange(server).aborted
        self.assertRegex(aborted, "^the server cut the connection before it had the whole response: ")


class Flask(DepartureCase):
    """A Flask application, which meets a client's departure in its own way."""

    def serve_flask(self, view: Any) -> LiveServer:
        app = flask.Flask("departures")
        app.logger.disabled = True
        app.add_url_rule("/", view_func=view, methods=["GET", "POST"])
        server = LiveServer(app)
        server.start()
        self.addCleanup(server.stop)
        return server

    def test_body(self) -> None:
        """Reading the body, by whatever method, of a client that has left is no error and makes no noise."""
        views: list[Any] = [
            lambda: flask.request.data,
            lambda: flask.request.form["a"],
            lambda: flask.request.get_json(force=True),
            lambda: flask.request.stream.read(5),
            lambda: b"".join(flask.request.stream),
        ]
        form = "Content-Type: application/x-www-form-urlencoded"
        for number, view in enumerate(views):
            for sent in (post(b"a=b", form), get("/", "Transfer-Encoding: chunked", form, method="POST") + b"4\r\na=b"):
                with self.subTest(view=number, sent=sent):
                    server = self.serve_flask(view)
                    self.connect(server).send(sent[:-1]).close()
                    exchange = self.exchange(server)
                    self.assertEqual("the client left in the middle of its request's body", exchange.aborted)
                    self.assertEqual([], server.take_errors())

    def test_malformed_body(self) -> None:
        """A malformed body is refused, whatever Flask makes of it."""
        server = self.serve_flask(lambda: flask.request.data)
        answer = self.connect(server).ask(CHUNKED + b"x\r\n")
        self.assertEqual((400, b"a chunk size that is no hexadecimal number\n"), (answer.status, answer.body))
        self.assertEqual([], server.take_errors())

    def test_own_error(self) -> None:
        """An error of a view is recorded, although Flask answers it."""

        def view() -> str:
            raise ValueError("a bug")

        server = self.serve_flask(view)
        self.assertEqual(500, self.connect(server).ask(GET).status)
        self.exchange(server)
        self.assertEqual(["a bug"], [str(error) for _, error in server.take_errors()])


def reading_exactly(size: int) -> Any:
    """An application that reads so many bytes at once."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"].read(size)
        return hello(environ, start_response)

    return app


replying_in_pieces = streaming(*[b"x" * (MUCH // 64)] * 64)
