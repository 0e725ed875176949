"""Assertions about mail, for coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from ..mail.session import SMTPAttempt
from .maildemand import MailCase
from .mailsteps import check_count

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..mail.matching import EmailCriteria, EmailPredicate
    from ..mail.message import ReceivedEmail

__all__ = ["AwaitedMailAssertions"]

__unittest = True
__tracebackhide__ = True


class AwaitedMailAssertions(MailCase):
    """What a coroutine can say about mail; see `SMTPTestCase`."""

    @overload
    async def assertEmailSentAsync(  # type: ignore[overload-overlap]
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: Literal[1] | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> ReceivedEmail: ...
    @overload
    async def assertEmailSentAsync(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: int,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> list[ReceivedEmail]: ...
    async def assertEmailSentAsync(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> ReceivedEmail | list[ReceivedEmail]:
        """`assertEmailSent` for a coroutine: the loop goes on while it waits."""
        found = await self._soon(self._emails("assertEmailSent", predicate, times, timeout, msg, criteria))
        return found[0] if times in (None, 1) else found

    async def assertEmailCountAsync(
        self,
        n: int,
        predicate: EmailPredicate = None,
        /,
        *,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> list[ReceivedEmail]:
        """`assertEmailCount` for a coroutine: the loop goes on while it waits."""
        return await self._soon(self._emails("assertEmailCount", predicate, check_count(n), timeout, msg, criteria))

    async def assertNoEmailSentAsync(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        within: float = 0.0,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> None:
        """`assertNoEmailSent` for a coroutine: the loop goes on while it waits."""
        await self._soon(self._no_email(predicate, within, msg, criteria))

    async def assertEmailAttemptedAsync(
        self,
        command: str = "RCPT",
        argument: str | None = None,
        code: int | None = None,
        times: int | None = None,
        *,
        timeout: float | None = None,
        msg: str | None = None,
    ) -> list[SMTPAttempt]:
        """`assertEmailAttempted` for a coroutine: the loop goes on while it waits."""
        return await self._soon(self._attempts(command, argument, code, times, timeout, msg))
