"""No report, repr or curl line prints a secret: forty names in every place, and one in each of what is said."""

from __future__ import annotations

import http.client
import itertools
import json
import logging
import re
import smtplib
import socket
import unittest
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any, NamedTuple
from urllib.parse import urlencode

import requests

from liveserver_testcase import (
    HTTPStub,
    HTTPStubTestCase,
    LiveServer,
    LiveServerTestCase,
    ServerDied,
    ServerStartError,
    SMTPTestCase,
)
from tests.integration.apps import Gate, make_app
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, wait_until

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


def send(host: str, port: int, all_sent: Iterator[Sent]) -> None:
    """Send them all on one connection."""
    connection = http.client.HTTPConnection(host, port, timeout=HANG)
    try:
        for request in all_sent:
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


TARGET = "/boom?password=hunter2&next=http%3A%2F%2Fann%3Ahunter2%40h%2F&a=1"
MASKED = "GET /boom?password=***&next=http%3A%2F%2Fann%3A***%40h%2F&a=1"


def fail(environ: Any, start_response: Any) -> list[bytes]:
    """Raise something that names a secret."""
    raise OSError("cannot reach postgres://ann:hunter2@db.invalid/shop?password=hunter2")


def split(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with a header that cannot be sent."""
    start_response("200 OK", [("Set-Cookie", "session=" + "hunter2" + "\r\n")])
    return []


class MaskedReportsTest(NoLeaks):
    """Where one secret can stand in what is said of a server."""

    def assert_masked(self, text: str, *wanted: str) -> None:
        """These parts are there, without the secret."""
        for part in wanted:
            self.assertIn(part, text)
        self.assertNotIn("hunter2", text)

    def test_an_error_of_the_live_application(self) -> None:
        """The request, and what was raised or cannot be sent, are named without secrets; the record keeps them."""
        targets: list[str] = []

        def test_it(self: Any) -> None:
            self.live.get(TARGET)
            targets.extend(record.target for record in self.live_server.journal.entries())
            self.assertNotIn("hunter2", repr(self.live_server.journal.entries()))

        for app, text in (
            (fail, "OSError: cannot reach postgres://ann:***@db.invalid/shop?password=***"),
            (split, "header 'Set-Cookie' has the value '***'"),
        ):
            with self.subTest(text):
                report = run_case(make_case(LiveServerTestCase, app=app, test=test_it)).report
                self.assert_masked(report.rpartition("AssertionError: ")[2], f"{MASKED}: ", text)
        self.assertEqual([TARGET, TARGET], targets)

    def test_a_request_in_flight(self) -> None:
        """One that is not answered when its test is over is named without its secrets."""
        gate = Gate()
        self.addCleanup(gate.open.set)

        def test_it(self: Any) -> None:
            client = socket.create_connection((self.live_server.host, self.live_server.port))
            self.addClassCleanup(client.close)
            client.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: a\r\nCookie: a=hunter2\r\n\r\n".encode())
            self.live_server.journal.wait_for(lambda: self.live_server.requests, HANG)
            messages.append(repr(self.live_server.requests))

        messages: list[str] = []
        members = {"app": make_app(boom=gate), "live_pending_timeout": 0.0, "live_stop_timeout": 0.0}
        messages += run_case(make_case(LiveServerTestCase, test=test_it, **members)).reports()
        self.assertGreater(len(messages), 1)
        for message in messages:
            self.assert_masked(message, MASKED)

    def test_a_request_that_never_came(self) -> None:
        """The path that was wanted, and the requests that came, are listed without their secrets."""

        def test_it(self: Any) -> None:
            self.live.get("/other?api_key=hunter2")
            for path in (TARGET, re.compile(r"/a\?password=hunter2")):
                with self.assertRaises(AssertionError) as caught:
                    self.assertLiveRequested("GET", path, timeout=0)
                messages.append(str(caught.exception))

        messages: list[str] = []
        run_case(make_case(LiveServerTestCase, app=make_app(), test=test_it)).assert_passed()
        self.assert_masked("".join(messages), MASKED, "GET /other?api_key=***")

    def test_a_start_that_fails(self) -> None:
        """The error of an ASGI application's startup is named without the secrets in its text."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no postgres://ann:hunter2@db.invalid/"})

        with self.assertRaises(ServerStartError) as caught:
            LiveServer(app).start()
        self.assert_masked(str(caught.exception), "postgres://ann:***@db.invalid/")

    def test_a_process_that_dies(self) -> None:
        """Of what it has printed the last is in the report, without its secrets."""
        with LiveServer("tests.integration.process.apps:app", mode="process", start_timeout=6 * HANG) as server:
            requests.get(server.url_for("/print?a=1&token=hunter2"), timeout=HANG)
            with self.assertRaises(OSError):
                requests.get(server.url_for("/exit"), timeout=HANG)
            self.assertTrue(wait_until(lambda: not server.is_running))
            with self.assertRaises(ServerDied) as caught:
                server.check()
        self.assert_masked(str(caught.exception), "printed a=1&token=***")
