"""Every verb of a stub, called wrongly: the misuse is an error where it is written."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from liveserver_testcase import (
    Expectation,
    Fault,
    FaultPoint,
    HTTPStub,
    Reply,
    UsageError,
    WebSocketExpectation,
    WebSocketFault,
)
from liveserver_testcase.stub.hold import Hold
from liveserver_testcase.stub.script import ScenarioScript, Script
from tests.integration.stub.support import StubTest
from tests.integration.stub.wire import WireTest, get
from tests.support import HANG

Calls = tuple[Callable[[Any], object], ...]

# What is no verb of a test's: what the engine calls, and what takes nothing that could be wrong.
_OF_THE_ENGINE: Mapping[type, set[str]] = {
    Expectation: {"begin", "claim", "forget_request", "get_inspection", "save", "describe", "matches", "remove"},
    WebSocketExpectation: {"remove"},
    Hold: {"drop_before", "reply_to", "report_unanswered"},
}

_TIMEOUTS: tuple[Any, ...] = (-1, "1", True)


def _with_criteria(verb: str, *path: str) -> Calls:
    return (
        lambda of: getattr(of, verb)(*path, jsn=1),
        lambda of: getattr(of, verb)(*path, json=1, form={"a": "b"}),
        lambda of: getattr(of, verb)(*path, host="a b"),
        lambda of: getattr(of, verb)(*path, query={"a": object()}),
        lambda of: getattr(of, verb)(*path, where=5),
        lambda of: getattr(of, verb)(*path, headers=5),
    )


def _script(verb: str) -> Calls:
    of_method = () if verb in ("on", "expect", "forbid") else (lambda of: getattr(of, verb)("no slash"),)
    if verb not in ("on", "expect", "forbid"):
        return (*_with_criteria(verb, "/"), *of_method, lambda of: getattr(of, verb)("/", times=-1))
    return (
        *_with_criteria(verb, "GET", "/"),
        lambda of: getattr(of, verb)("get", "/"),
        lambda of: getattr(of, verb)("GET", "no slash"),
        lambda of: getattr(of, verb)("GET", "/", state="paid"),
        lambda of: getattr(of, verb)("GET", "/", name=5),
        lambda of: getattr(of, verb)(method="GET"),
    )


def _timeouts(verb: str) -> Calls:
    return tuple((lambda of, wrong=wrong: getattr(of, verb)(timeout=wrong)) for wrong in _TIMEOUTS)


def _content(verb: str) -> Calls:
    return (
        lambda of: getattr(of, verb)(99),
        lambda of: getattr(of, verb)("404"),
        lambda of: getattr(of, verb)(200, {"a": 1}),
        lambda of: getattr(of, verb)(200, [b"a"]),
        lambda of: getattr(of, verb)(200, "a", json=1),
        lambda of: getattr(of, verb)(204, "a"),
        lambda of: getattr(of, verb)(Reply(200), b"a"),
        lambda of: getattr(of, verb)(200, headers={"X": 1}),
        lambda of: getattr(of, verb)(200, delay=-1),
        lambda of: getattr(of, verb)(200, "a", throttle=float("inf")),
        lambda of: getattr(of, verb)(200, headers=0),
        lambda of: getattr(of, verb)(200, cookies=False),
        lambda of: getattr(of, verb)(200, jsn=1),
        lambda of: getattr(of, verb)(200, "a", content_type="a/b", headers={"Content-Type": None}),
    )


def _enter_twice(of: HTTPStub) -> None:
    with of.in_order(), of.in_order():
        pass


_DOCUMENT = {"openapi": "3.0.0", "info": {"title": "Shop", "version": "1"}, "paths": {}}
_STUB: Mapping[str, Calls] = {
    **{verb: _script(verb) for verb in ("on", "expect", "forbid")},
    **{verb: _script(verb) for verb in ("get", "post", "put", "patch", "delete", "head", "options")},
    **{
        verb: (
            *_with_criteria(verb, "/"), lambda of, verb=verb: getattr(of, verb)("no slash"),
            lambda of, verb=verb: getattr(of, verb)("/", times=-1),
            lambda of, verb=verb: getattr(of, verb)("/", name=5),
            lambda of, verb=verb: getattr(of, verb)("/", subprotocols=5),
            lambda of, verb=verb: getattr(of, verb)("/", subprotocols=[""]),
            lambda of, verb=verb: getattr(of, verb)("/", subprotocol="v1"),
        )
        for verb in ("on_websocket", "expect_websocket")
    },
    "allow_unmatched": tuple(
        (lambda of, call=call: call(of).__enter__()) for call in _with_criteria("allow_unmatched")
    ),
    "defaults": (*_with_criteria("defaults"), lambda of: of.defaults(prefix="v1"), lambda of: of.defaults(prefx="/v1"),
        lambda of: of.defaults(reply_headers={"X-A": None}),
    ),
    "scenario": (
        lambda of: of.scenario(""), lambda of: of.scenario("a", 5),
        lambda of: (of.scenario("a", "new"), of.scenario("a", "old")),
    ),
    "in_order": (lambda of: of.in_order(5), _enter_twice),
    "serve_content": (
        lambda of: of.serve_content(5), lambda of: of.serve_content("", 99), lambda of: of.serve_content(chunked=5),
        lambda of: of.serve_content(delay=-1), lambda of: of.serve_content(contnt=""),
        lambda of: of.serve_content(headers=5), lambda of: of.serve_content([5]),
        lambda of: of.serve_content(show_post_vars="no"),
    ),
    "enqueue": (
        lambda of: of.enqueue(None), lambda of: of.enqueue(99), lambda of: of.enqueue(200, method="get"),
        lambda of: of.enqueue(object()), lambda of: of.enqueue(200, methd="GET"),
    ),
    "scope": (lambda of: of.scope(5),),
    "on_connect": (
        lambda of: of.on_connect("reset"), lambda of: of.on_connect(Fault.TRUNCATE),
        lambda of: of.on_connect(Fault.RESET, times=0), lambda of: of.on_connect(Fault.EXPIRED_CERT),
    ),
    "refuse_connections": (lambda of: (of.refuse_connections(), of.refuse_connections()),),
    "blackhole": (lambda of: (of.blackhole(), of.blackhole()),),
    "close_connections": (lambda of: of.close_connections(True), lambda of: of.close_connections(reset="no")),
    "take_request": _timeouts("take_request"),
    "wait_for_request": (
        *_timeouts("wait_for_request"), *_with_criteria("wait_for_request"),
        lambda of: of.wait_for_request(times=-1), lambda of: of.wait_for_request("get"),
    ),
    "wait_until_satisfied": (
        *_timeouts("wait_until_satisfied"), lambda of: of.wait_until_satisfied(stop=True),
        lambda of: of.wait_until_satisfied(stop_on_unmatched="no"),
    ),
    "wait_until_idle": (lambda of: of.wait_until_idle(-1), lambda of: of.wait_until_idle("1")),
    "stop": (lambda of: of.stop(-1), lambda of: of.stop("1")),
    "start": (lambda of: of.start(),),  # it runs
    "begin": (lambda of: of.begin(), lambda of: of.begin(5)),
    "reset": (lambda of: of.reset(5),), "verify": (lambda of: of.verify(5),),
    "check": (lambda of: of.check(5),), "explain": (lambda of: of.explain(5),),
    "failure_report": (lambda of: of.failure_report(5),), "client_context": (lambda of: of.client_context(5),),
    "load_har": (
        lambda of: of.load_har("/no/such/file"), lambda of: of.load_har(5), lambda of: of.load_har("x", strickt=True),
        lambda of: of.load_har("x", match=("verb",)), lambda of: of.load_har("x", match=()),
    ),
    "record": (
        lambda of: of.record("http://a", "/no/such/file"), lambda of: of.record("http://a", "x", match=("verb",)),
        lambda of: of.record("http://a", 5),
    ),
    "load_openapi": (
        lambda of: of.load_openapi("/no/such/file"), lambda of: of.load_openapi(5), lambda of: of.load_openapi({}),
        lambda of: of.load_openapi(_DOCUMENT, strict="no"), lambda of: of.load_openapi(_DOCUMENT, base_path="v1"),
        lambda of: of.load_openapi(_DOCUMENT, stric=True),
    ),
    "save_har": (lambda of: of.save_har("/no/such/folder/file"), lambda of: of.save_har(5.0)),
    "as_proxy": (lambda of: of.as_proxy(),),
    "proxy_environ": (lambda of: of.proxy_environ(),),
    "environ": (lambda of: of.environ(5),), "url_for": (lambda of: of.url_for(5),),
}  # fmt: skip

_EXPECTATION: Mapping[str, Calls] = {
    "reply": _content("reply"),
    "reply_sequence": (
        lambda of: of.reply_sequence(), lambda of: of.reply_sequence(None), lambda of: of.reply_sequence(200, then="x"),
    ),
    "reply_with": (lambda of: of.reply_with(5), lambda of: of.reply_with(object())),
    "reply_stream": (
        lambda of: of.reply_stream("abc"), lambda of: of.reply_stream(iter("ab")), lambda of: of.reply_stream([5]),
        lambda of: of.reply_stream(["a"], 99), lambda of: of.reply_stream(["a"], 204),
        lambda of: of.reply_stream(["a"], headers={"Content-Type": "a/b"}, content_type="a/b"),
    ),
    "reply_sse": (
        lambda of: of.reply_sse("abc"), lambda of: of.reply_sse(iter("ab")), lambda of: of.reply_sse([5]),
        lambda of: of.reply_sse([], keep_open="no"),
    ),
    "reply_redirect": (lambda of: of.reply_redirect(""), lambda of: of.reply_redirect("/", 200)),
    "reply_raw": (lambda of: of.reply_raw("text"),),
    "reply_wsgi": (lambda of: of.reply_wsgi("app"),),
    "forward_to": (
        lambda of: of.forward_to("example.com"), lambda of: of.forward_to("http://a", timeout=-1),
        lambda of: of.forward_to("https://a", ca_file="/no/such/file"), lambda of: of.forward_to("http://a:x"),
        lambda of: of.forward_to("http://user:secret@a"),
    ),
    "fail": (
        lambda of: of.fail("reset"), lambda of: of.fail(Fault.RESET, FaultPoint.CONNECT),
        lambda of: of.fail(Fault.RESET, 5),
        lambda of: of.fail(Fault.TRUNCATE, FaultPoint.RESPONSE_START), lambda of: of.fail(Fault.RESET, after_bytes=1),
        lambda of: of.fail(Fault.TRUNCATE, after_bytes=-1), lambda of: of.reply(201).fail(Fault.TRUNCATE),
    ),
    "hold": (lambda of: of.hold(timeout=None), lambda of: of.hold(timeout=-1)),
    "after": (lambda of: of.after(5),),
    "then_state": (lambda of: of.then_state("paid"),),
    "wait": (lambda of: of.wait(0), lambda of: of.wait("1"), *_timeouts("wait")),
}  # fmt: skip

_WEBSOCKET: Mapping[str, Calls] = {
    "send": (
        lambda of: of.send(), lambda of: of.send(5), lambda of: of.send({"a": 1}), lambda of: of.send("a", json=1),
        lambda of: of.send(json=object()), lambda of: of.send(jsn=1), lambda of: of.send("\ud800"),
    ),
    "receive": (
        lambda of: of.receive(5), lambda of: of.receive({"a": 1}), lambda of: of.receive("a", json=1),
        lambda of: of.receive(json=object()), lambda of: of.receive(jsn=1),
    ),
    "ping": (lambda of: of.ping("a"), lambda of: of.ping(bytes(126))),
    "pause": (lambda of: of.pause(-1), lambda of: of.pause("1"), lambda of: of.pause(None)),
    "close": (
        *(lambda of, code=code: of.close(code) for code in (0, 999, 1005, 1006, 1015, 2000, 5000, "1000", True)),
        lambda of: of.close(1000, "x" * 124), lambda of: of.close(1000, 5), lambda of: of.close().send("a"),
    ),
    "drop": (lambda of: of.drop(reset="no"), lambda of: of.drop(reste=True), lambda of: of.drop().receive("a")),
    "reply_with": (lambda of: of.reply_with(5), lambda of: of.refuse().reply_with(print)),
    "fail": (
        lambda of: of.fail("garbage"), lambda of: of.fail(Fault.RESET),
        lambda of: of.send("a").fail(WebSocketFault.WRONG_ACCEPT_KEY),
        lambda of: of.fail(WebSocketFault.GARBAGE).close(),
    ),
    "refuse": (*_content("refuse"), lambda of: of.send("a").refuse()),
    "then_state": (lambda of: of.then_state("paid"),),
    "wait": (lambda of: of.wait(0), lambda of: of.wait("1"), *_timeouts("wait")),
    "connection": (*_timeouts("connection"), lambda of: of.connection(timout=1)),
}  # fmt: skip

_HOLD: Mapping[str, Calls] = {
    "reply": (*_content("reply"), lambda of: of.reply(request="x")),
    "drop": (lambda of: of.drop(request="x"), lambda of: of.drop(reset="no")),
    "drop_all": (lambda of: of.drop_all(5),),
    "wait": _timeouts("wait"),
}


_CREATION: Mapping[str, tuple[object, ...]] = {
    "host": (5, None), "hosts": ("api.example.com", 5, [5], ["http://a.example"], ["localhost"]),
    "mode": ("fork", None), "port": (-1, "80", True), "tls": ("yes", ("a",)), "client_auth": ("always", True),
    "keep_alive": ("no", None), "body_limit": (-1, "1", None), "external_host": (5,), "journal_limit": (0, "1", None),
    **dict.fromkeys(("header_timeout", "body_timeout", "start_timeout", "stop_timeout"), (*_TIMEOUTS, None)),
}  # fmt: skip

_SETTINGS: Mapping[str, tuple[object, ...]] = {
    "name": (5, None), "timeout": (*_TIMEOUTS, None), "is_strict": ("no", None), "is_verified": ("no", None),
    "unmatched_reply": (404, None), "content": (5, [5]), "code": (99, "404"), "headers": (5, {"X": 1}), "chunked": (5,),
}  # fmt: skip


def _list_verbs(kind: type) -> set[str]:
    """The public methods that a test calls; the asynchronous form of one is called as that is."""
    names = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}
    return {name for name in names if not name.endswith("_async")} - _OF_THE_ENGINE.get(kind, set())


def _list_settings(kind: type) -> set[str]:
    found = {name: inspect.getattr_static(kind, name) for name in dir(kind)}
    return {name for name, value in found.items() if isinstance(value, property) and value.fset is not None}


class _Awaited:
    """An object whose verbs are called in their asynchronous form, where they have one."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        asynchronous = getattr(self._of, f"{name}_async", None)
        if asynchronous is None:
            return getattr(self._of, name)

        def call(*args: object, **kwargs: object) -> None:
            made = asynchronous(*args, **kwargs)
            asyncio.run(made if inspect.iscoroutine(made) else made.__aenter__())

        return call


class MisuseTest(WireTest, StubTest):
    """Each verb, and each way to call it wrongly."""

    def assert_loud(self, calls: Mapping[str, Calls], make: Callable[[], object]) -> None:
        for verb, wrong in calls.items():
            for number, call in enumerate(wrong):
                for awaited in (False, True) if hasattr(make(), f"{verb}_async") else (False,):
                    with self.subTest(verb=verb, number=number, awaited=awaited):
                        of = _Awaited(make()) if awaited else make()
                        with self.assertRaises((UsageError, TypeError)):
                            call(of)
                        self.stub.begin("shop.test_a")  # what was broken works again

    def test_every_verb_is_here(self) -> None:
        """A new one is missed, and so is a new setting or a new keyword of the stub itself."""
        for kind, calls in (
            (HTTPStub, _STUB),
            (Expectation, _EXPECTATION),
            (Hold, _HOLD),
            (WebSocketExpectation, _WEBSOCKET),
        ):
            self.assertEqual(_list_verbs(kind), set(calls), kind)
        self.assertEqual(_list_settings(HTTPStub), set(_SETTINGS))
        self.assertEqual(set(inspect.signature(HTTPStub).parameters), set(_CREATION))
        self.assertEqual({"state"}, _list_settings(ScenarioScript))

    def test_of_a_stub(self) -> None:
        """What it is told and asked."""
        self.assert_loud(_STUB, lambda: self.stub)

    def test_of_a_websocket(self) -> None:
        """What is said of one, and in which order."""
        self.assert_loud(_WEBSOCKET, lambda: self.stub.on_websocket("/"))

    def test_of_a_view(self) -> None:
        """What is written through one is written as into the stub itself."""
        verbs = {name: _STUB[name] for name in _list_verbs(Script)}
        self.assert_loud(verbs, lambda: self.stub.defaults(headers={"X-A": "1"}))
        with self.assertRaises(UsageError):
            self.stub.scenario("order").state = 5  # type: ignore[assignment]

    def test_of_what_makes_a_stub(self) -> None:
        """Each keyword is checked before anything listens."""
        for keyword, wrong in _CREATION.items():
            for value in wrong:
                with self.subTest(keyword=keyword, value=value), self.assertRaises(UsageError):
                    HTTPStub(**{keyword: value})  # type: ignore[arg-type]

    def test_of_settings(self) -> None:
        """What is refused changes nothing."""
        for setting, wrong in _SETTINGS.items():
            for value in wrong:
                with self.subTest(setting=setting, value=value):
                    before = getattr(self.stub, setting)
                    with self.assertRaises(UsageError):
                        setattr(self.stub, setting, value)
                    self.assertEqual(before, getattr(self.stub, setting))

    def test_of_an_expectation(self) -> None:
        """What it answers; it is as it was afterwards."""
        self.assert_loud(_EXPECTATION, self.stub.on)

    def test_of_a_hold(self) -> None:
        """What is said of a request that is held."""

        def make() -> Hold:
            hold = self.stub.on().hold()
            self.dial().sendall(get())
            hold.wait(HANG)
            return hold

        self.assert_loud(_HOLD, make)
