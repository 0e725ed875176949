"""Assertions about mail, for tests and for coroutines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn, overload

from ..core.server import check_seconds
from ..errors import UsageError
from ..mail.faults import check_command
from ..mail.outbox import CapturedEmails, Outbox, build_criteria
from ..mail.server import SMTPServer
from ..mail.session import SMTPAttempt
from .attributes import ServerAttribute
from .base import ServerTestCase
from .smtp_adapter import SMTPAdapter
from .waiting import Block, Inquiry, Wait, check_times, in_coroutine, in_thread

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..mail.criteria import Criteria, EmailCriteria, EmailPredicate
    from ..mail.message import ReceivedEmail

__all__ = ["SMTPAssertions"]

__unittest = True
__tracebackhide__ = True


_ON_ITS_WAY = (
    "an email is on its way, and to wait for it would block the event loop of this test, from which it may come"
)


class EmailQuery:
    """The emails that an assertion is about, and how it fails.

    Args:
        case: The test.
        criteria: What is wanted of an email.
        timeout: Seconds to wait; None for ``smtp_timeout``.
        msg: What to say besides when it fails.
        block: Where they must come; None for the whole test.
    """

    def __init__(
        self,
        case: SMTPAssertions,
        criteria: Criteria,
        timeout: float | None = None,
        msg: str | None = None,
        block: CapturedEmails | None = None,
    ) -> None:
        if timeout is None:
            timeout = case.setting("smtp_timeout", "SMTPSERVER_TIMEOUT", float)
        self.case = case
        self.server = case.smtp
        self.adapter = case._smtp_adapter()
        self.criteria = criteria
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

    def wait(self, until: Callable[[], object], timeout: float | None = None, refusal: str = "") -> Wait:
        """Wait for the mail server; for ``timeout`` seconds or the query's."""
        return Wait(self.server.journal, until, self.timeout if timeout is None else timeout, refusal)

    def fail(self, times: int | None, waited: float | None, advice: str) -> NoReturn:
        """Fail with a report on the emails."""
        from ..mail.report import explain  # loaded when the server starts

        place = "in this test" if self.block is None else "in this block"
        emails, around = self.everything(), self.adapter.diagnostics()
        report = explain(self.criteria, emails, around, times=times, waited=waited, advice=advice, place=place)
        self.case.fail_with(report, self.msg, about="smtp")

    def emails(self, times: int | None) -> Inquiry[list[ReceivedEmail]]:
        """As many emails as are wanted, and when that is a number, no more."""
        least = 1 if times is None else times

        def conclude(advice: str) -> list[ReceivedEmail]:
            found = self.find()
            if len(found) < least or (times is not None and len(found) > times):
                self.fail(times, self.timeout if len(found) < least and not advice else None, advice)
            for email in found:
                email.was_seen = True
            return found

        waits = [self.wait(lambda: len(self.find()) >= least)]
        if times is not None:
            waits.append(self.wait(self.is_settled, refusal=_ON_ITS_WAY))  # one more may be on its way
        return Inquiry(waits, conclude)


class SMTPAssertions(ServerTestCase):
    """What a test can say about mail; see `SMTPTestCase`."""

    smtp: ServerAttribute[SMTPServer] = ServerAttribute()
    smtp_timeout: ClassVar[float]

    @property
    def outbox(self) -> Outbox:
        """The emails of this test, in the order of their acceptance; a snapshot."""
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
    @in_thread
    def assertEmailSent(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> Inquiry[ReceivedEmail | list[ReceivedEmail]]:
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
            The first mail that matches; where ``times`` is anything but None or 1 a list of all that do.

        Raises:
            TypeError: A criterion is not known; the message names the nearest.
            UsageError: A criterion would match every mail, or none can.
        """
        query = EmailQuery(self, build_criteria(predicate, **criteria), timeout, msg)
        inquiry = query.emails(check_times(times))

        def conclude(advice: str) -> ReceivedEmail | list[ReceivedEmail]:
            found = inquiry.conclude(advice)
            return found[0] if times in (None, 1) else found

        return Inquiry(inquiry.waits, conclude)

    assertEmailSentAsync = in_coroutine(assertEmailSent)

    @in_thread
    def assertEmailCount(
        self,
        n: int,
        predicate: EmailPredicate = None,
        /,
        *,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> Inquiry[list[ReceivedEmail]]:
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
        times = check_times(n, name="n", may_be_none=False)
        return EmailQuery(self, build_criteria(predicate, **criteria), timeout, msg).emails(times)

    assertEmailCountAsync = in_coroutine(assertEmailCount)

    # -- that there is none ----------------------------------------------------------------------------------------

    @in_thread
    def assertNoEmailSent(
        self,
        predicate: EmailPredicate = None,
        /,
        *,
        within: float = 0.0,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> Inquiry[None]:
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
        check_seconds("within", within)
        query = EmailQuery(self, build_criteria(predicate, **criteria), msg=msg)

        def conclude(_advice: str) -> None:
            if query.find():
                query.fail(0, None, "")

        refusal = f"to wait {within:g} s for an email that must not come would block the event loop of this test"
        return Inquiry(
            [
                query.wait(query.find, within, refusal),
                query.wait(lambda: query.find() or query.is_settled(), refusal=_ON_ITS_WAY),
            ],
            conclude,
        )

    assertNoEmailSentAsync = in_coroutine(assertNoEmailSent)

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
    ) -> Block[CapturedEmails]:
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
        inquiry = EmailQuery(self, wanted, timeout, msg, emails).emails(check_times(times))
        name = "async with self.assertEmailsSent(…)"
        return Block(name, emails, inquiry, enter=emails.open, leave=emails.close)

    def captureEmails(self) -> Block[CapturedEmails]:
        """The mails that arrive while a block runs: ``with self.captureEmails() as emails:``.

        At the end of the block it waits for mails that are on their way.  In a coroutine write ``async with``.
        """
        emails = CapturedEmails(self.smtp.journal, build_criteria())
        query = EmailQuery(self, build_criteria(), block=emails)
        inquiry = Inquiry([query.wait(query.is_settled, refusal=_ON_ITS_WAY)], lambda _advice: None)
        return Block("async with self.captureEmails()", emails, inquiry, enter=emails.open, leave=emails.close)

    # -- what was refused ------------------------------------------------------------------------------------------

    @in_thread
    def assertEmailAttempted(
        self,
        command: str = "RCPT",
        argument: str | None = None,
        code: int | None = None,
        times: int | None = None,
        *,
        timeout: float | None = None,
        msg: str | None = None,
    ) -> Inquiry[list[SMTPAttempt]]:
        """Fail unless a client sent this command in this test, and got this reply; waits for it.

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
        if code is not None and (not isinstance(code, int) or isinstance(code, bool) or not 200 <= code <= 599):
            raise UsageError(f"code is {code!r}; wanted a code of SMTP, from 200 to 599, or None for any")
        command = check_command(command)
        query = EmailQuery(self, build_criteria(), timeout, msg)
        least = 1 if check_times(times) is None else times or 0

        def find() -> list[SMTPAttempt]:
            found = query.server.attempts(command, argument=argument, code=code)
            return [attempt for attempt in found if attempt.code is not None or attempt.reply]

        def conclude(advice: str) -> list[SMTPAttempt]:
            found = find()
            if len(found) < least or (times is not None and len(found) > times):
                from ..mail.report import explain_attempts  # loaded when the server starts

                wanted = {"command": command, "argument": argument, "code": code}
                waited = query.timeout if len(found) < least and not advice else None
                around = query.adapter.diagnostics()
                report = explain_attempts(wanted, found, around, times=times, waited=waited, advice=advice)
                self.fail_with(report, msg, about="smtp")
            return found

        waits = [query.wait(lambda: len(find()) >= least)]
        if times is not None:
            waits.append(query.wait(query.is_settled, refusal=_ON_ITS_WAY))
        return Inquiry(waits, conclude)

    assertEmailAttemptedAsync = in_coroutine(assertEmailAttempted)

    def _smtp_adapter(self) -> SMTPAdapter:
        adapter = self._own_run().adapter("smtp")
        if not isinstance(adapter, SMTPAdapter):
            raise self._explain_absence("smtp")
        return adapter
