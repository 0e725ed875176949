"""The stub's tests once more, with a stub in a process of its own: what a test sees of it is the same."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any
from unittest import mock

from liveserver_testcase import HTTPStub, Reply
from tests.integration.stub import (
    test_answering,
    test_content,
    test_facts,
    test_hold,
    test_misbehaviour,
    test_misuse,
    test_outage,
    test_script,
    test_server,
    test_stub,
    test_stub_assertions,
)
from tests.integration.stub.support import StubTest
from tests.support import NoLeaks

_MODULES = (
    test_answering, test_content, test_facts, test_hold, test_misbehaviour, test_misuse, test_outage, test_script,
    test_server,
)  # fmt: skip

# What they script with cannot be sent: functions that are defined in the test, a Flask application.
_CANNOT_BE_SENT = {
    "AnsweringHandlerTest": (
        "test_coroutines", "test_it_runs_outside_the_lock", "test_nonsense",
        "test_nothing_is_injected", "test_what_it_is_given", "test_what_it_may_return", "test_what_it_raises",
    ),
    "AnsweringHookTest": ("test_several", "test_the_reply_stays_what_it_is"),
    "AnsweringApplicationTest": ("test_flask", "test_what_it_announces"),
    "FactsFactsTest": ("test_of_a_chunked_request",),
    "FactsKeepingTest": ("test_what_a_handler_reads_stays",),
    "FactsLimitTest": ("test_references",),
    "MisbehaviourRequestTest": ("test_other_requests_are_read",),
    "MisbehaviourTogetherTest": ("test_the_order_of_words_is_free",),
    "ScriptAloneTest": ("test_a_predicate",),
}  # fmt: skip
_THREAD_ONLY = {
    **_CANNOT_BE_SENT,
    "HoldHoldTest": ("test_a_request_of_a_test_that_is_over", "test_without_a_stub"),  # they play the server
    "MisuseMisuseTest": ("test_of_a_websocket",),  # there are no WebSockets in a process
}
# What is about the time before the first test, about the first connections, or stops its stub wants one of its own.
_ALONE = {
    "test_after_other_replies", "test_they_end_with_the_test", "test_of_a_kept_connection",
    "test_of_a_plain_request", "test_a_stop_in_the_middle", "test_a_stop_ends_every_one", "test_a_client_that_leaves",
    "test_one_that_was_removed_is_not_waited_for",
    "test_what_is_left_over_is_gone_with_its_test", "test_the_test_can_move_it",
}  # fmt: skip
# They say the same of each mode, and last long.
_ONCE = {
    "test_take_request_that_comes_slowly",
    "test_of_what_makes_a_stub",
    "test_of_values_of_any_kind",
    "test_every_verb_is_here",
    "test_without_a_file_or_a_working_directory",
    "test_a_package_with_a_similar_name_is_not_ours",
}


class InProcess(StubTest):
    """One stub, in one process, for a class: starting one takes longer than most tests."""

    shared: HTTPStub

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = HTTPStub(mode="process")
        cls.addClassCleanup(cls.shared.stop)
        cls.shared.start()

    def make_stub(self, **options: Any) -> HTTPStub:
        if options or self._testMethodName in _ALONE:
            return super().make_stub(mode="process", **options)
        stub = self.shared
        stub.name, stub.timeout, stub.is_strict, stub.is_verified = "", 2.0, True, True
        stub.unmatched_reply = Reply(501)
        stub._inspection.reset()
        stub.begin(self.id())
        return stub


def _vary(module: ModuleType) -> dict[str, type[StubTest]]:
    """The classes of a module with a stub in a process."""
    made: dict[str, type[StubTest]] = {}
    for name, kind in vars(module).items():
        if isinstance(kind, type) and issubclass(kind, StubTest) and kind.__module__ == module.__name__:
            varied = f"{module.__name__.rpartition('.')[2].removeprefix('test_').title()}{name}"
            left_out: dict[str, Any] = dict.fromkeys((*_THREAD_ONLY.get(varied, ()), *(_ONCE & set(dir(kind)))))
            made[varied] = type(varied, (InProcess, kind), {**left_out, "__module__": __name__})
    return made


for _module in _MODULES:
    globals().update(_vary(_module))


class _ByEnvironment(NoLeaks):
    """A test that makes classes, whose stubs are in processes."""

    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch.dict(os.environ, STUBSERVER_MODE="process")
        patch.start()
        self.addCleanup(patch.stop)


class CasesVerdictTest(_ByEnvironment, test_stub.VerdictTest):
    """What fails a test by itself."""


class CasesIsolationTest(_ByEnvironment, test_stub.IsolationTest):
    """What survives from test to test."""


class CasesAssertionsTest(test_stub_assertions.AssertionsTest):
    """Assertions, with whatever criteria."""

    stub_mode = "process"


class CasesAsyncTest(test_stub_assertions.AsyncTest):
    """The assertions that are awaited."""

    stub_mode = "process"
