"""Fixtures for pytest: ``pytest_plugins = ["liveserver_testcase.pytest_plugin"]``, or ``-p`` with that name.

How it works: each fixture runs the servers of a test class that is made for it, so that settings, environment variables
and reports are those of the mixins.  What the servers hold against a test fails that test itself, in its call, and not
the end of its fixtures.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from .cases.after_failure import FailureFolder, find_folder, find_screenshot
from .cases.base import ServerTestCase, make_failure
from .cases.class_server import ClassRun
from .cases.failure_text import add_note, as_note
from .cases.live import LiveServerTestCase
from .cases.live_handle import LiveServerHandle
from .cases.smtp import SMTPTestCase
from .cases.stub import HTTPStubTestCase
from .errors import UsageError
from .mail.server import SMTPServer
from .stub.server import HTTPStub

__all__ = ["live", "make_stub", "smtp", "stub"]

__tracebackhide__ = True

_SCOPES = ("function", "class", "module", "package", "session")
_ABOUT_SCOPES = f"how long a server lasts: {', '.join(_SCOPES)}"
_RUNS = pytest.StashKey[list[ClassRun]]()  # of a test, the servers that judge it


# -- settings ----------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options, under the names that users of pytest-flask know; where that is there, its own are read."""
    for name in ("stub_scope", "smtp_scope"):
        parser.addini(name, _ABOUT_SCOPES, default="function")
    if _is_pytest_flask_there(pluginmanager):
        return
    parser.addini("live_server_scope", _ABOUT_SCOPES, default="function")
    group = parser.getgroup("liveserver_testcase", "live servers, stubs and mail servers")
    group.addoption("--live-server-host", help="where `live` listens")
    group.addoption("--live-server-port", type=int, help="the port of `live`; one that is free by default")
    group.addoption("--live-server-wait", type=float, help="seconds that a start of `live` may take")
    for name, destination, text in (
        ("--no-start-live-server", "start_live_server", "leave that to tests"),
        ("--no-live-server-clean-stop", "live_server_clean_stop", "cut requests in flight when it stops"),
    ):
        group.addoption(name, action="store_false", dest=destination, help=text)


def _is_pytest_flask_there(pluginmanager: pytest.PytestPluginManager) -> bool:
    """Whether it is loaded, or will be: a plugin that ``-p`` names is loaded before those that are installed."""
    if pluginmanager.hasplugin("flask"):
        return True
    is_installed = importlib.util.find_spec("pytest_flask") is not None
    return is_installed and not pluginmanager.is_blocked("flask") and "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in os.environ


def _find_scope(name: str) -> Any:
    def find(fixture_name: str, config: pytest.Config) -> str:
        scope = str(config.getini(name))
        if scope not in _SCOPES:
            raise UsageError(f"{name} is {scope!r}; wanted one of {', '.join(_SCOPES)}")
        return scope

    return find


# -- fixtures ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _running(
    request: pytest.FixtureRequest, base: type[ServerTestCase], name: str, attributes: dict[str, Any]
) -> Iterator[Any]:
    """Run the servers of a test class that is made for a fixture."""
    owner = f"{name} of {request.node.nodeid or 'the session'}"  # the folder of what fails in setUpClass() is named so
    case: Any = type(name, (base,), {**attributes, "__module__": __name__, "__qualname__": owner})
    try:
        case.setUpClass()
        yield case
    finally:
        try:
            case.tearDownClass()
        finally:
            case.doClassCleanups()
            if case.tearDown_exceptions:
                raise case.tearDown_exceptions[0][1]


def _begin(request: pytest.FixtureRequest, case: type[ServerTestCase]) -> None:
    """Begin the test on the servers of a class, which judge it when it is over."""
    run = case._own_run()
    run.begin(request.node.nodeid)
    request.node.stash.setdefault(_RUNS, []).append(run)


@pytest.fixture(scope=_find_scope("stub_scope"))
def _stub_case(request: pytest.FixtureRequest) -> Iterator[Any]:
    with _running(request, HTTPStubTestCase, "stub", {}) as case:
        yield case


@pytest.fixture
def stub(request: pytest.FixtureRequest, _stub_case: type[HTTPStubTestCase]) -> HTTPStub:
    """A running `HTTPStub`; what it holds against the test fails it, as in `HTTPStubTestCase`."""
    _begin(request, _stub_case)
    return _stub_case.stub


@pytest.fixture
def make_stub(request: pytest.FixtureRequest) -> Iterator[Callable[..., HTTPStub]]:
    """A function that starts a further stub: ``make_stub("payments", tls=True)``; keywords as of `HTTPStubTestCase`."""
    made = contextlib.ExitStack()

    def make(name: str = "", **settings: Any) -> HTTPStub:
        attributes = {f"stub_{name.removeprefix('stub_')}": value for name, value in settings.items()}
        for attribute in attributes:
            if attribute not in vars(HTTPStubTestCase):
                raise UsageError(
                    f"make_stub() was given {attribute.removeprefix('stub_')!r}, which is no setting of a stub"
                )
        case = made.enter_context(_running(request, HTTPStubTestCase, name or "stub", attributes))
        running: HTTPStub = case.stub
        running.name = name
        _begin(request, case)
        return running

    with made:
        yield make


@pytest.fixture(scope=_find_scope("smtp_scope"))
def _smtp_case(request: pytest.FixtureRequest) -> Iterator[Any]:
    with _running(request, SMTPTestCase, "smtp", {}) as case:
        yield case


@pytest.fixture
def smtp(request: pytest.FixtureRequest, _smtp_case: type[SMTPTestCase]) -> SMTPServer:
    """A running `SMTPServer`, whose `outbox` has the mail of the test."""
    _begin(request, _smtp_case)
    return _smtp_case.smtp


@pytest.fixture(scope=_find_scope("live_server_scope"))
def _live_case(request: pytest.FixtureRequest, app: Any) -> Iterator[Any]:
    option = request.config.getoption
    settings = {
        "live_host": option("live_server_host", None),
        "live_port": option("live_server_port", None),
        "live_start_timeout": option("live_server_wait", None),
        "live_autostart": option("start_live_server", True),
    }
    attributes = {name: value for name, value in settings.items() if value is not None}
    if not option("live_server_clean_stop", True):
        attributes |= {"live_stop_timeout": 0.0, "live_pending_timeout": 0.0}
    attributes["create_app"] = classmethod(lambda cls: app)
    with _running(request, LiveServerTestCase, "live", attributes) as case:
        yield case


@pytest.fixture
def live(request: pytest.FixtureRequest, _live_case: type[LiveServerTestCase]) -> LiveServerHandle:
    """The application of the fixture ``app`` on a live port; what it raises fails the test."""
    _begin(request, _live_case)
    return _live_case.live_server


# -- the life of a test ------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Ask the test's servers what they hold against it, when it has run."""
    result, error = None, None
    try:
        result = yield
    except BaseException as raised:
        error = raised
    runs, is_skipped = item.stash.get(_RUNS, []), isinstance(error, pytest.skip.Exception)
    found = [make_failure(run.end_test(is_skipped), AssertionError, getattr(item, "function", None)) for run in runs]
    failures = [failure for failure in found if failure is not None]
    if error is None and not failures:
        return result
    if error is None:
        error = failures.pop(0)
    elif not is_skipped:
        for run in runs:
            run.failed(item.nodeid)
        for note in [text for run in runs for text in (run.explain(error), run.describe_activity()) if text]:
            add_note(error, note)
    for failure in failures:
        add_note(error, as_note(failure))
    # neither what is expected, nor what skips the test or ends the run
    if isinstance(error, Exception | pytest.fail.Exception) and not isinstance(error, pytest.xfail.Exception) and runs:
        folder = FailureFolder(find_folder(ServerTestCase), item.nodeid)
        folder.look(lambda: find_screenshot(getattr(item, "funcargs", {}).get))
        folder.write([(item.nodeid, error)], [server for run in runs for server in run.servers])
    try:
        raise error
    finally:
        del error, failures, found  # else its traceback leads to this frame, and that back to it


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Forget which servers have judged the test."""
    if _RUNS in item.stash:
        del item.stash[_RUNS]
