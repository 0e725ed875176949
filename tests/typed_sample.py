"""A test class as users write it, for ``mypy --strict``: what they call is typed, and says what it returns.

The type checker reads it, nothing runs it; `assert_type` fails the check when a type has become another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from liveserver_testcase import (
    Attachment,
    ConnectionFault,
    Expectation,
    Fault,
    FaultPoint,
    Hold,
    HTTPStub,
    HTTPStubTestCase,
    Link,
    LiveServerTestCase,
    Outage,
    ReceivedEmail,
    RecordedRequest,
    Reply,
    SMTPAttempt,
    SMTPFault,
    SMTPServer,
    SMTPSession,
    SMTPTestCase,
    WebSocketExpectation,
    WebSocketFault,
)
from liveserver_testcase.cases.live_handle import LiveServerHandle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from typing_extensions import assert_type


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class CheckoutTest(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
    """The three mixins in one class have no conflict that a type checker can see."""

    live_port = 0
    stub_host = "127.0.0.1"
    smtp_timeout = 1.0

    @classmethod
    def create_app(cls) -> WSGIApplication:
        assert_type(cls.stub, HTTPStub)
        assert_type(cls.smtp, SMTPServer)
        assert_type(cls.stub.url, str)
        return hello

    @classmethod
    def configure_stub(cls, stub: HTTPStub) -> None:
        stub.on("GET", "/status").reply(200, json={"ok": True})

    def test_the_live_server(self) -> None:
        assert_type(self.live_server, LiveServerHandle)
        assert_type(self.live_url("/search", q="tea", page=2), str)
        answer = self.live.get("/")
        assert_type(answer, requests.Response)

    def test_the_stub(self) -> None:
        self.stub.serve_content("<p>hello</p>", code=200, headers={"X-Shop": "corner"})
        expectation = self.stub.expect("POST", "/charges", times=2).reply(201, json={"id": 1})
        assert_type(expectation.requests, list[RecordedRequest])
        assert_type(self.stub.requests, list[RecordedRequest])
        assert_type(self.stub.requests[0].body, bytes)
        assert_type(self.assertRequested("POST", "/charges"), RecordedRequest)
        assert_type(self.assertRequested("POST", "/charges", times=1), RecordedRequest)
        assert_type(self.assertRequested("POST", "/charges", times=2), list[RecordedRequest])
        assert_type(self.assertRequested("POST", "/charges", times=(1, None)), list[RecordedRequest])
        assert_type(self.assertRequested("POST", "/charges", json={"a": 1}, timeout=1), RecordedRequest)
        assert_type(self.stub.wait_for_request("POST", "/charges"), RecordedRequest)
        assert_type(self.stub.wait_for_request("POST", "/charges", times=2), list[RecordedRequest])
        assert_type(self.stub.take_request(), RecordedRequest)
        assert_type(self.stub.get("/users/<int:id>", query={"a": 1}).then_state("x"), Expectation)
        assert_type(self.stubs["billing"].post("/x", state="paid"), Expectation)
        assert_type(self.stub.defaults(prefix="/v1").get("/x"), Expectation)
        assert_type(self.assertRequestOrder([("GET", "/a"), expectation]), list[RecordedRequest])
        self.stub.get("/x", querry={})  # type: ignore[call-arg]
        self.stub.on("GET", "/status").reply(Reply(204))
        self.stub.on("GET", "/status", time=2)  # type: ignore[call-arg]  # what is told at run time is told here, too
        expectation.reply(200, jsn={})  # type: ignore[call-arg]

    def test_how_the_stub_answers(self) -> None:
        expectation = self.stub.on("GET", "/users/<int:id>")
        assert_type(expectation.reply_sequence(503, Reply(200), {"a": 1}, then="repeat"), Expectation)
        assert_type(expectation.reply_with(lambda request, id: {"id": id}), Expectation)
        assert_type(
            expectation.reply_sse([{"data": 1}], keep_open=True).reply_stream(["a"]).reply_raw(b""), Expectation
        )
        assert_type(expectation.fail(Fault.RESET, at=FaultPoint.RESPONSE_BODY, after_bytes=3), Expectation)
        feed = self.stub.expect_websocket("/feed", subprotocols=["v1"], headers={"A": "b"}, times=2)
        assert_type(feed.receive(json={"a": 1}).send("text").send(json=[1]).close(1000), WebSocketExpectation)
        assert_type(feed.connection(timeout=1).receive(), "str | bytes")
        feed.fail(WebSocketFault.GARBAGE)
        feed.fail(Fault.RESET)  # type: ignore[arg-type]  # which is no fault of a WebSocket
        hold = expectation.hold()
        assert_type(hold, Hold)
        assert_type(hold.wait(timeout=1), RecordedRequest)
        hold.reply(200, json={}, headers={"A": "b"}, delay=0.1)
        hold.reply(200, text=1)  # type: ignore[arg-type]  # keywords have their types
        assert_type(self.stub.on_connect(Fault.CLOSE, times=1), ConnectionFault)
        with self.stub.refuse_connections() as outage:
            assert_type(outage, Outage)
        assert_type(self.stub.requests[0].chunk_sizes, tuple[int, ...])
        assert_type(self.stub.environ("API_URL", USERS="/users"), dict[str, str])

    def test_the_mail(self) -> None:
        assert_type(self.smtp.host, str)
        assert_type(self.smtp.port, int)
        assert_type(self.smtp.addr, tuple[str, int])
        assert_type(self.smtp.sessions, list[SMTPSession])
        assert_type(self.smtp.attempts("RCPT", code=451), list[SMTPAttempt])
        with self.smtp.fail("RCPT", (451, "4.3.2 Later"), when=lambda attempt: attempt.address, times=2) as fault:
            assert_type(fault, SMTPFault)
        assert_type(self.smtp.greylist().hits, int)
        assert_type(self.smtp.drop("BODY", record=True), SMTPFault)
        assert_type(self.smtp.django_settings()["EMAIL_PORT"], int)
        assert_type(self.smtp.settings()["password"], str | None)
        assert_type(self.outbox[0], ReceivedEmail)
        assert_type(self.outbox[1:], list[ReceivedEmail])
        assert_type(self.outbox.filter(subject="Your tea"), list[ReceivedEmail])
        mail = self.assertEmailSent(to="ann@example.com", from_="shop@example.com", subject="Your tea")
        assert_type(mail, ReceivedEmail)
        assert_type(mail.subject, str)
        assert_type(mail.attachments, list[Attachment])
        assert_type(self.assertEmailSent(body="tea", times=2, timeout=1.0), list[ReceivedEmail])
        self.assertNoEmailSent(to="bob@example.com")
        assert_type(self.assertEmailCount(2, lambda mail: mail.code() == "1", attachment="*.pdf"), list[ReceivedEmail])
        assert_type(mail.link("Confirm"), Link)
        assert_type(mail.attachment({"name": "*.pdf", "content": b"%PDF"}).content, bytes)
        with self.assertEmailsSent(times=1, tls=True) as emails:
            assert_type(len(emails), int)
        assert_type(emails[0], ReceivedEmail)
        self.assertEmailSent(subjct="x")  # type: ignore[call-overload]

    async def test_the_mail_of_a_coroutine(self) -> None:
        assert_type(await self.assertEmailSentAsync(subject="Your tea"), ReceivedEmail)
        assert_type(await self.assertEmailSentAsync(subject="Your tea", times=2), list[ReceivedEmail])
        async with self.captureEmails() as emails:
            assert_type(emails.first, ReceivedEmail)
