"""What a test asserts of its live application: its errors and its requests."""

from __future__ import annotations

import re
from typing import Any

from ..core.checks import check_seconds, suggest_keywords
from ..core.text import one_line, quote
from ..errors import UsageError
from ..web.records import RequestRecord
from ..web.request_head import TOKEN
from .base import ServerTestCase
from .failure_text import name_error
from .live_adapter import LiveAdapter, Raised, check_kinds, describe_errors, describe_exchange, is_one_of
from .live_address import skip_external
from .live_handle import LiveServerAttribute
from .waiting import Block, Inquiry, Wait, check_times, count_matches, first_or_all, in_coroutine, in_thread

__all__ = ["ExpectedErrors", "LiveAssertions"]

__unittest = True
__tracebackhide__ = True

_PATTERN = 're.compile("/users/[^/]+")'
_MOST = 50  # requests that a report lists


class ExpectedErrors:
    """The errors that a block of a test wants its application to raise.

    Attributes:
        errors: Those that it has raised, once the block is over.
    """

    def __init__(
        self, kinds: type[BaseException] | tuple[type[BaseException], ...], regex: str | re.Pattern[str] | None
    ) -> None:
        self.kinds = check_kinds("expectLiveErrors()", kinds)
        if not isinstance(regex.pattern if isinstance(regex, re.Pattern) else regex, str | None):
            raise UsageError(f"regex is {regex!r}; wanted text, or a compiled pattern of it")
        self.regex = re.compile(regex) if isinstance(regex, str) else regex
        self.errors: list[BaseException] = []

    def takes(self, error: BaseException) -> bool:
        """Whether ``error`` is one of these, or a group of nothing else."""
        return is_one_of(error, self.kinds, self.regex)

    def __str__(self) -> str:
        names = " or ".join(kind.__name__ for kind in self.kinds)
        return names if self.regex is None else f"{names} matching {self.regex.pattern!r}"


class LiveAssertions(ServerTestCase):
    """The assertions of `LiveServerTestCase`."""

    live_server = LiveServerAttribute()

    @classmethod
    def _live_adapter(cls) -> LiveAdapter | None:
        """What drives the server of this class; None for somebody else's."""
        adapter = cls._own_run().adapter("live_server")
        return adapter if isinstance(adapter, LiveAdapter) else None

    @classmethod
    def _own_adapter(cls, what: str) -> LiveAdapter:
        """The same for what needs a server of ours: skips the test that has none."""
        adapter = cls._live_adapter()
        if adapter is None:
            cls.live_server.start  # noqa: B018  # says why it is not there, if it is not
            skip_external(what, cls.live_server.url)
        return adapter

    # -- errors ------------------------------------------------------------------------------------------------------

    @suggest_keywords
    def expectLiveErrors(
        self,
        kinds: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        /,
        regex: str | re.Pattern[str] | None = None,
        times: int | None = None,
    ) -> Block[ExpectedErrors]:
        """Want such exceptions of the application in this block; they do not fail the test.

        Write ``with self.expectLiveErrors(…)``, and ``async with`` in a coroutine.

        Args:
            kinds: An exception type, or a tuple of them.  A group of nothing else counts as one of them.
            regex: What their text must contain (`re.search`); None for any.
            times: How many, 1 or more; None for at least one.

        Returns:
            A context manager; it yields an object whose ``errors`` are theirs, once the block is over.

        Raises:
            AssertionError: They did not come, or not as often.
        """
        low, high = check_times(times, least=1)
        adapter, expected = self._own_adapter("expectLiveErrors()"), ExpectedErrors(kinds, regex)
        before: list[Raised] = []
        server, idle = self.live_server, self.live_server._until_idle()

        def take() -> None:
            taken = [each for each in adapter.gather() if each not in before and expected.takes(each[1])]
            adapter.take(taken)
            expected.errors += [error for _, error in taken]

        def conclude(_advice: str) -> None:
            idle.conclude("")
            take()
            found = len(expected.errors)
            if found < low or (high is not None and found > high):
                wanted = "at least one" if times is None else str(times)
                lines = [f"the application raised {found or 'no'} {expected} in this block; wanted {wanted}"]
                if server.errors:
                    lines[0] += ". In this test it has raised"
                    lines += [f"  {name_error(error)}" for error in server.errors[:_MOST]]
                self.fail_with("\n".join(lines))

        return Block(
            self,
            "async with self.expectLiveErrors(…)",
            expected,
            Inquiry(idle.waits, conclude, "with self.expectLiveErrors(…)"),
            enter=lambda: before.extend(adapter.gather()),
            leave=take,
        )

    @in_thread
    @suggest_keywords
    def assertNoLiveErrors(self, msg: str | None = None) -> Inquiry[None]:
        """Fail if the application has raised an unexpected exception in this test; waits for requests in flight.

        What is said here is not said again when the test is over.

        Raises:
            AssertionError: It has.
        """
        adapter, idle = self._own_adapter("assertNoLiveErrors()"), self.live_server._until_idle()

        def conclude(_advice: str) -> None:
            idle.conclude("")
            mine = adapter.gather()
            adapter.take(mine)
            if mine:
                problem = describe_errors("the application raised", mine)
                self.fail_with(problem.text, msg, cause=problem.cause)

        return Inquiry(idle.waits, conclude, "assertNoLiveErrors()")

    assertNoLiveErrorsAsync = in_coroutine(assertNoLiveErrors)

    # -- requests ----------------------------------------------------------------------------------------------------

    @in_thread
    @suggest_keywords
    def assertLiveRequested(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        *,
        times: int | None = None,
        status: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
    ) -> Inquiry[Any]:
        """Fail unless such a request came in this test, or comes within ``timeout``.

        In a coroutine write ``await self.assertLiveRequestedAsync(…)``: a wait here would block the loop, so that there
        is none.

        Args:
            method: Such as ``GET``; None for any.
            path: The raw path, or path and query; or a compiled pattern that matches all of the path; None for any.
            times: How many; 0 for none; None for at least one.
            status: What it was answered with; None for anything.
            timeout: Seconds to wait; `live_pending_timeout` by default.
            msg: Said first if it fails.

        Returns:
            The first such request; with ``times`` of 0, or of more than 1, a list.

        Raises:
            AssertionError: It was not, or not as often; the report lists every request of the test.
            UsageError: No request can be such a one.
        """
        _check_wanted(method, path, status)
        often = check_times(times)
        adapter, server = self._own_adapter("assertLiveRequested()"), self.live_server
        seconds = adapter.pending_timeout if timeout is None else check_seconds("timeout", timeout)

        def fail(found: list[RequestRecord], _too_few: bool, advice: str) -> None:
            if isinstance(path, re.Pattern):
                where = f"matching {quote(path.pattern)}"
            else:
                where = "on any path" if path is None else one_line(path)
            what = " ".join([method or "any method", where, *([f"-> {status}"] if status else [])])
            came = {0: "never came", 1: "came once"}.get(len(found), f"came {len(found)} times")
            wanted = "at least once" if times is None else {0: "never", 1: "once"}.get(times, f"{times} times")
            records = server.requests
            listed = "came" if records else "no request came."
            lines = [f"{what} {came}; wanted {wanted}. In this test {listed}", *map(_describe, records[:_MOST])]
            if len(records) > _MOST:
                lines.append(f"  … and {len(records) - _MOST} more")
            if isinstance(path, str) and not found and re.search(r"[{}<>\\^$]|/:\w|.\*|\[.*]", path):
                advice += f"\na path has no placeholders; a pattern is written re.compile(…), such as {_PATTERN}"
            self.fail_with("\n".join([*lines, *filter(None, [advice.strip()])]), msg, about="live_server")

        return first_or_all(
            count_matches(
                server.journal,
                lambda: [record for record in server.requests if _matches(record, method, path, status)],
                often,
                seconds,
                fail,
                settling=Wait(server.journal, lambda: not adapter.await_rest(0), seconds),
            ),
            times,
        )

    assertLiveRequestedAsync = in_coroutine(assertLiveRequested)


def _check_wanted(method: object, path: object, status: object) -> None:
    """Refuse what no record can have: ``times=0`` would be met by it for nothing."""
    if method is not None and not (isinstance(method, str) and re.fullmatch(TOKEN.decode("ascii"), method)):
        raise UsageError(f"method is {method!r}; wanted a name such as 'GET', or None for any")
    if isinstance(path, re.Pattern):
        is_one = isinstance(path.pattern, str)
    else:
        is_one = path is None or (isinstance(path, str) and re.fullmatch("[/*][!-~]*", path) is not None)
    if not is_one:
        raise UsageError(
            f"path is {path!r}; wanted one as it is sent, which begins with '/' and is percent-encoded, a compiled "
            "pattern of it, or None for any"
        )
    if status is not None and (isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999):
        raise UsageError(f"status is {status!r}; wanted a number from 100 to 999, or None for any")


def _matches(record: RequestRecord, method: str | None, path: object, status: int | None) -> bool:
    if (method is not None and record.method != method.upper()) or (status is not None and record.status != status):
        return False
    if isinstance(path, re.Pattern):
        return path.fullmatch(record.path) is not None
    return path is None or path == (record.target if "?" in str(path) else record.path)


def _describe(record: RequestRecord) -> str:
    took = "in progress" if record.duration is None else f"{record.duration * 1000:.0f} ms"
    return f"  {describe_exchange(record)}, {took}"
