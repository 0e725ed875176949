"""An API over TLS: whom the code trusts, and who it says that it is."""

import unittest

import requests

from liveserver_testcase import Fault, HTTPStubTestCase


def fetch(url, trust, certificate=None):
    """The code under test."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{url}/", verify=trust, cert=certificate, timeout=5).text


class TLSTest(HTTPStubTestCase):
    stub_tls = True

    def test_it_trusts_whom_it_is_told_to(self):
        self.stub.on("GET", "/").reply(text="secret")
        self.assertEqual("secret", fetch(self.stub.url, self.stub.ca_file))

    def test_it_trusts_nobody_else(self):
        self.stub.on("GET", "/").reply(text="secret")
        with self.assertRaises(requests.exceptions.SSLError):
            fetch(self.stub.url, True)

    def test_it_looks_at_the_certificate(self):
        self.stub.on("GET", "/").reply(text="secret")
        for fault in (Fault.EXPIRED_CERT, Fault.WRONG_HOST_CERT, Fault.UNTRUSTED_CERT, Fault.TLS_HANDSHAKE):
            refused = self.assertRaises(requests.exceptions.SSLError)
            with self.subTest(fault=fault), self.stub.on_connect(fault), refused:
                fetch(self.stub.url, self.stub.ca_file)


class MutualTLSTest(HTTPStubTestCase):
    stub_tls = True
    stub_client_auth = "require"

    def test_it_shows_its_certificate(self):
        self.stub.on("GET", "/").reply(text="secret")
        fetch(self.stub.url, self.stub.ca_file, self.stub.client_certificate.file)
        self.assertEqual("client", self.stub.last_request.tls.client_name)

    def test_without_one_it_gets_nowhere(self):
        with self.assertRaises(requests.ConnectionError):
            fetch(self.stub.url, self.stub.ca_file)


if __name__ == "__main__":
    unittest.main()
