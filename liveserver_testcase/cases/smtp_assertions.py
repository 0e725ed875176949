"""Assertions about mail, for tests and for coroutines."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, overload

from ..core.server import check_seconds
from ..errors import UsageError
from ..mail.faults import check_command
from ..mail.outbox import CapturedEmails, Outbox, build_criteria
from ..mail.server import SMTPServer
from ..mail.session import SMTPAttempt
from .attributes import ServerAttribute
from .base import ServerTestCase
from .smtp_adapter import SMTPAdapter
from .waiting import Inquiry, Wait, check_count, check_times, must_be_awaited

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..core.journal import Journal
    from ..mail.criteria import Criteria, EmailCriteria, EmailPredicate
    from ..mail.message import ReceivedEmail

__all__ = ["EmailBlock", "SMTPAssertions"]

__unittest = True
__tracebackhide__ = True


class EmailQuery:
    """The emails that an assertion is about, and how it fails.

    Args:
        case: The test.
        name: The asynchronous form, as in ``await self.assertEmailSentAsync(…)``.
        criteria: What is wanted of an email.
        times: How many there must be; None for at least one.
        timeout: Seconds to wait; None for ``smtp_timeout``.
        msg: What to say besides when it fails.
        block: Where they must come; None for the whole test.
    """

    def __init__(
        self,
        case: SMTPAssertions,
        name: str,
        criteria: Criteria,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        block: CapturedEmails | None = None,
    ) -> None:
        if timeout is None:
            timeout = type(case).setting("smtp_timeout", "SMTPSERVER_TIMEOUT", float)
        self.case = case
        self.server = case.smtp
        self.adapter = case._smtp_adapter()
        self.asynchronous = name
        self.criteria = criteria
        self.times = check_times(times)
        self.timeout = check_seconds("timeout", timeout)
        self.msg = msg
        self.block = block
        self._window = self.server.journal.window
        self._matches: dict[int, bool] = {}  # what was found out before: others arrive meanwhile
        self._may_change = any(criterion.is_predicate for criterion in criteria.criteria)

    def everything(self) -> list[ReceivedEmail]:
        """The emails of the test, or of the block, so far."""
        return self.block.everything() if self.block is not None else self.server.journal.entries(self._window)

    def find(self) -> list[ReceivedEmail]:
        """Those of them that match."""
        found = []
        for email in self.everything():
            if self._may_change or email.index not in self._matches:
                self._matches[email.index] = self.criteria.matches(email)
            if self._matches[email.index]:
                found.append(email)
        return found

    def is_settled(self) -> bool:
        """Whether no email of this test is on its way; one that an earlier test has left half-sent is not its own."""
        return not any(session.last_window == self._window for session in self.server.in_flight)

    @property
    def settling(self) -> Wait:
        """The wait for what is on its way."""
        return Wait(
            self.is_settled,
            self.timeout,
            "an email is on its way, and to wait for it would block the event loop of this test, from which it may "
            f"come; write {self.asynchronous}",
        )

    def fail(self, report: str) -> NoReturn:
        """Fail the test; without ``longMessage``, and with a ``msg``, with that alone, as in all of unittest."""
        if self.msg is not None and not self.case.longMessage:
            raise self.case.failureException(self.msg)
        self.case.fail_with(report, self.msg, about="smtp")

    def advice(self, could_wait: bool) -> str:
        """What to say of a wait that there was not."""
        if could_wait:
            return ""
        return f"there was no wait, as it would block the event loop of this test; write {self.asynchronous}"

    def fail_about_emails(self, times: int | None, waited: float | None, advice: str = "") -> NoReturn:
        """Fail with a report on the emails."""
        from ..mail.report import MatchResult, explain  # loaded when the server starts

        place = "in this test" if self.block is None else "in this block"
        result = MatchResult(criteria=self.criteria, times=times, waited=waited, advice=advice, place=place)
        self.fail(explain(result, self.everything(), self.adapter.diagnostics()))

    # -- what is inquired --------------------------------------------------------------------------------------------

    def emails(self) -> Inquiry[list[ReceivedEmail]]:
        """As many emails as are wanted, and when that is a number, no more."""
        times, least = self.times, 1 if self.times is None else self.times

        def conclude(could_wait: bool) -> list[ReceivedEmail]:
            found = self.find()
            if len(found) < least or (times is not None and len(found) > times):
                waited = self.timeout if len(found) < least and could_wait else None
                self.fail_about_emails(times, waited, self.advice(could_wait))
            for email in found:
                email.was_seen = True
            return found

        waits = [Wait(lambda: len(self.find()) >= least, self.timeout)]
        if times is not None:
            waits.append(self.settling)  # one more may be on its way
        return Inquiry(waits, conclude)

    def no_email(self, within: float) -> Inquiry[None]:
        """No such email, also none that is on its way."""

        def conclude(_could_wait: bool) -> None:
            if self.find():
                self.fail_about_emails(0, None)

        settling = self.settling
        return Inquiry(
            [
                Wait(
                    self.find,
                    within,
                    f"to wait {within:g} s for an email that must not come would block the event loop of this test; "
                    f"write {self.asynchronous}",
                ),
                Wait(lambda: self.find() or self.is_settled(), settling.timeout, settling.refusal),
            ],
            conclude,
        )

    def settled(self) -> Inquiry[None]:
        """Nothing but that no email is on its way."""
        return Inquiry([self.settling], lambda _: None)

    def attempts(self, command: str, argument: str | None, code: int | None) -> Inquiry[list[SMTPAttempt]]:
        """What clients have tried and the server has answered."""
        times, least = self.times, 1 if self.times is None else self.times

        def find() -> list[SMTPAttempt]:
            found = self.server.attempts(command, argument=argument, code=code)
            return [attempt for attempt in found if attempt.code is not None or attempt.reply]

        def conclude(could_wait: bool) -> list[SMTPAttempt]:
            found = find()
            if len(found) < least or (times is not None and len(found) > times):
                from ..mail.report import explain_attempts  # loaded when the server starts

                wanted = {"command": command, "argument": argument, "code": code}
                waited = self.timeout if len(found) < least and could_wait else None
                advice, around = self.advice(could_wait), self.adapter.diagnostics()
                self.fail(explain_attempts(wanted, found, around, times=times, waited=waited, advice=advice))
            return found

        waits = [Wait(lambda: len(find()) >= least, self.timeout)]
        if times is not None:
            waits.append(self.settling)
        return Inquiry(waits, conclude)


class SMTPAssertions(ServerTestCase):
    """What a test can say about mail; see `SMTPTestCase`."""

    smtp: ServerAttribute[SMTPServer] = ServerAttribute()
    smtp_timeout: ClassVar[float]

    @property
    def outbox(self) -> Outbox:
        """The mails of this test, in the order of their acceptance; a snapshot."""
        return Outbox(self.smtp.journal)

    @outbox.setter
    def outbox(self, value: object) -> None:
        raise UsageError("self.outbox cannot be replaced; write self.outbox.clear() to forget the mails so far")

    # -- that there is mail ----------------------------------------------------------------------------------------

    @overload
    def assertEmailSent(  # type: ignore[overload-overlap]  # 1 is an int, too
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
    def assertEmailSent(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: int,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> list[ReceivedEmail]: ...
    def assertEmailSent(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> ReceivedEmail | list[ReceivedEmail]:
        """Fail unless such a mail was sent in this test; waits for it.

        In a coroutine write ``await self.assertEmailSentAsync(…)``: a wait here would block the loop.

        Args:
            predicate: Asked about each mail that meets the criteria; true if it is the one.
            times: How many such mails there must be: exactly n, 0 for none, None for at least one.
            timeout: Seconds to wait; ``smtp_timeout`` by default.
            msg: What to say besides when it fails.
            criteria: ``to``, ``cc``, ``bcc``, ``recipients``, ``from_``, ``mail_from``, ``reply_to``, ``subject``,
                ``text``, ``html``, ``body``, ``headers``, ``attachment``, ``auth_user`` and ``tls``, as `Criteria`
                explains; none means any mail.

        Returns:
            The first mail that matches; with ``times`` other than 1 a list of all that do.

        Raises:
            TypeError: A criterion is not known; the message names the nearest.
            UsageError: A criterion would match every mail, or none can.
        """
        query = self._query("assertEmailSent", build_criteria(predicate, **criteria), times, timeout, msg)
        found = query.emails().run(self.smtp.journal)
        return found[0] if times in (None, 1) else found

    def assertEmailCount(
        self,
        n: int,
        predicate: EmailPredicate = None,
        /,
        *,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> list[ReceivedEmail]:
        """Fail unless exactly ``n`` such mails were sent in this test.

        It waits until there are so many, and then for mails that are on their way: one too many is seen.

        Args:
            n: How many.
            predicate: See `assertEmailSent`.
            timeout: Seconds to wait; ``smtp_timeout`` by default.
            msg: What to say besides when it fails.
            criteria: See `assertEmailSent`.

        Returns:
            The mails.

        Raises:
            TypeError: A criterion is not known; the message names the nearest.
            UsageError: ``n`` is no number, or a criterion would match every mail, or none can.
        """
        query = self._query("assertEmailCount", build_criteria(predicate, **criteria), check_count(n), timeout, msg)
        return query.emails().run(self.smtp.journal)

    # -- that there is none ----------------------------------------------------------------------------------------

    def assertNoEmailSent(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        within: float = 0.0,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> None:
        """Fail if such a mail was sent in this test, or is on its way.

        Args:
            predicate: See `assertEmailSent`.
            within: Seconds to wait for one: right after work in the background was begun, no mail proves nothing.
            msg: What to say besides when it fails.
            criteria: See `assertEmailSent`; none means any mail.

        Raises:
            TypeError: A criterion is not known; the message names the nearest.
            UsageError: A criterion would match every mail, or none can.
        """
        query = self._query("assertNoEmailSent", build_criteria(predicate, **criteria), msg=msg)
        query.no_email(check_seconds("within", within)).run(self.smtp.journal)

    # -- in a block ------------------------------------------------------------------------------------------------

    def assertEmailsSent(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> EmailBlock:
        """Fail unless such mails arrive while a block runs: ``with self.assertEmailsSent(times=2) as emails:``.

        At the end of the block it waits as `assertEmailCount` does.  In a coroutine write ``async with``.

        Args:
            predicate: See `assertEmailSent`.
            times: How many: exactly n, 0 for none, None for at least one.
            timeout: Seconds to wait when the block is over; ``smtp_timeout`` by default.
            msg: What to say besides when it fails.
            criteria: See `assertEmailSent`.

        Returns:
            A context manager that gives the mails; in the block those so far, afterwards all of them.
        """
        wanted = build_criteria(predicate, **criteria)
        emails = CapturedEmails(self.smtp.journal, wanted)
        query = EmailQuery(self, "async with self.assertEmailsSent(…)", wanted, times, timeout, msg, emails)
        return EmailBlock(emails, query.emails(), self.smtp.journal)

    def captureEmails(self) -> EmailBlock:
        """The mails that arrive while a block runs: ``with self.captureEmails() as emails:``.

        At the end of the block it waits for mails that are on their way.  In a coroutine write ``async with``.
        """
        emails = CapturedEmails(self.smtp.journal, build_criteria())
        query = EmailQuery(self, "async with self.captureEmails()", build_criteria(), block=emails)
        return EmailBlock(emails, query.settled(), self.smtp.journal)

    # -- what was refused ------------------------------------------------------------------------------------------

    def assertEmailAttempted(
        self,
        command: str = "RCPT",
        argument: str | None = None,
        code: int | None = None,
        times: int | None = None,
        *,
        timeout: float | None = None,
        msg: str | None = None,
    ) -> list[SMTPAttempt]:
        """Fail unless a client tried this in this test, and got this answer; waits for it.

        A sender that tries again is there twice: ``assertEmailAttempted("RCPT", "ann@x", code=451, times=2)``.

        Args:
            command: The command of SMTP; ``CONNECT`` is a connection, ``END_OF_DATA`` the mail itself.
            argument: The address, or what the argument contains; None for any.
            code: The code of the answer, such as 451; None for any, also for none.
            times: How often: exactly n, 0 for never, None for at least once.
            timeout: Seconds to wait; ``smtp_timeout`` by default.
            msg: What to say besides when it fails.

        Returns:
            The attempts, in order.

        Raises:
            UsageError: There is no such command, or no such code.
        """
        query = self._query("assertEmailAttempted", build_criteria(), times, timeout, msg)
        return query.attempts(*_check_attempt(command, argument, code)).run(self.smtp.journal)

    # -- the same for coroutines -------------------------------------------------------------------------------------

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
    @must_be_awaited
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
        query = self._query("assertEmailSent", build_criteria(predicate, **criteria), times, timeout, msg)
        found = await query.emails().run_async(self.smtp.journal)
        return found[0] if times in (None, 1) else found

    @must_be_awaited
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
        query = self._query("assertEmailCount", build_criteria(predicate, **criteria), check_count(n), timeout, msg)
        return await query.emails().run_async(self.smtp.journal)

    @must_be_awaited
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
        query = self._query("assertNoEmailSent", build_criteria(predicate, **criteria), msg=msg)
        await query.no_email(check_seconds("within", within)).run_async(self.smtp.journal)

    @must_be_awaited
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
        query = self._query("assertEmailAttempted", build_criteria(), times, timeout, msg)
        return await query.attempts(*_check_attempt(command, argument, code)).run_async(self.smtp.journal)

    # -- what they stand on ------------------------------------------------------------------------------------------

    def _query(
        self,
        name: str,
        criteria: Criteria,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
    ) -> EmailQuery:
        return EmailQuery(self, f"await self.{name}Async(…)", criteria, times, timeout, msg)

    def _smtp_adapter(self) -> SMTPAdapter:
        adapter = self._own_run().adapter("smtp")
        if not isinstance(adapter, SMTPAdapter):
            raise self._explain_absence("smtp")
        return adapter


def _check_attempt(command: str, argument: str | None, code: int | None) -> tuple[str, str | None, int | None]:
    """What an attempt can be asked for.

    Raises:
        UsageError: There is no such command, or no such code.
    """
    if code is not None and (not isinstance(code, int) or isinstance(code, bool) or not 200 <= code <= 599):
        raise UsageError(f"code is {code!r}; wanted a code of SMTP, from 200 to 599, or None for any")
    return check_command(command), argument, code


class EmailBlock:
    """A context manager that gives the emails of a block; ``with`` in a test, ``async with`` in a coroutine.

    Args:
        emails: The emails of the block.
        inquiry: Run when the block is over.
        journal: Where they arrive.
    """

    def __init__(self, emails: CapturedEmails, inquiry: Inquiry[Any], journal: Journal[ReceivedEmail]) -> None:
        self._emails = emails
        self._inquiry = inquiry
        self._journal = journal

    def __enter__(self) -> CapturedEmails:
        self._emails.open()
        return self._emails

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._inquiry.run(self._journal)
        finally:
            self._emails.close()

    async def __aenter__(self) -> CapturedEmails:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._inquiry.run_async(self._journal)
        finally:
            self._emails.close()
