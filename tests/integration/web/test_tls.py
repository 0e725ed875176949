"""HTTP over TLS: verified, ended properly, and never a reason for others to wait."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import requests

from liveserver_testcase.web.wsgi import WSGIServer
from tests.integration.web.wire import GET, Client, WireTestCase, chunked, echo, get, hello, post, replying
from tests.support import HANG


class TLSCase(WireTestCase):
    """Serves with a throw-away certificate."""

    def serve_tls(self, app: Any, **options: Any) -> WSGIServer:
        """Start a server that speaks TLS."""
        return self.serve(app, tls=True, **options)

    def connect_tls(self, server: WSGIServer, name: str = "127.0.0.1") -> Client:
        """Connect, trusting the server's authority and no other."""
        return self.connect(server, context=ssl.create_default_context(cafile=server.ca_file), name=name)


class Verified(TLSCase):
    """Clients that verify."""

    def test_requests(self) -> None:
        """`requests` verifies the server by its address and by its name, keep-alive and all."""
        server = self.serve_tls(echo, host="localhost")
        with requests.Session() as session:
            session.trust_env = False
            session.verify = server.ca_file  # type: ignore[assignment]
            for host in ("127.0.0.1", "localhost"):
                for _ in range(2):
                    answer = session.post(f"https://{host}:{server.port}/", data=b"body", timeout=HANG)
                    self.assertEqual((200, b"body"), (answer.status_code, answer.content))
        self.assertEqual([0, 1, 0, 1], [exchange.exchange_index for exchange in self.exchanges(server, 4)])

    def test_ssl(self) -> None:
        """So does the standard library."""
        server = self.serve_tls(hello, host="localhost")
        for name in ("127.0.0.1", "localhost"):
            self.assertEqual(b"hello", self.connect_tls(server, name).ask(GET).body)

    def test_other_names(self) -> None:
        """A client that expects another name refuses, and the server has a record of why."""
        server = self.serve_tls(hello)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect_tls(server, "evil.example")
        self.assertRegex(self.exchange(server).aborted, "^the (client broke off TLS|TLS handshake failed): .*ALERT")

    def test_client_that_does_not_trust(self) -> None:
        """A client that does not trust the certificate leaves a record, too."""
        server = self.serve_tls(hello)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(server, context=ssl.create_default_context())
        self.assertRegex(
            self.exchange(server).aborted, "^the (client broke off TLS|TLS handshake failed): .*UNKNOWN_CA"
        )
        self.assert_lives_tls(server)

    def assert_lives_tls(self, server: WSGIServer) -> None:
        """Fail unless the server answers."""
        self.assertEqual(200, self.connect_tls(server).ask(GET).status)

    def test_scheme(self) -> None:
        """The application is told that it is HTTPS."""
        seen: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            seen.append(environ["wsgi.url_scheme"])
            return hello(environ, start_response)

        self.connect_tls(self.serve_tls(app)).ask(GET)
        self.assertEqual(["https"], seen)


class Traffic(TLSCase):
    """Everything that works without TLS."""

    def test_bodies(self) -> None:
        """Large bodies in both directions, of both kinds, on one connection."""
        client = self.connect_tls(self.serve_tls(echo))
        data = bytes(range(256)) * 4096
        head = get("/", "Transfer-Encoding: chunked", method="POST")
        pieces = [data[start : start + 20_000] for start in range(0, len(data), 20_000)]
        for request in (post(data), head + chunked(*pieces)):
            self.assertEqual(data, client.ask(request).body)

    def test_pipelining(self) -> None:
        """Pipelined requests, with an error in the last one."""
        client = self.connect_tls(self.serve_tls(echo))
        client.send(post(b"one") + post(b"two") + b"BAD\r\n\r\n")
        self.assertEqual([(200, b"one"), (200, b"two")], [((a := client.answer()).status, a.body) for _ in range(2)])
        self.assertEqual(400, client.answer().status)
        self.assertTrue(client.is_at_end())

    def test_unread_body(self) -> None:
        """A large body that nobody reads does not destroy the answer."""
        client = self.connect_tls(self.serve_tls(hello))
        self.assertEqual(b"hello", client.ask(post(b"x" * 2_000_000)).body)
        self.assertTrue(client.is_at_end())


class Ends(TLSCase):
    """How a connection ends is part of what it says."""

    def read_to_the_end(self, app: Any) -> bytes:
        """What a client gets that takes a missing close_notify for an attack."""
        server = self.serve_tls(app)
        context = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(server.address, timeout=HANG)
        self.addCleanup(plain.close)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as sock:
            sock.sendall(get(version="1.0"))
            received = b""
            while more := sock.recv(65536):
                received += more
        return received.partition(b"\r\n\r\n")[2]

    def test_close_delimited(self) -> None:
        """A response that the end of the connection ends is followed by close_notify."""
        self.assertEqual(b"onetwo", self.read_to_the_end(streaming(b"one", b"two")))
        self.assertEqual(b"x" * 5_000_000, self.read_to_the_end(streaming(b"x" * 5_000_000)))

    def test_cut_off(self) -> None:
        """A response that was cut off is not: the client can tell."""
        with self.assertRaises(OSError):
            self.read_to_the_end(streaming(b"one", ValueError("cut")))

    def test_client_closes_first(self) -> None:
        """A client's close_notify is answered with one."""
        client = self.connect_tls(self.serve_tls(hello))
        client.ask(GET)
        client.sock.unwrap()  # type: ignore[attr-defined]

    def test_client_that_vanishes(self) -> None:
        """A client that leaves without close_notify disturbs nobody."""
        server = self.serve_tls(replying(b"hello"))
        logged = self.keep_logs()
        for _ in range(3):
            client = self.connect_tls(server)
            client.ask(GET)
            client.reset()
        self.assertEqual(200, self.connect_tls(server).ask(GET).status)
        self.assertEqual([], logged)


class Strangers(TLSCase):
    """Clients that do not speak the server's language."""

    def test_tls_to_a_plain_port(self) -> None:
        """A TLS client at a plain port fails at once, and is recorded as one."""
        server = self.serve(hello)
        with self.assertRaises(ssl.SSLError):
            self.connect(server, context=ssl.create_default_context())
        self.assertEqual("a TLS handshake on a port that speaks plain HTTP", self.exchange(server).refused)
        self.assert_lives(server)

    def test_plain_to_a_tls_port(self) -> None:
        """A plain client at a TLS port is told so, in plain HTTP."""
        server = self.serve_tls(hello)
        client = self.connect(server)
        answer = client.ask(GET)
        self.assertEqual((400, b"plain HTTP on a port that speaks TLS\n"), (answer.status, answer.body))
        self.assertTrue(client.is_at_end())
        exchange = self.exchange(server)
        self.assertEqual(("plain HTTP on a port that speaks TLS", 400), (exchange.refused, exchange.status))

    def test_noise(self) -> None:
        """Bytes that are neither end the connection and are recorded."""
        server = self.serve_tls(hello)
        logged = self.keep_logs()
        client = self.connect(server)
        client.send(b"\0" * 1000)
        while client.read(65536):
            pass  # an alert
        self.assertRegex(self.exchange(server).aborted, "^the TLS handshake failed: ")
        self.assertEqual(200, self.connect_tls(server).ask(GET).status)
        self.assertEqual([], logged)

    def test_noise_after_the_handshake(self) -> None:
        """Bytes that are no TLS, after the handshake, are recorded as a client that broke it off."""
        server = self.serve_tls(hello)
        client = self.connect_tls(server)
        socket.socket.send(client.sock, b"\0" * 100)
        self.assertRegex(self.exchange(server).aborted, "^the client broke off TLS: ")

    def test_silence(self) -> None:
        """A client that says nothing delays nobody."""
        server = self.serve_tls(hello)
        silent = [self.connect(server) for _ in range(20)]
        self.assertEqual(b"hello", self.connect_tls(server).ask(GET).body)
        self.assertEqual(20, len(silent))

    def test_silence_ends(self) -> None:
        """A client that says nothing is dropped when the time for a head is over."""
        server = self.serve_tls(hello, header_timeout=0.05)
        client = self.connect(server)
        self.assertTrue(client.is_at_end())
        self.assertRegex(self.exchange(server).aborted, "^the TLS handshake failed: .*timed out")

    def test_leaving_in_the_handshake(self) -> None:
        """A client that leaves in the middle of the handshake is recorded."""
        server = self.serve_tls(hello)
        self.connect(server).send(b"\x16\x03\x01\x02\x00\x01").close()
        self.assertRegex(self.exchange(server).aborted, "^the TLS handshake failed: ")

    def test_leaving_before_the_handshake(self) -> None:
        """So is one that leaves before it."""
        server = self.serve_tls(hello)
        self.connect(server).close()
        self.assertRegex(self.exchange(server).aborted, "^the TLS handshake failed: ")


def streaming(*items: Any) -> Any:
    """An application that gives these items, or raises them."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item

    return app
