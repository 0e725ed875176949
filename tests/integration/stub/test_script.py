"""What a test writes: shortcuts, orders, scopes, scenarios, queues, defaults; and how it waits."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from typing import Any

from liveserver_testcase import INCLUDING, RecordedRequest, Reply, UsageError, at_least
from tests.integration.stub.support import StubTest, make_expectation
from tests.support import HANG, ROOT

HERE = os.path.relpath(__file__, ROOT)


def tell_path(request: RecordedRequest) -> tuple[str, int]:
    """Answer with the path; it is here so that it can be sent to a stub in a process."""
    return request.path, 418


class ScriptTest(StubTest):
    """A stub and its script."""

    maxDiff = None

    def assert_refused(self, message: str, call: Any) -> None:
        with self.assertRaises(UsageError) as caught:
            call()
        self.assertEqual(message, str(caught.exception))

    def statuses(self, *targets: str, method: str = "GET") -> list[int]:
        """What the stub answers to each."""
        return [self.send(method, target).status for target in targets]

    def texts(self, *targets: str) -> list[str]:
        """What the stub answers to each, the first line."""
        return [self.send("GET", target).text.split("\n")[0] for target in targets]


class ShortcutsTest(ScriptTest):
    """A line for the commonest methods."""

    def test_each_method_has_its_own(self) -> None:
        """``get(path)`` is ``on("GET", path)``, and so on."""
        for method in ("get", "post", "put", "patch", "delete", "head", "options"):
            with self.subTest(method=method):
                expectation = getattr(self.stub, method)("/x", times=1, name="a").reply(204)
                self.assertEqual(f"'a' {method.upper()} '/x'", expectation.describe())
                self.assertEqual([204], self.statuses("/x", method=method.upper()))

    def test_an_unknown_keyword_names_the_nearest(self) -> None:
        """Of the verb that was called; method and path have no names."""
        unexpected = "got an unexpected keyword argument"
        known = "content, code, headers, chunked, cookies, delay, show_post_vars"
        calls: tuple[tuple[Any, dict[str, Any], str], ...] = (
            (self.stub.get, {"jason": 1}, f"get() {unexpected} 'jason'. Did you mean 'json'?"),
            (self.stub.on, {"time": 1}, f"on() {unexpected} 'time'. Did you mean 'times'?"),
            (self.stub.forbid, {"headrs": 1}, f"forbid() {unexpected} 'headrs'. Did you mean 'headers'?"),
            (self.stub.on, {"path": "/x"}, "on() takes 'path' by its position, without its name: on(method, path, …)"),
            (self.stub.scenario, {"frist": 1}, f"scenario() {unexpected} 'frist'. Did you mean 'first'?"),
            (self.stub.on().after, {"hok": 1}, f"after() {unexpected} 'hok'. Did you mean 'hook'?"),
            (Reply().changed, {"sttus": 1}, f"changed() {unexpected} 'sttus'. Did you mean 'status'?"),
            (Reply, {"jsn": 1}, f"Reply() {unexpected} 'jsn'. Did you mean 'json'?"),
            (self.stub.serve_content, {"status": 4}, f"serve_content() {unexpected} 'status'. Known are {known}"),
        )  # fmt: skip
        for verb, keywords, message in calls:
            with self.assertRaises(TypeError) as caught:
                verb(**keywords)
            self.assertEqual(message, str(caught.exception))

    def test_what_is_forbidden_is_held_against_the_test_at_once(self) -> None:
        """Whatever else would answer it."""
        self.stub.on().reply(200)
        self.stub.forbid("DELETE", "/users/<int:id>", name="never")
        self.assertEqual([501], self.statuses("/users/1", method="DELETE"))
        self.assertIn(
            "#1: DELETE /users/1 came, and must never come\n  never: 'never' DELETE", self.stub.failure_report()
        )


class OrderTest(ScriptTest):
    """Requests that must come in an order."""

    def test_the_next_one_answers(self) -> None:
        """One after the other; what need not come can be left out, and what may come more often, may.

        An order goes before what is bounded or newer; what comes before its turn is answered by something else.
        """
        rows: tuple[tuple[list[tuple[str, int, Any]], list[tuple[str, int, Any]], str, list[int]], ...] = (
            ([("/login", 201, 1), ("/buy", 202, 2), ("/logout", 203, 1)], [], "/login /buy /buy /logout",
             [201, 202, 202, 203]),
            ([("/a", 201, 1), ("/poll", 202, (0, None)), ("/b", 203, at_least(1)), ("/c", 204, 1)], [],
             "/a /b /b /c /b", [201, 203, 203, 204, 501]),
            ([("/login", 201, 1), ("/buy", 202, 1)], [("/buy", 200, (0, None)), ("/login", 200, (0, None))],
             "/buy /login /login /buy", [200, 201, 200, 202]),
            ([("/a", 201, 1)], [("/a", 202, 1), ("/a", 203, (0, None))], "/a /a /a", [201, 202, 203]),
        )  # fmt: skip
        for order, others, sent, statuses in rows:
            with self.subTest(sent=sent):
                self.begin(sent)
                with self.stub.in_order():
                    for path, status, times in order:
                        self.stub.expect("GET", path, times=times).reply(status)
                for path, status, times in others:
                    self.stub.expect("GET", path, times=times).reply(status)
                self.assertEqual(statuses, self.statuses(*sent.split()))
                self.assertEqual(501 in statuses, bool(self.stub.failure_report()))

    def test_what_comes_before_its_turn(self) -> None:
        """It is unmatched, says so once, and the order goes on (not as peers, where one stray request poisons all)."""
        with self.stub.in_order():
            self.stub.expect("GET", "/login").reply(201)
            self.stub.expect("GET", "/buy").reply(202)
            self.assert_refused(
                "in_order() stands inside another in_order(); write one after the other",
                lambda: self.stub.in_order().__enter__(),
            )
        self.assertEqual([501], self.statuses("/buy"))
        report = re.sub(rf"{HERE}:\d+", "here", self.stub.failure_report())
        for text in (
            "#1: nothing answers GET /buy: what matches it cannot answer now\n  GET '/buy', written at here\n",
            "    it is later in its order: first must come GET '/login', written at here\n",
            "  #1 GET /buy matches it, but not while it could answer: it stands in an order, and its turn had not come",
        ):
            self.assertIn(text, report)
        self.assertEqual([201, 202], self.statuses("/login", "/buy"))

    def test_one_that_was_removed_is_not_waited_for(self) -> None:
        """The rest of the order closes up; that of the class begins anew in each test."""
        with self.stub.in_order():
            first = self.stub.expect("GET", "/a").reply(201)
            self.stub.expect("GET", "/b").reply(202)
        kept, closed_up = [201, 202], [501, 202]
        for name, removed, statuses in (("one", False, kept), ("two", True, closed_up), ("three", False, kept)):
            self.begin(name)
            if removed:
                first.remove()
            self.assertEqual(statuses, self.statuses("/a", "/b"))
            self.assertEqual(removed, bool(self.stub.failure_report()))


class QueueTest(ScriptTest):
    """Replies that wait for whatever comes."""

    def test_each_answers_one_request(self) -> None:
        """Whatever it is, in their order, after expectations and before content; one for a method goes first."""
        self.stub.on("GET", "/a").reply(201)
        first = self.stub.enqueue(Reply(202))
        self.stub.enqueue("text")
        self.stub.enqueue(("gone", 410))
        self.stub.enqueue(tell_path)
        self.stub.enqueue(203, method="PUT")
        self.assertEqual([203], self.statuses("/", method="PUT"))
        self.assertEqual([201, 202, 200, 410, 418, 501], self.statuses("/a", "/b", "/c", "/d", "/e", "/f"))
        self.assertEqual(["/b"], [request.path for request in first.requests])
        self.stub.enqueue(204)
        self.stub.serve_content("x", 206)
        self.assertEqual([204, 206], self.statuses("/b", "/b"))

    def test_what_is_left_over_is_gone_with_its_test(self) -> None:
        """What the class has enqueued is there again."""
        self.stub.enqueue(201)
        self.begin("one")
        self.stub.enqueue(202)
        self.assertEqual([201], self.statuses("/"))
        self.begin("two")
        self.assertEqual([201, 501], self.statuses("/", "/"))


class ScopeTest(ScriptTest):
    """What lasts no longer than a block."""

    def test_it_is_gone_afterwards(self) -> None:
        """Expectations, content, queue; what was there before is as it was."""
        self.stub.serve_content("before")
        with self.stub.scope():
            self.stub.expect("GET", "/a").reply(201)
            self.stub.serve_content("inside")
            self.stub.enqueue(202)
            self.assertEqual(["", "", "inside"], self.texts("/a", "/b", "/c"))
        self.assertEqual(["before", "before"], self.texts("/a", "/b"))

    def test_it_is_verified_at_its_end(self) -> None:
        """Not by the test's end; and only what was written inside.  An exception inside is not hidden."""
        outside = self.stub.expect("GET", "/outside").reply(200)
        with self.assertRaisesRegex(AssertionError, "^GET '/a' was .* never came, .*\nthe stub was sent nothing .*$"):
            with self.stub.scope():
                self.stub.expect("GET", "/a").reply(201)
        outside.remove()
        with self.assertRaises(KeyError), self.stub.scope():
            self.stub.expect("GET", "/a").reply(201)
            raise KeyError("mine")
        self.assertEqual(([], ""), (self.stub.expectations, self.stub.failure_report()))


class ScenarioTest(ScriptTest):
    """A thing with a state."""

    def test_requests_move_it_on(self) -> None:
        """Each state has its own answers."""
        order = self.stub.scenario("order", "new")
        order.get("/order", state="new").reply(text="new")
        order.post("/pay", state="new").then_state("paid").reply(202)
        order.get("/order", state="paid").reply(text="paid")
        self.assertEqual(["new"], self.texts("/order"))
        self.assertEqual([202, 501], self.statuses("/pay", "/pay", method="POST"))
        self.assertEqual((["paid"], "paid"), (self.texts("/order"), order.state))
        lines = self.stub.failure_report().split("\n")
        self.assertEqual("#3: nothing answers POST /pay: what matches it cannot answer now", lines[0])
        self.assertTrue(lines[1].startswith("  POST '/pay' in state 'new' of 'order', written at "), lines[1])
        self.assertEqual("    it wants 'order' in state 'new', which is in state 'paid'", lines[2])

    def test_the_test_can_move_it(self) -> None:
        """And each test finds it in its first state."""
        order = self.stub.scenario("order")
        order.get("/order", state="start").reply(201)
        order.get("/order", state="lost").reply(202)
        self.begin("one")
        order.state = "lost"
        self.assertEqual([202], self.statuses("/order"))
        self.begin("two")
        self.assertEqual(("start", [201]), (order.state, self.statuses("/order")))

    def test_what_is_named(self) -> None:
        """The same name is the same thing, whose first state is said once; elsewhere states are refused."""
        order = self.stub.scenario("order", "new")
        self.assertEqual((self.stub.url, "<Scenario 'order' in state 'new'>"), (order.url, repr(order)))
        order.state = "paid"
        self.assertEqual("paid", self.stub.scenario("order").state)
        self.assert_refused(
            "the scenario 'order' begins in state 'new', and now in 'old': keep one",
            lambda: self.stub.scenario("order", "old"),
        )
        self.assert_refused(
            "state is 'paid', but of no scenario; write stub.scenario('…').on(…, state='paid')",
            lambda: self.stub.on("GET", "/x", state="paid"),
        )
        expectation = self.stub.on("GET", "/x")
        self.assert_refused(
            "GET '/x' is part of no scenario; write stub.scenario('…').on(…).then_state('paid')",
            lambda: expectation.then_state("paid"),
        )
        self.assert_refused("name is ''; wanted a str", lambda: self.stub.scenario(""))


class DefaultsTest(ScriptTest):
    """What many expectations have in common."""

    def test_criteria_start_from_them(self) -> None:
        """Headers merge, whatever their case; anything else is replaced; paths have a prefix; views can be layered."""
        stub = self.stub
        api = stub.defaults(headers={"X-Shop": "k", "Accept": "a"}, query={"v": 1})
        users = stub.defaults(prefix="/v1", headers={"A": "1"}).defaults(prefix="/users", headers={"B": "2"})
        order = stub.scenario("order").defaults(prefix="/orders")
        for expectation, wanted in (
            (api.get("/x", headers={"accept": "b"}, query={"v": 2}),
             "GET '/x' query={'v': '2'} headers={'X-Shop': 'k', 'Accept': 'b'}"),
            (api.get("/y"), "GET '/y' query={'v': '1'} headers={'X-Shop': 'k', 'Accept': 'a'}"),
            (api.get("/z", query=INCLUDING({"a": 1}, {"b": 2})),
             "GET '/z' query=INCLUDING({'v': '1', 'a': '1', 'b': '2'}) headers={'X-Shop': 'k', 'Accept': 'a'}"),
            (users.get("/<int:id>"), "GET '/v1/users/<int:id>' headers={'A': '1', 'B': '2'}"),
            (order.get("/1", state="new"), "GET '/orders/1' in state 'new' of 'order'"),
            (stub.scenario("a").scenario("b").get("/2", state="new"), "GET '/2' in state 'new' of 'b'"),
        ):  # fmt: skip
            self.assertEqual(wanted, expectation.describe())
        self.assertEqual(stub.url_for("/x"), api.url_for("/x"))  # a view has whatever else the stub has
        self.assert_refused(
            "prefix is 'v1'; wanted one that begins with '/', such as '/v1'", lambda: stub.defaults(prefix="v1")
        )
        self.assert_refused(
            "path is None; wanted a str, before which '/v1' can stand", lambda: stub.defaults(prefix="/v1").on("GET")
        )

    def test_what_waits_and_allows_starts_from_them(self) -> None:
        """In whatever order views are layered; what has no place for criteria is refused."""
        stub: Any = self.stub
        stub.on().reply(200)
        api = stub.defaults(headers={"X-Shop": "k"}).scenario("order").defaults(prefix="/v1")
        self.send("GET", "/a", headers={"X-Shop": "k"})
        self.send("GET", "/v1/a")
        wanted = "GET '/v1/a' headers={'X-Shop': 'k'}"
        for wait in (
            lambda: api.wait_for_request("GET", "/a", timeout=0),
            lambda: asyncio.run(api.wait_for_request_async("GET", "/a", timeout=0)),
        ):
            with self.assertRaisesRegex(AssertionError, re.escape(wanted)):
                wait()
        self.send("GET", "/v1/a", headers={"X-Shop": "k"})
        self.assertIs(stub.last_request, api.wait_for_request("GET", "/a"))
        self.assertIs(stub.last_request, asyncio.run(api.wait_for_request_async("GET", "/a")))
        with self.assertRaisesRegex(TypeError, r"wait_for_request\(\) got an unexpected keyword argument 'tmeout'"):
            api.wait_for_request("GET", "/a", tmeout=0)
        stub.reset()
        with api.allow_unmatched("GET", "/a"):
            self.send("GET", "/v1/a", headers={"X-Shop": "k"})
            self.assertEqual("", stub.failure_report())
            self.send("GET", "/a", headers={"X-Shop": "k"})
        self.assertIn("GET /a", stub.failure_report())
        whatever = "whatever this view has in common: call it on the stub itself"
        for message, call in (
            ("take_request() takes whatever comes next", api.take_request),
            ("take_request_async() takes whatever comes next", api.take_request_async),
            ("enqueue() answers whatever comes next", lambda: api.enqueue(200)),
            ("serve_content() answers whatever no expectation matches", lambda: api.serve_content("a")),
        ):
            self.assert_refused(f"{message}, {whatever}", call)
        self.assertIs(stub.requests[0], stub.defaults(reply_headers={"X-A": "1"}).take_request())

    def test_replies_start_from_them(self) -> None:
        """Their headers are added, unless the reply says otherwise."""
        api = self.stub.defaults(reply_headers={"X-Version": "1", "X-A": "default"})
        api.get("/x").reply(200, headers={"x-a": "own"})
        answer = self.send("GET", "/x")
        self.assertEqual(("1", "own"), (answer.headers["x-version"], answer.headers["x-a"]))


class WaitTest(ScriptTest):
    """Waiting needs no sleep, and never ends before the exchange is recorded."""

    def send_later(self, *targets: str) -> None:
        """From another thread."""
        thread = threading.Thread(target=lambda: self.statuses(*targets))
        self.addCleanup(thread.join, HANG)
        thread.start()

    def test_take_request(self) -> None:
        """One after the other, each once, in the order of their arrival; that none came is said, too."""
        for ask in (lambda: self.stub.take_request(0.01), lambda: self.stub.last_request):
            with self.assertRaisesRegex(AssertionError, "the stub was sent nothing in this test"):
                ask()
        self.stub.timeout = 0.02
        with self.assertRaisesRegex(AssertionError, r"^waited 0\.02 s for a request\n"):
            self.stub.take_request()
        self.stub.on().reply(200)
        self.send_later("/a", "/b")
        self.assertEqual(["/a", "/b"], [self.stub.take_request(HANG).path for _ in range(2)])
        self.assertEqual("/b", self.stub.last_request.path)
        with self.assertRaisesRegex(AssertionError, r"^waited 0\.01 s for request #3, after those that were taken\n"):
            self.stub.take_request(0.01)

    def test_take_request_that_comes_slowly(self) -> None:
        """Neither is it passed over, nor is another one taken twice, if its body is long in coming."""
        self.stub.on().reply(200)
        client = self.connect()
        client.sendall(b"PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.wait_for(lambda: len(self.stub.journal))
        self.send("GET", "/quick")
        taken = [self.stub.take_request(HANG).path]
        client.sendall(b"c")
        taken.append(self.stub.take_request(HANG).path)
        self.assertEqual(["/quick", "/slow"], taken)
        with self.assertRaisesRegex(AssertionError, "for request #3, after those that were taken"):
            self.stub.take_request(0)

    def test_wait_for_request(self) -> None:
        """Until enough of them have come that match."""
        self.stub.on().reply(200)
        self.send_later("/a", "/b", "/a")
        found = self.stub.wait_for_request("GET", "/a", times=2, timeout=HANG)
        self.assertEqual(["/a", "/a"], [request.path for request in found])
        self.assertEqual("/b", self.stub.wait_for_request("GET", "/b", timeout=HANG).path)
        with self.assertRaisesRegex(AssertionError, r"^GET '/c' was expected at least once, .* came within 0\.01 s\n"):
            self.stub.wait_for_request("GET", "/c", timeout=0.01)
        self.assert_refused(
            "wait() waits for requests, and <Expectation GET '/x', any number of times, called 0 times> "
            "is in no stub that could get any",
            make_expectation("GET", "/x").wait,
        )

    def test_an_expectation_can_be_waited_for(self) -> None:
        """Its requests are recorded by then, with what they are answered, although the answer is slow."""
        expectation = self.stub.expect("GET", "/slow").reply(202, delay=0.05)
        self.send_later("/slow")
        (request,) = expectation.wait(timeout=HANG)
        self.assertEqual([request], self.stub.requests)
        self.assertEqual([expectation, 0], [request.expectation, request.turn])
        wanted = r"^waited 0\.01 s for GET '/slow', written at .*:\d+, to come at least 2 times\nthe stub at "
        with self.assertRaisesRegex(AssertionError, wanted):
            expectation.wait(2, timeout=0.01)
        self.assert_refused("times is 0; wanted a number of requests, 1 or more", lambda: expectation.wait(0))

    def test_wait_until_satisfied(self) -> None:
        """All that must come has come, also what has no bound."""
        self.stub.expect("GET", "/a", times=at_least(2)).reply(200)
        self.stub.expect("GET", "/b").reply(200)
        self.send_later("/a", "/b", "/a")
        self.stub.wait_until_satisfied(HANG)
        self.stub.expect("GET", "/c").reply(200)
        with self.assertRaisesRegex(AssertionError, "^GET '/c' was expected exactly once, and never came"):
            self.stub.wait_until_satisfied(0.01)


class AloneTest(ScriptTest):
    """A stub that no test case looks after."""

    def test_it_can_be_looked_at(self) -> None:
        """`explain` says what is in the script, and what came."""
        self.stub.expect("GET", "/x").reply(200)
        self.statuses("/x")
        self.assertRegex(
            self.stub.explain(),
            r"\Athe stub knows 1 expectation:\n"
            r"  GET '/x', exactly once, called 1 time, written at .*:\d+\n"
            r"the stub at http://.* was sent 1 request in this test:\n"
            r"  #1 GET /x -> 200\Z",
        )

    def test_a_predicate(self) -> None:
        """May ask the stub, while its thread has locked the registry; one that raises matches nothing."""
        self.stub.on("GET", "/x", matcher=lambda request: len(self.stub.expectations) == 1).reply(201)
        self.assertEqual([201], self.statuses("/x"))
        self.stub.on("GET", "/y", matcher=lambda request: request.json["a"]).reply(201)
        self.assertEqual([501], self.statuses("/y"))
        self.assertRegex(
            self.stub.failure_report(), r"    FAIL matcher: wanted the lambda in line \d+, got raised ValueError: "
        )
