"""Malformed bodies that a WSGI application does not take as it should; see `test_every_engine` for the rest."""

from __future__ import annotations

from typing import Any

from tests.integration.web.malformed import SIZE
from tests.integration.web.wire import CHUNKED, GET, PLAIN, WireTestCase, replying


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
