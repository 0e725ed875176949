"""The live application as the base drives it: its scope, the life of a test, what is held against it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from ..core.listener import Listener
from ..core.masking import mask
from ..core.started import StartedBlock, StartedCoroutine
from ..core.text import count, escape, one_line
from ..core.tracebacks import fold_stack
from ..errors import LiveServerTestCaseError, ServerStartError, UsageError
from ..web.live import LiveServer
from ..web.records import RequestRecord
from .class_server import ClassServer, Problem
from .failure_text import format_error, members_of, name_error
from .live_address import LiveAddress
from .live_debug import LogCapture, watch_threads
from .live_shared import end_others, get_shared

if TYPE_CHECKING:
    from ..web.openapi import Document
    from .live import LiveServerTestCase

__all__ = ["LiveAdapter", "describe_errors", "describe_exchange", "describe_pending"]

__unittest = True
__tracebackhide__ = True

SCOPES = ("test", "function", "class", "module", "package", "session")

Raised = tuple[RequestRecord, BaseException]

_MOST = 20  # errors or requests that are listed; a page that polls can cause hundreds
_MOST_LINES = 60  # of what was logged: room for a traceback with what led to it


class LiveAdapter(ClassServer[LiveServer]):
    """The live application of a class, which makes the address and the server, and has the settings."""

    def __init__(self, name: str, case: type[LiveServerTestCase]) -> None:
        super().__init__(name, self._make_server, order=30)
        self._case = case
        self._openapi: Document | None = None  # to which responses are held; read when the class starts
        scope = case.setting("live_scope", "LIVESERVER_SCOPE", str, SCOPES)
        self.scope = "test" if scope == "function" else scope
        self._starts = case.setting("live_autostart", "LIVESERVER_AUTOSTART", bool)
        self.pending_timeout = case.setting("live_pending_timeout", "LIVESERVER_PENDING_TIMEOUT", float)
        self._raises = case.setting("live_raise_errors", "LIVESERVER_RAISE_ERRORS", bool)
        self._ignored = check_kinds(f"{case.__name__}.live_ignored_errors", case.live_ignored_errors)
        self.address: LiveAddress | None = None  # where the server is going to listen, while it is made
        self._kept_port: Listener | None = None  # of a server that a test has stopped, for its next start
        self._warn_of_threads: Callable[[LiveServer], None] | None = None  # set when the server is made
        self.log = LogCapture()
        self._should_run = False
        self._refused: BaseException | None = None  # why the server of this test could not start
        # what is held against a test, or was said of it
        self._unreported: list[Raised] = []  # of whatever test
        self._reported: list[BaseException] = []  # of this test, and in its report
        self._pending: list[tuple[RequestRecord, str]] = []  # each with its stack
        self._fault: LiveServerTestCaseError | None = None  # what the server has died of, as far as it is known
        self.started: list[StartedCoroutine | StartedBlock] = []  # what the test is to await, or to enter

    # -- the life of the class ---------------------------------------------------------------------------------------

    def start(self) -> None:
        case = self._case
        end_others(case.__module__)
        source = case._read_openapi()
        if source is not None:
            from ..web.openapi import read_document  # with openapi-core, which takes a second to import

            self._openapi = read_document(source)
        if self.scope == "test":
            return
        if self.scope == "class":
            self.server = self._make()
            if self._starts:
                self.server.start()
        else:
            self.server = get_shared(case._live_key(), case.__module__, self.scope, self._make, starts=self._starts)
        self._should_run = self.server.is_running

    def _make_server(self) -> LiveServer:
        """Make the server; its start can ask for it already: the startup of an ASGI application may read its URL."""
        self._warn_of_threads = watch_threads()
        address = self.address = self._case._make_live_address()
        try:
            self.server = self._case._make_live_server(address)
        except BaseException:
            address.close()
            raise
        finally:
            self.address = None
        return self.server

    def stop(self) -> None:
        self.log.end()
        self._end_server(self._server if self.scope in ("test", "class") else None)

    def _end_server(self, server: LiveServer | None) -> None:
        """Give a port up that is kept, and stop a server that is nobody else's; its application may leave threads."""
        self._should_run = False
        kept, self._kept_port = self._kept_port, None
        if kept is not None:
            kept.close()
        if server is None:
            return
        warn, self._warn_of_threads = self._warn_of_threads, None  # said once: a test's is stopped again with its class
        try:
            server.stop()
        finally:
            if warn is not None:
                warn(server)

    def switch(self, on: bool) -> None:
        """Start or stop the server because its test, or class, wants it."""
        server = self.server
        was_running, self._should_run = server.is_running, on
        if on and not was_running:
            kept, self._kept_port = self._kept_port, None
            if kept is not None:
                server.adopt(kept)
            server.start()
        elif not on:
            server.stop()
            if was_running:
                with contextlib.suppress(ServerStartError):  # somebody was faster, as the next start will say
                    self._kept_port = Listener(server.host, server.port, listens=False)

    def explain_absence(self) -> str:
        if self._refused is not None:
            return f"it could not start: {name_error(self._refused)}"
        if self.address is not None:
            return "create_app() is making its application; until then there is only its address, such as live_url()"
        if self.scope == "test" and not self.is_made:
            return "with live_scope = 'test' each test gets a server of its own, when it begins"
        return ""

    # -- the life of a test ------------------------------------------------------------------------------------------

    def begin(self, test_id: str) -> None:
        if self.scope == "test":
            before, self._server, self._refused = self._server, None, None
            self._end_server(before)  # what is left of a test that has not ended properly
            try:
                server = self._make()
                if self._starts:
                    server.start()
            except Exception as error:
                self._server, self._refused = None, error
                raise
            self._should_run = server.is_running
        if not self._should_run and self._starts:
            self.switch(True)  # the test before has stopped it
        self._unreported.clear()
        self._reported.clear()
        self.started.clear()
        self.server.begin(test_id)
        self.log.begin(self.server)

    def await_rest(self, timeout: float) -> list[RequestRecord]:
        """Wait until no request of this test is in flight; those that still are after ``timeout`` seconds."""
        return self.server.wait_until_idle(timeout, self.server.journal.window)

    def settle(self) -> None:
        self._fault = None
        try:
            pending = self.await_rest(self.pending_timeout)
            self._pending = [(record, self.server.stack_of(record)) for record in pending]
        except LiveServerTestCaseError as error:  # its process has died
            self._fault = error
        if self.scope == "test":
            self._end_server(self.server)

    def gather(self) -> list[Raised]:
        """What the application has raised in this test so far, and nobody wanted."""
        with contextlib.suppress(LiveServerTestCaseError):  # its process has died, which is said elsewhere
            for raised in self.server.take_errors():
                if self._raises and not is_one_of(raised[1], self._ignored):
                    self._unreported.append(raised)
        window = self.server.journal.window
        return [raised for raised in self._unreported if raised[0].window == window]

    def take(self, errors: Collection[Raised]) -> None:
        """Note that these have been reported, or were expected."""
        self._unreported = [raised for raised in self._unreported if raised not in errors]

    def problems(self) -> list[Problem]:
        forgotten = [call.explain_if_forgotten() for call in self.started]
        problems = [Problem(text) for text in forgotten if text]
        try:  # what has become of the server itself
            if self._fault is not None:
                raise self._fault
            self.server.check()
            if self._should_run and self.server.death is None and not self.server.is_running:  # a death has been said
                problems.append(Problem(f"{self.server!r} does not run any more, and no test has stopped it"))
        except LiveServerTestCaseError as error:
            problems.append(Problem(str(error), error.__cause__))
        mine = self.gather()
        self.take(mine)
        self._reported += [error for _, error in mine]
        if mine:
            problems.append(describe_errors("the application raised", mine))
        if self._openapi is not None:
            problems += self._compare_responses(self._openapi)
        pending, self._pending = self._pending, []
        if pending:
            what = f"still in flight {self.pending_timeout:g} s after the test:"
            problems.append(Problem("\n".join([what, describe_pending(pending)])))
        return problems

    def _compare_responses(self, document: Document) -> list[Problem]:
        """What the OpenAPI document does not allow; an exception behind a response says more, and is reported."""
        lines: list[str] = []
        for record in self.server.journal.entries(self.server.journal.window):
            found = [] if record.errors else document.check_exchange(record)
            if found:
                lines += [f"  {record.describe()} -> {record.status}", *(f"    {each}" for each in found[:_MOST])]
        more = [f"  … {len(lines) - _MOST_LINES:,} more lines"] if len(lines) > _MOST_LINES else []
        what = f"the application's responses are not as {document.name} has them:"
        return [Problem("\n".join([what, *lines[:_MOST_LINES], *more]))] if lines else []

    def describe_activity(self) -> str:
        server = self.server
        records = server.journal.entries(server.journal.window)
        if not records:
            return f"the live server at {server.url} was sent no request in this test"
        lines = [f"the live server at {server.url} was sent {count(len(records), 'request')} in this test:"]
        lines += [f"  … {len(records) - _MOST:,} more …"] if len(records) > _MOST else []
        lines += [f"  {describe_exchange(record, self._reported)}" for record in records[-_MOST:]]
        if any(record.status == 404 and re.search("(?<!:)//", record.path) for record in records):
            lines.append("slashes are doubled: live_url() ends with one, live_server.url with none")
        output = server.output
        logged = self.log.describe(self._reported) if output is None else mask(output).splitlines()
        if logged:
            lines.append("it logged:" if output is None else "it printed:")
            lines += ["  …"] if len(logged) > _MOST_LINES else []
            lines += [f"  {escape(line)}".rstrip() for line in logged[-_MOST_LINES:]]
        return "\n".join(lines)

    def late_problems(self) -> list[Problem]:
        self.gather()
        late, self._unreported = self._unreported, []  # the test whose these are has been reported
        tests = dict.fromkeys(record.window for record, _ in late)
        return [
            describe_errors(
                f"left over from {test.name}: the application raised", [e for e in late if e[0].window == test]
            )
            for test in tests
        ]

    def output(self) -> str:
        output = self.server.output
        return self.log.text if output is None else output

    def end(self) -> None:
        self.log.end()


def is_one_of(
    error: BaseException, kinds: tuple[type[BaseException], ...], regex: re.Pattern[str] | None = None
) -> bool:
    """Whether ``error`` is of one of these types, with such a text, or a group of nothing else.

    Frameworks with task groups raise what a handler raised in a group of one.
    """
    if isinstance(error, kinds) and (regex is None or regex.search(str(error)) is not None):
        return True
    inner = members_of(error)
    return bool(inner) and all(is_one_of(member, kinds, regex) for member in inner)


def describe_errors(what: str, errors: list[Raised]) -> Problem:
    """One problem for several errors: the first is its cause, the tracebacks of others that differ are printed."""
    count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
    listed = errors[:_MOST]
    lines = [f"{what} {count}:"]
    lines += [f"  {record.describe()}: {name_error(error)}" for record, error in listed]
    if len(errors) > len(listed):
        lines.append(f"  … and {len(errors) - len(listed)} more")
    shown = {format_error(errors[0][1])}
    for record, error in listed[1:]:
        text = format_error(error)
        if text not in shown:
            shown.add(text)
            lines += ["", f"{record.describe()}:", text]
    return Problem("\n".join(lines), errors[0][1])


def describe_exchange(record: RequestRecord, reported: Collection[BaseException] = ()) -> str:
    """A request, what it was answered with, and the exceptions behind that which are not ``reported`` elsewhere."""
    raised = [name_error(error) for error in record.errors if not any(error is known for known in reported)]
    outcome = str(record.status or record.aborted or ("nothing" if record.is_over else "nothing yet"))
    outcome += f" ({one_line(record.refused)})" if record.refused else ""
    return ", raised ".join([f"{record.describe()} -> {outcome}", *map(one_line, raised)])


def describe_pending(pending: list[tuple[RequestRecord, str]]) -> str:
    """Requests in flight, a line each, and where the application is with them."""
    lines = []
    for record, stack in pending:
        lines.append(f"  {record.describe()}, {record.age:.1f} s old{', at' if stack else ''}")
        lines += [f"    {line}" for line in fold_stack(stack).rstrip().splitlines()]
    return "\n".join(lines)


def check_kinds(
    what: str, kinds: type[BaseException] | tuple[type[BaseException], ...]
) -> tuple[type[BaseException], ...]:
    """Exception types as a tuple; refuse what is none."""
    listed = kinds if isinstance(kinds, tuple) else (kinds,)
    for kind in listed:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise UsageError(f"{what} got {kind!r}; wanted an exception type, or a tuple of them")
    return listed
