"""Every verb of a stub, called wrongly: the misuse is an error where it is written."""

from __future__ import annotations

import asyncio
import contextlib
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
from liveserver_testcase.stub.matching import CRITERIA
from liveserver_testcase.stub.reply import ReplyOptions
from liveserver_testcase.stub.script import ScenarioScript, Script
from tests.integration.stub.support import StubTest, WireTest, get
from tests.support import HANG

Given = tuple[tuple[Any, ...], dict[str, Any]]
Calls = tuple[Given | Callable[[Any], object], ...]
"""What a verb is called with; or a function of the object whose verb it is."""

# What is no verb of a test's: what the engine calls, and what takes nothing that could be wrong.
_OF_THE_ENGINE: Mapping[type, set[str]] = {
    Expectation: {"begin", "claim", "forget_request", "get_inspection", "save", "describe", "matches", "remove"},
    WebSocketExpectation: {"remove"},
    Hold: {"drop_before", "reply_to", "report_unanswered"},
}

_TIMEOUTS: tuple[Any, ...] = (-1, "1", True)


def given(*args: Any, **kwargs: Any) -> Given:
    """What a verb is called with."""
    return args, kwargs


def _with_criteria(*where: str) -> Calls:
    return (
        given(*where, jsn=1), given(*where, json=1, form={"a": "b"}), given(*where, host="a b"),
        given(*where, query={"a": object()}), given(*where, where=5), given(*where, headers=5),
    )  # fmt: skip


_WRONG_TIMEOUTS: Calls = tuple(given(timeout=wrong) for wrong in _TIMEOUTS)
_SCRIPT: Calls = (
    *_with_criteria("GET", "/"), given("get", "/"), given("GET", "no slash"), given("GET", "/", state="paid"),
    given("GET", "/", name=5), given(method="GET"),
)  # fmt: skip
_CONTENT: Calls = (
    given(99), given("404"), given(200, {"a": 1}), given(200, [b"a"]), given(200, "a", json=1), given(204, "a"),
    given(Reply(200), b"a"), given(200, headers={"X": 1}), given(200, delay=-1),
    given(200, "a", throttle=float("inf")), given(200, headers=0), given(200, cookies=False), given(200, jsn=1),
    given(200, "a", content_type="a/b", headers={"Content-Type": None}),
)  # fmt: skip


def _enter_twice(of: HTTPStub) -> None:
    with of.in_order(), of.in_order():
        pass


_DOCUMENT = {"openapi": "3.0.0", "info": {"title": "Shop", "version": "1"}, "paths": {}}
_STUB: Mapping[str, Calls] = {
    **dict.fromkeys(("on", "expect", "forbid"), _SCRIPT),
    **dict.fromkeys(
        ("get", "post", "put", "patch", "delete", "head", "options"),
        (*_with_criteria("/"), given("no slash"), given("/", times=-1)),
    ),
    **dict.fromkeys(
        ("on_websocket", "expect_websocket"),
        (*_with_criteria("/"), given("no slash"), given("/", times=-1), given("/", name=5),
         given("/", subprotocols=5), given("/", subprotocols=[""]), given("/", subprotocol="v1")),
    ),
    "allow_unmatched": _with_criteria(),
    "defaults": (*_with_criteria(), given(prefix="v1"), given(prefx="/v1"), given(reply_headers={"X-A": None})),
    "scenario": (given(""), given("a", 5), lambda of: (of.scenario("a", "new"), of.scenario("a", "old"))),
    "in_order": (given(5), _enter_twice),
    "serve_content": (
        given(5), given("", 99), given(chunked=5), given(delay=-1), given(contnt=""), given(headers=5), given([5]),
        given(show_post_vars="no"),
    ),
    "enqueue": (given(None), given(99), given(200, method="get"), given(object()), given(200, methd="GET")),
    "scope": (given(5),),
    "on_connect": (given("reset"), given(Fault.TRUNCATE), given(Fault.RESET, times=0), given(Fault.EXPIRED_CERT)),
    "refuse_connections": (lambda of: (of.refuse_connections(), of.refuse_connections()),),
    "blackhole": (lambda of: (of.blackhole(), of.blackhole()),),
    "close_connections": (given(True), given(reset="no")),
    "take_request": _WRONG_TIMEOUTS,
    "wait_for_request": (*_WRONG_TIMEOUTS, *_with_criteria(), given(times=-1), given("get")),
    "wait_until_satisfied": (*_WRONG_TIMEOUTS, given(stop=True), given(stop_on_unmatched="no")),
    "wait_until_idle": (given(-1), given("1")),
    "stop": (given(-1), given("1")),
    "start": (given(),),  # it runs
    "begin": (given(), given(5)),
    "reset": (given(5),),
    "verify": (given(5),),
    "check": (given(5),),
    "explain": (given(5),),
    "failure_report": (given(5),),
    "client_context": (given(5),),
    "load_har": (
        given("/no/such/file"), given(5), given("x", strickt=True), given("x", match=("verb",)), given("x", match=()),
    ),
    "record": (given("http://a", "/no/such/file"), given("http://a", "x", match=("verb",)), given("http://a", 5)),
    "load_openapi": (
        given("/no/such/file"), given(5), given({}), given(_DOCUMENT, strict="no"), given(_DOCUMENT, base_path="v1"),
        given(_DOCUMENT, stric=True),
    ),
    "save_har": (given("/no/such/folder/file"), given(5.0), given(5)),
    "as_proxy": (given(),),
    "proxy_environ": (given(),),
    "environ": (given(5),),
    "url_for": (given(5),),
}  # fmt: skip

_EXPECTATION: Mapping[str, Calls] = {
    "reply": _CONTENT,
    "reply_sequence": (given(), given(None), given(200, then="x")),
    "reply_with": (given(5), given(object())),
    "reply_stream": (
        given("abc"), given(iter("ab")), given([5]), given(["a"], 99), given(["a"], 204),
        given(["a"], headers={"Content-Type": "a/b"}, content_type="a/b"),
    ),
    "reply_sse": (given("abc"), given(iter("ab")), given([5]), given([], keep_open="no")),
    "reply_redirect": (given(""), given("/", 200)),
    "reply_raw": (given("text"),),
    "reply_wsgi": (given("app"),),
    "forward_to": (
        given("example.com"), given("http://a", timeout=-1), given("https://a", ca_file="/no/such/file"),
        given("http://a:x"), given("http://user:secret@a"),
    ),
    "fail": (
        given("reset"), given(Fault.RESET, FaultPoint.CONNECT), given(Fault.RESET, 5),
        given(Fault.TRUNCATE, FaultPoint.RESPONSE_START), given(Fault.RESET, after_bytes=1),
        given(Fault.TRUNCATE, after_bytes=-1), lambda of: of.reply(201).fail(Fault.TRUNCATE),
    ),
    "hold": (given(timeout=None), given(timeout=-1)),
    "after": (given(5),),
    "then_state": (given("paid"),),
    "wait": (given(0), given("1"), *_WRONG_TIMEOUTS),
}  # fmt: skip

_WEBSOCKET: Mapping[str, Calls] = {
    "send": (
        given(), given(5), given({"a": 1}), given("a", json=1), given(json=object()), given(jsn=1), given("\ud800"),
    ),
    "receive": (given(5), given({"a": 1}), given("a", json=1), given(json=object()), given(jsn=1)),
    "ping": (given("a"), given(bytes(126))),
    "pause": (given(-1), given("1"), given(None)),
    "close": (
        *map(given, (0, 999, 1005, 1006, 1015, 2000, 5000, "1000", True)),
        given(1000, "x" * 124), given(1000, 5), lambda of: of.close().send("a"),
    ),
    "drop": (given(reset="no"), given(reste=True), lambda of: of.drop().receive("a")),
    "reply_with": (given(5), lambda of: of.refuse().reply_with(print)),
    "fail": (
        given("garbage"), given(Fault.RESET), lambda of: of.send("a").fail(WebSocketFault.WRONG_ACCEPT_KEY),
        lambda of: of.fail(WebSocketFault.GARBAGE).close(),
    ),
    "refuse": (*_CONTENT, lambda of: of.send("a").refuse()),
    "then_state": (given("paid"),),
    "wait": (given(0), given("1"), *_WRONG_TIMEOUTS),
    "connection": (*_WRONG_TIMEOUTS, given(timout=1)),
}  # fmt: skip

_HOLD: Mapping[str, Calls] = {
    "reply": (*_CONTENT, given(request="x")),
    "drop": (given(request="x"), given(reset="no")),
    "drop_all": (given(5),),
    "wait": _WRONG_TIMEOUTS,
}  # fmt: skip

_CREATION: Mapping[str, tuple[object, ...]] = {
    "host": (5, None), "hosts": ("api.example.com", 5, [5], ["http://a.example"], ["localhost"]),
    "mode": ("fork", None), "port": (-1, "80", True), "tls": ("yes", ("a",)), "client_auth": ("always", True),
    "keep_alive": ("no", None), "body_limit": (-1, "1", None), "external_host": (5,), "journal_limit": (0, "1", None),
    **dict.fromkeys(("header_timeout", "body_timeout", "start_timeout", "stop_timeout"), (*_TIMEOUTS, None)),
}  # fmt: skip

_SERVED = ("content", "code", "headers", "chunked", "cookies", "delay", "show_post_vars")
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
                            made = call(of) if callable(call) else getattr(of, verb)(*call[0], **call[1])
                            made.__enter__()  # what is written with ``with`` is checked there
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

    def test_of_values_of_any_kind(self) -> None:
        """Whatever is given for a keyword, it is taken or refused: no other error comes out of it."""
        odd: list[Any] = [
            5, -1, 1.5, float("nan"), True, None, "x", "x\r\ny", "\ud800", "a\0b", b"x", object(), print, (1, 2),
            ("gzip",), [1], [None], [b"x"], [("a",)], [("a", "b", "c")], {1: 2}, {None: "x"}, {"a": 1}, {"a": None},
            {"": "x"}, {"a b": "x"}, [103, (104, 5)], {"a": {"value": "b", "domain": 5}},
            {"a": {"value": "b", "samesite": 5}},
        ]  # fmt: skip
        calls: dict[str, Callable[[Any], object]] = {
            **{name: lambda value, name=name: Reply(200, **{name: value}) for name in ReplyOptions.__annotations__},
            **{name: lambda value, name=name: self.stub.serve_content(**{name: value}) for name in _SERVED},
            "ca_file": lambda value: self.stub.on().forward_to("https://a", ca_file=value),
            "load_har": self.stub.load_har,
            "save_har": lambda value: isinstance(value, str | bytes) or self.stub.save_har(value),
            "record": lambda value: self.stub.record("http://a", value),
            **{f"on {name}": lambda value, name=name: self.stub.on("GET", "/", **{name: value}) for name in CRITERIA},
            **{
                verb: lambda value, verb=verb: getattr(self.stub.on(), verb)(value)
                for verb in _EXPECTATION
                if verb not in ("wait", "hold")
            },
        }
        for name, call in calls.items():
            for value in odd:
                with self.subTest(name=name, value=value), contextlib.suppress(UsageError):
                    call(value)

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
