"""HTTP over TLS: verified, ended properly, and never a reason for others to wait."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import requests

from liveserver_testcase.web.wsgi import WSGIServer
from tests.integration.web.wire import GET, Client, WireTestCase, echo, get, hello, post, replying, streaming
from tests.support import HANG


class TLSCase(WireTestCase):
    """Serves with a throw-away certificate."""

    def serve_tls(self, app: Any, **options: Any) -> WSGIServer:
        """Start a server that speaks TLS."""
        return self.serve(app, tls=True, **options)

    def connect_tls(self, server: WSGIServer, name: str = "127.0.0.1") -> Client:
        """Connect, trusting the server's authority and no other."""
        return self.connect(server, context=ssl.create_default_context(cafile=server.ca_file), name=name)

    def assert_lives_tls(self, server: WSGIServer) -> None:
        """Fail unless the server answers."""
        self.assertEqual(200, self.connect_tls(server).ask(GET).status)


class Verified(TLSCase):
    """Clients that verify."""

    def test_requests(self) -> None:
        """`requests`, as the standard library, verifies the server by its address and by its name, which is HTTPS."""
        schemes: set[str] = set()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            schemes.add(environ["wsgi.url_scheme"])
            return echo(environ, start_response)

        server = self.serve_tls(app, host="localhost")
        with requests.Session() as session:
            session.trust_env = False
            session.verify = server.ca_file  # type: ignore[assignment]
            for host in ("127.0.0.1", "localhost"):
                for _ in range(2):
                    answer = session.post(f"https://{host}:{server.port}/", data=b"body", timeout=HANG)
                    self.assertEqual((200, b"body"), (answer.status_code, answer.content))
        self.assertEqual([0, 1, 0, 1], [exchange.exchange_index for exchange in self.exchanges(server, 4)])
        for name in ("127.0.0.1", "localhost"):
            self.assertEqual(b"", self.connect_tls(server, name).ask(GET).body)
        self.assertEqual({"https"}, schemes)

    def test_clients_that_refuse(self) -> None:
        """One that expects another name, or trusts another authority, leaves a record of why."""
        server = self.serve_tls(hello)
        contexts = [ssl.create_default_context(cafile=server.ca_file), ssl.create_default_context()]
        for context, name in zip(contexts, ("evil.example", "localhost"), strict=True):
            self.assertRaises(ssl.SSLCertVerificationError, self.connect, server, context=context, name=name)
        alerts = "|".join(exchange.aborted for exchange in self.exchanges(server, 2))
        self.assertRegex(alerts, "^the (client broke off TLS|TLS handshake failed): .*ALERT.*UNKNOWN_CA")
        self.assert_lives_tls(server)


class Traffic(TLSCase):
    """Everything that works without TLS."""

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
        """Bytes that are no TLS end the connection, before the handshake or after it, and are recorded."""
        server = self.serve_tls(hello)
        logged = self.keep_logs()
        client = self.connect(server)
        client.send(b"\0" * 1000)
        while client.read(65536):
            pass  # an alert
        socket.socket.send(self.connect_tls(server).sock, b"\0" * 100)
        before, after = self.exchanges(server, 2)
        self.assertRegex(before.aborted, "^the TLS handshake failed: ")
        self.assertRegex(after.aborted, "^the client broke off TLS: ")
        self.assert_lives_tls(server)
        self.assertEqual([], logged)

    def test_silence(self) -> None:
        """A client that says nothing delays nobody, and is dropped when the time for a head is over."""
        server = self.serve_tls(hello)
        for _ in range(20):
            self.connect(server)
        self.assertEqual(b"hello", self.connect_tls(server).ask(GET).body)
        server = self.serve_tls(hello, header_timeout=0.05)
        self.assertTrue(self.connect(server).is_at_end())
        self.assertRegex(self.exchange(server).aborted, "^the TLS handshake failed: .*timed out")

    def test_leaving(self) -> None:
        """A client that leaves before the handshake, or in the middle of it, is recorded."""
        for said in (b"", b"\x16\x03\x01\x02\x00\x01"):
            server = self.serve_tls(hello)
            self.connect(server).send(said).close()
            self.assertRegex(self.exchange(server).aborted, "^the TLS handshake failed: ")
