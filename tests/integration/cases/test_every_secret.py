"""Forty names of secrets, in every place where one can stand: no report, repr or curl line prints a value."""

from __future__ import annotations

import http.client
import itertools
import json
import logging
import smtplib
import unittest
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any, NamedTuple
from urllib.parse import urlencode

from liveserver_testcase import HTTPStub, HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.running import make_case, run_case
from tests.support import HANG

SECRET, NUMBER = "hunter2", 4815162342

NAMES = (
    "password", "Password", "passwd", "pwd", "pass", "passphrase", "new_password", "userPassword", "passcode", "pin",
    "token", "access_token", "accessToken", "refreshToken", "id_token", "X-Auth-Token", "csrfmiddlewaretoken", "jwt",
    "secret", "client_secret", "clientSecret", "webhookSecret", "api_key", "apiKey", "X-API-Key", "AccountKey",
    "private_key", "signing_key", "Authorization", "Proxy-Authorization", "credentials", "session", "sessionid",
    "connect.sid", "otp", "totp", "assertion", "client_assertion", "SAMLResponse", "X-Amz-Signature",
)  # fmt: skip


class Sent(NamedTuple):
    """A request with a secret in it."""

    shape: str
    target: str = "/x"
    headers: dict[str, str] = {}
    body: bytes = b""


def requests_with(name: str) -> Iterator[Sent]:
    """One request for each place."""
    yield Sent("header", headers={name: SECRET})
    yield Sent("cookie", headers={"Cookie": f"theme=dark; {name}={SECRET}"})
    yield Sent("query", f"/x?a=1&{urlencode({name: SECRET})}")
    yield Sent("userinfo", f"/x?next=https://ann:{SECRET}@shop.test/")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    yield Sent("form", headers=form, body=urlencode({"a": 1, name: SECRET}).encode())
    lists = ([SECRET, NUMBER], {"a": {"b": [SECRET]}}, [[{"c": NUMBER}]])
    for value in (SECRET, NUMBER, -NUMBER, float(f"{NUMBER}.5"), *lists):
        plain: Any = {"a": None, name: value, "z": True}
        deep = {"one": [{"two": {"three": [None, {"four": plain}]}}]}
        for document, text in (("json", json.dumps(plain)), ("deep json", json.dumps(deep, indent=1))):
            yield Sent(f"{document} {value!r}", headers={"Content-Type": "application/json"}, body=text.encode())
    broken = f'{{"{name}": "{SECRET}", "a"'.encode()
    yield Sent("broken json", headers={"Content-Type": "application/json"}, body=broken)
    part = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{SECRET}\r\n--b--\r\n'
    yield Sent("multipart", headers={"Content-Type": "multipart/form-data; boundary=b"}, body=part.encode())
    xml = f'<a xmlns:n="urn:n"><n:{name}>{SECRET}</n:{name}><b {name}="{SECRET}"/></a>'
    yield Sent("xml", headers={"Content-Type": "application/xml"}, body=xml.encode())


def send(host: str, port: int, requests: Iterator[Sent]) -> None:
    """Send them all on one connection."""
    connection = http.client.HTTPConnection(host, port, timeout=HANG)
    try:
        for request in requests:
            connection.request("POST", request.target, request.body, request.headers)
            connection.getresponse().read()
    finally:
        connection.close()


class EverySecretTest(unittest.TestCase):
    """What people paste into a ticket."""

    def setUp(self) -> None:
        self.reprs: list[str] = []

    def assert_masked(self, text: str) -> None:
        """No value of a secret is in it."""
        for secret in (SECRET, str(NUMBER)):
            position = text.find(secret)
            if position >= 0:
                self.fail(f"{secret!r} is printed: …{text[max(0, position - 200) : position + 50]}…")

    def test_each_at_a_stub(self) -> None:
        """Reports with their curl lines, and the reprs of requests, exchanges and expectations."""
        with HTTPStub() as stub:
            for name in NAMES:
                for request in requests_with(name):
                    with self.subTest(name=name, shape=request.shape):
                        send(stub.host, stub.port, iter([request]))
                        report = stub.failure_report()
                        self.assertIn("curl", report)
                        self.assert_masked("\n".join([report, repr(stub.requests), repr(stub.exchanges)]))
                        stub.reset()

    def test_each_as_it_is_expected(self) -> None:
        """What a test has written is printed beside what came, masked likewise."""
        with HTTPStub() as stub:
            for name in NAMES:
                with self.subTest(name=name):
                    wanted: list[dict[str, Any]] = [
                        {"headers": {name: SECRET}},
                        {"cookies": {name: SECRET}},
                        {"query": {name: SECRET}},
                        {"form": {name: SECRET}},
                        {"json": {"a": {name: NUMBER}}},
                        {"body": json.dumps({name: SECRET})},
                    ]
                    expected = [stub.expect("POST", "/y", **criteria).reply() for criteria in wanted]
                    send(stub.host, stub.port, itertools.islice(requests_with(name), 5))  # to the form
                    self.assert_masked("\n".join([repr(expected), stub.failure_report()]))
                    stub.reset()

    def check_tests(self, make_test: Callable[[str], Any], *bases: type, **members: Any) -> None:
        """Run a test for each name, which fails; neither the runner nor ``reprs`` has a secret."""
        tests = {f"test_{number}": make_test(name) for number, name in enumerate(NAMES)}
        outcome = run_case(make_case(*bases, **members, **tests))
        self.assertEqual({"run": len(NAMES), "failures": len(NAMES)}, outcome.summary)
        self.assert_masked("\n".join([outcome.printed, *self.reprs]))

    def test_a_failing_test_of_a_stub(self) -> None:
        """The report as a runner prints it."""

        def make_test(name: str) -> Any:
            def test(self: Any) -> None:
                send(self.stub.host, self.stub.port, itertools.islice(requests_with(name), 5))
                self.assertRequested("POST", "/x", json={name: SECRET}, timeout=0)

            return test

        self.check_tests(make_test, HTTPStubTestCase)

    def test_each_at_a_live_server(self) -> None:
        """The list of its requests, the exceptions behind them, and what it has logged."""

        def app(environ: Any, start: Any) -> list[bytes]:
            body = environ["wsgi.input"].read().decode()
            logging.getLogger("shop").warning("got %s?%s %s", environ["PATH_INFO"], environ["QUERY_STRING"], body)
            raise LookupError("no tea")

        reprs = self.reprs

        def make_test(name: str) -> Any:
            def test(self: Any) -> None:
                send(self.live_server.host, self.live_server.port, requests_with(name))
                reprs.append(repr(self.live_server.requests))
                self.fail("so that the report has everything")

            return test

        self.check_tests(make_test, LiveServerTestCase, app=app)

    def test_each_in_mail(self) -> None:
        """Subjects with links and pairs, what was wanted of them, and the session with its login."""

        def make_test(name: str) -> Any:
            def test(self: Any) -> None:
                message = EmailMessage()
                message["From"], message["To"] = "shop@example.com", "ann@example.com"
                message["Subject"] = f"https://shop.test/reset?{urlencode({name: SECRET})}"
                message.set_content(f"{name}={SECRET}\nhttps://ann:{SECRET}@shop.test/\n{json.dumps({name: NUMBER})}\n")
                with smtplib.SMTP(self.smtp.host, self.smtp.port, timeout=HANG) as client:
                    client.login("ann", SECRET)
                    client.send_message(message)
                reprs.extend(map(repr, (self.outbox, self.outbox[0].headers, self.smtp.sessions, self.smtp)))
                self.assertEmailSent(text=f"{name}={SECRET} and more", timeout=0)

            return test

        reprs = self.reprs
        self.check_tests(make_test, SMTPTestCase, smtp_users={"ann": SECRET})
