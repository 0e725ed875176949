"""Every fault at every place, as it shows on the wire."""

from __future__ import annotations

import itertools
import re
import socket
import unittest
import warnings

from liveserver_testcase import Fault, FaultPoint, HTTPStub, Reply, UsageError
from liveserver_testcase.stub.faults import GARBAGE, FaultPlan, plan_fault
from tests.integration.stub.support import GET, Seen, WireTest, get, post, receive, split
from tests.support import HANG, ROOT

BODY = bytes(range(100))


class FaultTest(WireTest):
    """A stub that answers with 100 bytes, and fails on the way."""

    def provoke(
        self, fault: Fault, at: FaultPoint | None = None, *, request: bytes = GET, after: int | None = None
    ) -> Seen:
        """What a client sees."""
        self.script(fault, at, after=after)
        return self.see(request)

    def script(self, fault: Fault, at: FaultPoint | None = None, *, after: int | None = None) -> None:
        self.begin("shop.test_a")
        self.stub.on().reply(200, BODY).fail(fault, at, after_bytes=after)

    def assert_recorded(self, words: str) -> None:
        """The exchange says what was done, and nothing is held against the test."""
        self.stub.wait_until_idle(HANG)
        exchange = self.stub.exchanges[-1]
        self.assertEqual(f"scripted fault: {words}", exchange.aborted)
        self.assertEqual(([], ""), (self.take_errors(), self.stub.failure_report()))


class ResponseTest(FaultTest):
    """When the request is here as a whole: before the response, in its body, or when it has been sent."""

    def test_what_a_client_sees(self) -> None:
        """The length that is announced, how much of the body comes, by default half, and how it ends."""
        start, body, end = FaultPoint.RESPONSE_START, FaultPoint.RESPONSE_BODY, FaultPoint.RESPONSE_END
        rows: tuple[tuple[Fault, FaultPoint, int | None, str, bytes, str], ...] = (
            (Fault.RESET, start, None, "", b"", "RST"),
            (Fault.CLOSE, start, None, "", b"", "FIN"),
            (Fault.GARBAGE, start, None, "", GARBAGE, "FIN"),
            (Fault.STALL, start, None, "", b"", "OPEN"),
            (Fault.HALF_CLOSE, start, None, "", b"", "FIN"),
            (Fault.CLOSE, body, None, "100", BODY[:50], "FIN"),
            (Fault.TRUNCATE, body, None, "100", BODY[:50], "FIN"),
            (Fault.TRUNCATE, body, 0, "100", b"", "FIN"),
            (Fault.TRUNCATE, body, 99, "100", BODY[:99], "FIN"),
            (Fault.GARBAGE, body, None, "100", BODY[:50] + GARBAGE, "FIN"),
            (Fault.STALL, body, 7, "100", BODY[:7], "OPEN"),
            (Fault.HALF_CLOSE, body, None, "100", BODY[:50], "FIN"),
            (Fault.WRONG_LENGTH, body, None, "50", BODY, "FIN"),
            (Fault.WRONG_LENGTH, body, 3, "3", BODY, "FIN"),
            (Fault.CLOSE, end, None, "100", BODY, "FIN"),
            (Fault.GARBAGE, end, None, "100", BODY + GARBAGE, "FIN"),
            (Fault.HALF_CLOSE, end, None, "100", BODY, "FIN"),
            (Fault.STALL, end, None, "100", BODY, "OPEN"),
        )
        for fault, at, after, length, sent, how in rows:
            with self.subTest(fault=fault, at=at, after=after):
                self.script(fault, at, after=after)
                with self.dial() as client:
                    client.sendall(GET)
                    self.wait_for(lambda: self.stub.requests)
                    awaited = b""
                    if how == "OPEN" and length:  # what is to come may take its time; then there is nothing more
                        awaited = receive(client, lambda data: data.endswith(sent))  # noqa: B023
                    seen = self.look(client, patience=0.1 if how == "OPEN" else HANG)
                    seen = seen._replace(data=awaited + seen.data)
                    if length:
                        line, headers, rest = split(seen.data)
                        self.assertEqual(("HTTP/1.1 200 OK", length), (line, headers["content-length"]))
                        self.assertNotIn("connection", headers)
                        self.assertEqual((sent, how), (rest, seen.end))
                    else:
                        self.assertEqual((sent, how), seen)
                    self.assertEqual(fault in (Fault.STALL, Fault.HALF_CLOSE), bool(self.stub.in_flight))
                self.assert_recorded(plan_fault(fault, at, after).describe())
        for at in (body, end):  # a reset can overtake what was sent before it
            seen = self.provoke(Fault.RESET, at)
            self.assertEqual("RST", seen.end)
            self.assertTrue(BODY.startswith(seen.body))

    def test_an_end_in_good_order_after_a_large_upload(self) -> None:
        """What the client has sent does not turn the end into a reset."""
        self.assertEqual((b"", "FIN"), self.provoke(Fault.CLOSE, request=post(b"x" * 1_000_000)))

    def test_a_bad_head(self) -> None:
        """One line of the head is none, the rest is as it should be."""
        for fault, head in (
            (Fault.BAD_STATUS_LINE, b"HTTP/1.1 2x0 OK\r\nContent-Type: "),
            (Fault.BAD_HEADER, b"HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Type: "),
        ):
            with self.subTest(fault=fault):
                seen = self.provoke(fault)
                self.assertTrue(seen.data.startswith(head), seen)
                self.assertEqual(("100", BODY, "FIN"), (split(seen.data)[1]["content-length"], seen.body, seen.end))
                self.assert_recorded(f"{fault.value} at response start")

    def test_half_close(self) -> None:
        """What the client sends after the end that it sees goes on to be read."""
        self.script(Fault.HALF_CLOSE)
        client = self.dial()
        client.sendall(GET)
        self.assertEqual((b"", "FIN"), self.look(client))
        client.setblocking(True)
        for _ in range(20):
            client.sendall(b"x" * 1_000_000)  # more than any buffer holds

    def test_bad_chunk(self) -> None:
        """The body is chunked, and after half of it the size of a chunk is none."""
        seen = self.provoke(Fault.BAD_CHUNK)
        self.assertEqual((b"32\r\n" + BODY[:50] + b"\r\nzz\r\n" + GARBAGE, "FIN"), (seen.body, seen.end))
        self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n", seen.head)

    def test_pieces(self) -> None:
        """A body in chunks, or one that streams, is cut in the middle of them: after its first piece by default."""
        self.stub.on().reply(chunks=[b"abc", b"defg", b"hi"]).fail(Fault.TRUNCATE, after_bytes=5)
        seen = self.see()
        self.assertEqual((b"3\r\nabc\r\n2\r\nde\r\n", "FIN"), (seen.body, seen.end))
        self.stub.on().reply_stream([b"abc", b"def"]).fail(Fault.CLOSE, FaultPoint.RESPONSE_BODY, after_bytes=4)
        self.assertEqual(b"3\r\nabc\r\n1\r\nd\r\n", self.see().body)
        self.stub.on().reply_stream([b"abc", b"def"]).fail(Fault.WRONG_LENGTH, after_bytes=2)
        seen = self.see()
        self.assertEqual(b"abcdef", seen.body)
        self.assertIn(b"\r\nContent-Length: 2\r\n", seen.head)

    def test_a_stall_at_the_end(self) -> None:
        """The next request on the connection is never read."""
        self.script(Fault.STALL, FaultPoint.RESPONSE_END)
        client = self.dial()
        client.sendall(GET)
        receive(client, lambda data: data.endswith(BODY))
        client.sendall(GET)
        self.assertEqual((b"", "OPEN"), self.look(client, patience=0.1))
        self.assertEqual(1, len(self.stub.requests))


class RequestTest(FaultTest):
    """Before the request has been read as a whole: decided by its head."""

    def test_at_its_start(self) -> None:
        """Nothing of the body is read, and no 100 is sent for it."""
        for fault, end in ((Fault.RESET, "RST"), (Fault.CLOSE, "FIN"), (Fault.STALL, "OPEN")):
            with self.subTest(fault=fault):
                self.script(fault, FaultPoint.REQUEST_START)
                client = self.dial()
                client.sendall(get("/", "Content-Length: 1000000", "Expect: 100-continue", method="POST"))
                self.wait_for(lambda: self.stub.requests)
                self.assertEqual((b"", end), self.look(client, patience=0.1 if end == "OPEN" else HANG))
                client.close()
                self.assert_recorded(f"{fault.value} at request start")
                self.assertEqual((0, 1), (self.stub.requests[0].body_size, self.stub.expectations[0].times_called))

    def test_in_its_body(self) -> None:
        """Half of it, or as much as was said, is read."""
        for after, wanted in ((None, 500_000), (1000, 1000)):
            with self.subTest(after=after):
                self.script(Fault.RESET, FaultPoint.REQUEST_BODY, after=after)
                client = self.dial()
                client.sendall(get("/", "Content-Length: 1000000", method="POST") + b"x" * 600_000)
                self.assertEqual("RST", self.look(client).end)
                self.stub.wait_until_idle(HANG)
                self.assertEqual(wanted, self.stub.requests[0].body_size)

    def test_a_request_without_a_body(self) -> None:
        """Fails where its body would have been."""
        for place in (FaultPoint.REQUEST_START, FaultPoint.REQUEST_BODY):
            self.assertEqual((b"", "RST"), self.provoke(Fault.RESET, place))

    def test_other_requests_are_read(self) -> None:
        """Only what matches fails, as often as it is to; the rest is answered with its body."""
        self.stub.expect("POST", "/bad").fail(Fault.RESET, FaultPoint.REQUEST_START)
        self.stub.on("POST", "/bad").reply(201)
        self.stub.on("POST", "/good").reply_with(lambda request: request.text)
        self.assertEqual("abc", self.send("POST", "/good", "abc").text)
        self.assertEqual((b"", "RST"), self.see(post(b"abc", path="/bad")))
        self.assertEqual((201, ""), (self.send("POST", "/bad", "abc").status, self.stub.failure_report()))

    def test_no_read(self) -> None:
        """The answer comes although the body, or the rest of it, was not read, also in place of a 100."""
        self.stub.on("POST", "/").reply(413, b"too much").fail(Fault.NO_READ)
        client = self.dial()
        client.sendall(get("/", "Content-Length: 1000000", "Expect: 100-continue", method="POST"))
        seen = self.look(client)
        self.assertTrue(seen.data.startswith(b"HTTP/1.1 413 "), seen)
        self.assertEqual(b"too much", seen.body)
        self.stub.wait_until_idle(HANG)
        self.assertEqual(([], ""), (self.take_errors(), self.stub.failure_report()))
        self.stub.on("POST", "/b").reply(200, b"enough").fail(Fault.NO_READ, FaultPoint.REQUEST_BODY, after_bytes=10)
        client = self.dial()
        client.sendall(get("/b", "Content-Length: 1000000", method="POST") + b"x" * 10)
        self.assertEqual(b"enough", self.look(client).body)
        self.stub.wait_until_idle(HANG)
        self.assertEqual(10, self.stub.requests[-1].body_size)
        self.assertEqual("RST", self.see(post(b"x" * 20_000)).end)  # it ends with what nobody has read


class TogetherTest(FaultTest):
    """Faults and what they are faults of."""

    def test_the_order_of_words_is_free(self) -> None:
        """What was said of the answer, before or after, is what goes wrong."""
        for order, script in (
            ("reply, fault", lambda e: e.reply(200, BODY).fail(Fault.TRUNCATE)),
            ("fault, reply", lambda e: e.fail(Fault.TRUNCATE).reply(200, BODY)),
            ("handler, fault", lambda e: e.reply_with(lambda _: BODY).fail(Fault.TRUNCATE)),
            ("hook, fault", lambda e: e.after(lambda _request, _reply: Reply(200, BODY)).fail(Fault.TRUNCATE)),
            ("fault, hook, handler",
             lambda e: e.fail(Fault.TRUNCATE).after(lambda _request, _reply: None).reply_with(lambda: BODY)),
        ):  # fmt: skip
            with self.subTest(order):
                self.begin("shop.test_a")
                script(self.stub.on())
                self.assertEqual(BODY[:50], self.see().body)

    def test_without_an_answer(self) -> None:
        """A fault that wants a body has one."""
        self.stub.on().fail(Fault.TRUNCATE)
        seen = self.see()
        self.assertEqual(("1024", 512), (split(seen.data)[1]["content-length"], len(seen.body)))

    def test_after_a_delay(self) -> None:
        """A fault at the start of the response waits as long as the response would have."""
        self.stub.on().reply(200, delay=0.05).fail(Fault.CLOSE)
        self.assertEqual((b"", "FIN"), self.see())
        self.stub.wait_until_idle(HANG)
        self.assertGreaterEqual(self.stub.requests[0].duration or 0, 0.05)

    def test_over_tls(self) -> None:
        """Faults show through TLS, too."""
        with HTTPStub(tls=True) as stub:
            for fault, at, size in (
                (Fault.CLOSE, None, 0), (Fault.TRUNCATE, None, 50),
                (Fault.CLOSE, FaultPoint.RESPONSE_END, 100),
                (Fault.GARBAGE, FaultPoint.RESPONSE_BODY, 50 + len(GARBAGE)),
            ):  # fmt: skip
                with self.subTest(fault=fault):
                    stub.on().reply(200, BODY).fail(fault, at)
                    seen = self.see(stub=stub)
                    self.assertEqual((size, "FIN"), (len(seen.body), seen.end))
            stub.on().fail(Fault.RESET)
            client = self.dial(stub)
            client.sendall(GET)
            with self.assertRaises(ConnectionResetError):  # below TLS, which tells of an end only
                while socket.socket.recv(client, 65536):
                    pass
            self.assertEqual([], stub._engine.take_errors())

    def test_a_stop_ends_every_one(self) -> None:
        """At once, and without a word: whatever is stalled is given up."""
        stalled = [
            (Fault.STALL, FaultPoint.REQUEST_START), (Fault.STALL, FaultPoint.REQUEST_BODY),
            (Fault.STALL, FaultPoint.RESPONSE_START), (Fault.STALL, FaultPoint.RESPONSE_BODY),
            (Fault.STALL, FaultPoint.RESPONSE_END), (Fault.HALF_CLOSE, None),
        ]  # fmt: skip
        for number, (fault, at) in enumerate(stalled):
            self.stub.on("POST", f"/{number}").reply(200, BODY).fail(fault, at)
            self.dial().sendall(post(b"abc", path=f"/{number}"))
        self.wait_for(lambda: len(self.stub.requests) == len(stalled))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.stub.stop(timeout=HANG)

    def test_a_plan_for_every_combination_is_performed(self) -> None:
        """No combination that is accepted ends in an error of the stub's own."""
        for fault in Fault:
            for place in FaultPoint:
                try:
                    plan = plan_fault(fault, place)
                except UsageError:
                    continue
                for reply in (
                    Reply(200, BODY),
                    Reply(chunks=[b"a", b"b"]),
                    Reply(204),
                    Reply(200, BODY, throttle=(60, 0)),
                ):
                    with self.subTest(plan=plan, reply=reply):
                        self.perform(plan, reply)

    def perform(self, plan: FaultPlan, reply: Reply) -> None:
        self.begin("shop.test_a")
        if plan.point is FaultPoint.RESPONSE_BODY and reply.status == 204:
            with self.assertRaisesRegex(UsageError, " cannot take effect: a response with status 204 has no body$"):
                self.stub.on().reply(reply).fail(plan.fault, plan.point)
            return
        self.stub.on().reply(reply).fail(plan.fault, plan.point)
        client = self.dial()
        client.sendall(post(b"abcdef"))
        stalls = plan.fault in (Fault.STALL, Fault.HALF_CLOSE)
        self.wait_for(lambda: self.stub.requests)  # else a client that gives up leaves before there is a fault
        self.look(client, patience=0.01 if stalls else HANG)
        client.close()
        self.assertEqual([], self.stub.wait_until_idle(HANG))
        self.assertEqual([], self.take_errors())
        self.assertEqual("", self.stub.failure_report())


class ConnectTest(WireTest):
    """Faults before there is a request."""

    def meet(self, patience: float = HANG) -> Seen:
        """What a client sees that connects and sends nothing."""
        try:
            client = socket.create_connection(self.stub.address, HANG)
        except ConnectionResetError:  # it may come that early
            return Seen(b"", "RST")
        try:
            return self.look(client, patience=patience)
        finally:
            client.close()

    def test_each(self) -> None:
        """Whoever connects sees it, without having sent anything."""
        for fault, data, end in (
            (Fault.RESET, b"", "RST"), (Fault.CLOSE, b"", "FIN"), (Fault.STALL, b"", "OPEN"),
            (Fault.GARBAGE, GARBAGE, "FIN"), (Fault.HALF_CLOSE, b"", "FIN"),
        ):  # fmt: skip
            with self.subTest(fault=fault), self.stub.on_connect(fault):
                self.assertEqual((data, end), self.meet(0.1 if end == "OPEN" else HANG))
        self.stub.on().reply(200)
        self.assertEqual(200, self.send().status)
        self.assertEqual([], self.take_errors())

    def test_so_many(self) -> None:
        """Only so many connections fail, and the plan knows how many have."""
        self.stub.on().reply(200)
        planned = self.stub.on_connect(Fault.CLOSE, times=2)
        self.assertEqual(["FIN", "FIN"], [self.meet().end for _ in range(2)])
        self.assertEqual((200, 2), (self.send().status, planned.count))
        self.assertEqual("<ConnectionFault close at connect 2/2>", repr(planned))
        self.assertEqual("scripted fault: close at connect", self.stub.exchanges[0].aborted)

    def test_connections_that_are_open_stay(self) -> None:
        """They have connected before."""
        self.stub.on().reply(200, b"x")
        client = self.dial()
        client.sendall(GET)
        receive(client, lambda data: data.endswith(b"x"))
        self.stub.on_connect(Fault.RESET)
        client.sendall(GET)
        receive(client, lambda data: data.endswith(b"x"))

    def test_it_ends_with_the_test(self) -> None:
        """And with its block, and when it is told to."""
        self.stub.on_connect(Fault.CLOSE)
        self.begin("shop.test_b")
        self.stub.on().reply(200)
        self.assertEqual(200, self.send().status)
        planned = self.stub.on_connect(Fault.CLOSE)
        planned.end()
        planned.end()
        self.assertEqual(200, self.send().status)

    def test_misuse(self) -> None:
        """What makes no sense is refused where it is written."""
        tls = f"goes wrong in TLS, which {self.stub!r} does not speak: use tls=True"
        for fault, times, message in (
            (Fault.TLS_HANDSHAKE, None, f"Fault.TLS_HANDSHAKE {tls}"),
            (Fault.EXPIRED_CERT, None, f"Fault.EXPIRED_CERT {tls}"),
            (Fault.RESET, 0, "times is 0; wanted a number of connections, 1 or more, or None for all"),
        ):  # fmt: skip
            with self.subTest(fault=fault), self.assertRaises(UsageError) as caught:
                self.stub.on_connect(fault, times=times)
            self.assertEqual(message, str(caught.exception))


BODY_POINT, FAULTS, POINTS = FaultPoint.RESPONSE_BODY, ", ".join(map(str, Fault)), ", ".join(map(str, FaultPoint))


class PlanTest(unittest.TestCase):
    """`plan_fault`, as `Expectation.fail` and `HTTPStub.on_connect` use it."""

    def test_every_combination_is_in_the_documentation(self) -> None:
        """The table has every fault, at just the points where it can happen, and says which is the usual one."""
        text = (ROOT / "docs" / "reference" / "faults.rst").read_text(encoding="utf-8")
        shown: dict[str, list[str]] = {}
        for name, row in re.findall(r"^   \* - (.+)\n((?:     -.*\n){6})", text, re.M)[1:]:
            names = re.findall("``(.+?)``", name)
            if "certificates" in name:
                names += ["EXPIRED_CERT", "WRONG_HOST_CERT", "UNTRUSTED_CERT"]
            shown.update({known: [line[6:].strip() for line in row.splitlines()] for known in names})
        for fault, point in itertools.product(Fault, FaultPoint):
            cell = shown[fault.name][list(FaultPoint).index(point)]
            with self.subTest(fault=fault, point=point):
                try:
                    plan = plan_fault(fault, point, has_request=point is not FaultPoint.CONNECT)
                except UsageError as error:
                    self.assertRegex(str(error), f"^{fault} at {point} makes no sense; it can happen at FaultPoint")
                    self.assertEqual("", cell)
                else:
                    self.assertEqual(FaultPlan(fault, point), plan)
                    self.assertNotEqual("", cell)
                if cell == "**yes**":
                    self.assertEqual(point, plan_fault(fault, has_request=False).point)

    def test_refusals(self) -> None:
        """What is refused says what was wanted."""
        at_connect = (
            "Fault.RESET at FaultPoint.CONNECT happens before there is a request that an expectation could match; "
            "write stub.on_connect(Fault.RESET)"
        )
        no_bytes = (
            "after_bytes is 5, but FaultPoint.RESPONSE_START is a moment without bytes; "
            "it goes with FaultPoint.REQUEST_BODY and FaultPoint.RESPONSE_BODY"
        )
        no_read = "it can happen at FaultPoint.REQUEST_START or FaultPoint.REQUEST_BODY"
        refused: list[tuple[str, dict[str, object]]] = [
            (f"Fault.NO_READ at {BODY_POINT} makes no sense; {no_read}", {"fault": Fault.NO_READ, "at": BODY_POINT}),
            (at_connect, {"fault": Fault.RESET, "at": FaultPoint.CONNECT}),
            (f"fault is 'reset'; wanted one of {FAULTS}", {"fault": "reset"}),
            (f"at is 'connect'; wanted one of {POINTS}", {"fault": Fault.RESET, "at": "connect"}),
            (no_bytes, {"fault": Fault.RESET, "after_bytes": 5}),
        ]
        for value in (-1, "5", 1.5, True):
            message = f"after_bytes is {value!r}; wanted a number of bytes, 0 or more"
            refused.append((message, {"fault": Fault.TRUNCATE, "after_bytes": value}))
        stub = HTTPStub()
        for message, arguments in refused:
            with self.subTest(message):
                expectation = stub.on("GET", "/x").reply(200, "hello")
                with self.assertRaises(UsageError) as caught:
                    expectation.fail(**arguments)  # type: ignore[arg-type]
                self.assertEqual(message, str(caught.exception))
        with self.assertRaises(UsageError) as caught:
            stub.on_connect("reset")  # type: ignore[arg-type]
        self.assertEqual(f"fault is 'reset'; wanted one of {FAULTS}", str(caught.exception))

    def test_where_in_the_body(self) -> None:
        """After so many bytes, or in the middle; the journal says so."""
        self.assertEqual(7, plan_fault(Fault.RESET, BODY_POINT, 7).cut(100))
        self.assertEqual(50, plan_fault(Fault.RESET, BODY_POINT).cut(100))
        self.assertEqual(1, plan_fault(Fault.RESET, BODY_POINT).cut(None))
        self.assertEqual(
            "truncate at response body, after 1,000 bytes", plan_fault(Fault.TRUNCATE, after_bytes=1000).describe()
        )
