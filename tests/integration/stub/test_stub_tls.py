"""A stub over TLS: whom it convinces, whom it asks, and how its handshakes fail on purpose."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
from unittest import mock

from liveserver_testcase import Fault, HTTPStub, UsageError
from liveserver_testcase.core.tls import Certificates
from tests.integration.stub.support import GET, WireTest
from tests.support import HANG


class TLSTest(WireTest):
    """With a stub that speaks TLS."""

    def serve(self, **options: object) -> HTTPStub:
        self.stub.stop()
        self.stub = HTTPStub(tls=True, **options)  # type: ignore[arg-type]
        self.addCleanup(self.stub.stop)
        self.stub.start()
        self.stub.on().reply(200, b"ok")
        return self.stub

    def connect_tls(self, context: ssl.SSLContext, name: str = "127.0.0.1") -> ssl.SSLSocket:
        """Connect and shake hands."""
        plain = socket.create_connection(self.stub.address, HANG)
        self.addCleanup(plain.close)
        client = context.wrap_socket(plain, server_hostname=name)
        self.addCleanup(client.close)
        return client

    def talk(self, context: ssl.SSLContext, name: str = "127.0.0.1") -> bytes:
        """What a client gets."""
        client = self.connect_tls(context, name)
        client.sendall(GET)
        data = client.recv(10_000)
        client.close()
        self.stub.wait_until_idle(HANG)
        return data.partition(b"\r\n\r\n")[2]


class FactsTest(TLSTest):
    """What is known of a handshake."""

    def test_facts(self) -> None:
        """`ca_file` is all a client needs; a request knows version, cipher, and that no certificate was shown.

        A client that looks for another host finds that: a stub can play whoever is in the client's hosts file.
        """
        stub = self.serve()
        for name, server_name in (("127.0.0.1", ""), ("api.example.com", "api.example.com")):
            self.assertEqual(b"ok", self.talk(ssl.create_default_context(cafile=stub.ca_file), name))
            tls = stub.requests[-1].tls
            assert tls is not None and tls.cipher
            self.assertEqual(
                ("TLSv1.3", server_name, None, ""),
                (tls.version, tls.server_name, tls.client_certificate, tls.client_name),
            )


class MutualTest(TLSTest):
    """Clients that show who they are."""

    def test_require(self) -> None:
        """Only clients with a certificate get through; the request knows whose it is.

        `client_context` shows the certificate of `client_certificate`, as `requests` would by its file.
        """
        stub = self.serve(client_auth="require")
        context, certificate = stub.client_context(), stub.client_certificate
        assert context is not None and certificate is not None
        other = ssl.create_default_context(cafile=stub.ca_file)
        other.load_cert_chain(certificate.file)
        alice = Certificates.shared().client_context(Certificates.shared().client_certificate("alice"))
        self.assertEqual([b"ok"] * 3, [self.talk(each) for each in (alice, context, other)])
        names = [request.tls.client_name for request in stub.requests if request.tls]
        self.assertEqual(["alice", "client", "client"], names)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.talk(Certificates.shared().client_context())
        self.wait_for(lambda: stub.exchanges[-1].aborted)
        self.assertRegex(stub.exchanges[-1].aborted, "(?i)peer did not return a certificate")

    def test_request(self) -> None:
        """Both kinds of clients get through; where nobody asks there is no certificate to show."""
        self.assertIsNone(self.stub.client_certificate)
        self.serve(client_auth="request")
        for shown, name in ((None, ""), (Certificates.shared().client_certificate("bob"), "bob")):
            self.talk(Certificates.shared().client_context(shown))
            tls = self.stub.requests[-1].tls
            self.assertEqual(name, tls.client_name if tls else None)
        with self.assertRaisesRegex(UsageError, "^client_auth is 'require', but without TLS nobody can be asked"):
            HTTPStub(client_auth="require")


class FailureTest(TLSTest):
    """Handshakes that fail on purpose."""

    def test_certificates(self) -> None:
        """Each flaw is the one that a client finds, if it looks; a refused handshake has an alert."""
        self.serve()
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        for fault, reason in (
            (Fault.EXPIRED_CERT, "certificate has expired"), (Fault.WRONG_HOST_CERT, "IP address mismatch"),
            (Fault.UNTRUSTED_CERT, "unable to get local issuer certificate"),
        ):  # fmt: skip
            with self.subTest(fault=fault), self.stub.on_connect(fault):
                with self.assertRaisesRegex(ssl.SSLCertVerificationError, reason):
                    self.connect_tls(Certificates.shared().client_context())
                self.assertEqual(b"ok", self.talk(careless))
        self.assertEqual(b"ok", self.talk(Certificates.shared().client_context()))
        stub = HTTPStub(tls=Certificates.shared().server_context())
        with self.assertRaisesRegex(UsageError, "can only stand in for a throw-away one: use tls=True"):
            stub.on_connect(Fault.EXPIRED_CERT)
        self.serve()
        with self.stub.on_connect(Fault.TLS_HANDSHAKE, times=1):
            with self.assertRaisesRegex(ssl.SSLError, "(?i)handshake.failure"):
                self.connect_tls(Certificates.shared().client_context())
            self.assertEqual(b"ok", self.talk(Certificates.shared().client_context()))

    def test_below_tls(self) -> None:
        """What happens before the handshake shows as it would without TLS."""
        self.serve()
        shown: dict[Fault, bytes | None] = {}
        for fault in (Fault.RESET, Fault.CLOSE, Fault.GARBAGE):
            with self.stub.on_connect(fault), contextlib.suppress(ConnectionResetError):  # may come to the connect, too
                shown[fault] = None
                # without a client's TLS: Python's leaves a socket open that is reset while it is wrapped
                with socket.create_connection(self.stub.address, HANG) as client:
                    shown[fault] = client.recv(1)
        self.assertEqual((None, b""), (shown[Fault.RESET], shown[Fault.CLOSE]))
        self.assertNotIn(shown[Fault.GARBAGE], (None, b"", b"\x15", b"\x16"))  # no record of TLS
        self.assertEqual([], self.take_errors())


class EnvironTest(TLSTest):
    """What a subprocess needs."""

    def test_names_and_paths(self) -> None:
        """Variables with the base URL, and with the URLs of paths; the rest of the environment stays."""
        self.stub.on("GET", "/v1").reply(200, b"ok")
        with mock.patch.dict(os.environ, {"OTHER": "x", "NO_PROXY": "a.example"}):
            environ = self.stub.environ("API_URL", USERS_URL="/users")
        self.assertEqual(
            (self.stub.url, f"{self.stub.url}/users", "x", "a.example,127.0.0.1"),
            (environ["API_URL"], environ["USERS_URL"], environ["OTHER"], environ["NO_PROXY"]),
        )
        self.assertNotIn("API_URL", os.environ)

    def test_a_client_in_another_process(self) -> None:
        """It trusts the stub without knowing of it, and no proxy comes between."""
        self.serve()
        script = "import os, requests; print(requests.get(os.environ['API_URL'], timeout=10).text)"
        with mock.patch.dict(os.environ, {"HTTPS_PROXY": "http://127.0.0.1:1"}):
            environ = self.stub.environ("API_URL")
        done = subprocess.run(
            [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(("ok\n", ""), (done.stdout, done.stderr))
