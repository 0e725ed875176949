"""A block of a test, and the mails that arrive in it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..mail.outbox import CapturedEmails
from .mailsteps import Demand, Steps, run_async, run_now

__all__ = ["EmailBlock"]

__unittest = True
__tracebackhide__ = True


class EmailBlock:
    """A context manager that gives the mails; ``with`` in a test, ``async with`` in a coroutine.

    Args:
        emails: The mails of the block.
        demand: What is demanded of them.
        judge: Waits for it when the block is over, and fails the test.
    """

    def __init__(self, emails: CapturedEmails, demand: Demand, judge: Callable[[Demand], Steps[Any]]) -> None:
        self._journal = demand.server.journal
        self._emails = emails
        self._demand = demand
        self._judge = judge

    def __enter__(self) -> CapturedEmails:
        self._emails.open()
        return self._emails

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                run_now(self._judge(self._demand), self._journal)
        finally:
            self._emails.close()

    async def __aenter__(self) -> CapturedEmails:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await run_async(self._judge(self._demand), self._journal)
        finally:
            self._emails.close()
