"""Assertions about mail, for tests and for coroutines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn, overload

from ..core.checks import check_seconds, suggest_keywords
from ..errors import UsageError
from ..mail.faults import check_command
from ..mail.outbox import CapturedEmails, Outbox, build_criteria
from ..mail.server import SMTPServer
from ..mail.session import SMTPAttempt
from .base import ServerTestCase
from .class_server import ServerAttribute
from .smtp_adapter import SMTPAdapter
from .waiting import Block, Inquiry, Wait, check_times, count_matches, first_or_all, in_coroutine, in_thread

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
    """The emails that an assertion is about, in the whole test or in a block of it, and how it fails."""

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
        self._case = case
        self.server = case.smtp
        self.adapter = case._smtp_adapter()
        self._criteria = criteria
        self.timeout = check_seconds("timeout", timeout)
        self._msg = msg
        self._block = block
        self._window = self.server.journal.window
        self._matches: dict[int, bool] = {}  # what was found out before: others arrive meanwhile
        self._may_change = any(criterion.is_predicate for criterion in criteria.criteria)

    def _everything(self) -> list[ReceivedEmail]:
        """The emails of the test, or of the block, so far."""
        return self._block.everything() if self._block is not None else self.server.journal.entries(self._window)

    def find(self) -> list[ReceivedEmail]:
        """Those of them that match."""
        found = []
        for email in self._everything():
            if self._may_change or email.index not in self._matches:
                self._matches[email.index] = self._criteria.matches(email)
            if self._matches[email.index]:
                found.append(email)
        return found

    def is_settled(self) -> bool:
        """Whether no email of this test is on its way; one that an earlier test has left half-sent is not its own."""
        return not any(session.last_window == self._window for session in self.server.in_flight)

    def wait_settled(self, *, unless: Callable[[], object] = bool) -> Wait:
        """Wait for emails that are on their way, unless this is true."""
        return Wait(self.server.journal, lambda: unless() or self.is_settled(), self.timeout, _ON_ITS_WAY)

    def fail(self, times: int | None, waited: float | None = None, advice: str = "") -> NoReturn:
        """Fail with a report on the emails."""
        from ..mail.report import explain  # loaded when the server starts

        place = "in this test" if self._block is None else "in this block"
        emails, around = self._everything(), self.adapter.diagnostics()
        report = explain(self._criteria, emails, around, times=times, waited=waited, advice=advice, place=place)
        self._case.fail_with(report, self._msg, about="smtp")

    def count(self, times: int | None) -> Inquiry[list[ReceivedEmail]]:
        """As many emails as are wanted, and when that is a number, no more; an assertion has looked at each."""

        def fail(_found: object, too_few: bool, advice: str) -> None:
            self.fail(times, self.timeout if too_few and not advice else None, advice)

        inquiry = count_matches(
            self.server.journal, self.find, check_times(times), self.timeout, fail, settling=self.wait_settled()
        )

        def conclude(advice: str) -> list[ReceivedEmail]:
            found = inquiry.conclude(advice)
            for email in found:
                email.was_seen = True
            return found

        return Inquiry(inquiry.waits, conclude)


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
        return first_or_all(EmailQuery(self, build_criteria(predicate, **criteria), timeout, msg).count(times), times)

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
        check_times(n, name="n", may_be_none=False)
        return EmailQuery(self, build_criteria(predicate, **criteria), timeout, msg).count(n)

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
                query.fail(0)

        refusal = f"to wait {within:g} s for an email that must not come would block the event loop of this test"
        waits = [Wait(query.server.journal, query.find, within, refusal), query.wait_settled(unless=query.find)]
        return Inquiry(waits, conclude)

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
        inquiry = EmailQuery(self, wanted, timeout, msg, emails).count(times)
        name = "async with self.assertEmailsSent(…)"
        return Block(self, name, emails, inquiry, enter=emails.open, leave=emails.close)

    def captureEmails(self) -> Block[CapturedEmails]:
        """The mails that arrive while a block runs: ``with self.captureEmails() as emails:``.

        At the end of the block it waits for mails that are on their way.  In a coroutine write ``async with``.
        """
        emails = CapturedEmails(self.smtp.journal, build_criteria())
        waits = [EmailQuery(self, build_criteria(), block=emails).wait_settled()]
        inquiry = Inquiry(waits, lambda _advice: None)
        return Block(self, "async with self.captureEmails()", emails, inquiry, enter=emails.open, leave=emails.close)

    # -- what was refused ------------------------------------------------------------------------------------------

    @in_thread
    @suggest_keywords
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

        def find() -> list[SMTPAttempt]:
            found = query.server.attempts(command, argument=argument, code=code)
            return [attempt for attempt in found if attempt.code is not None or attempt.reply]

        def fail(found: list[SMTPAttempt], too_few: bool, advice: str) -> None:
            from ..mail.report import explain_attempts  # loaded when the server starts

            wanted = {"command": command, "argument": argument, "code": code}
            waited = query.timeout if too_few and not advice else None
            around = query.adapter.diagnostics()
            report = explain_attempts(wanted, found, around, times=times, waited=waited, advice=advice)
            self.fail_with(report, msg, about="smtp")

        return count_matches(
            query.server.journal, find, check_times(times), query.timeout, fail, settling=query.wait_settled()
        )

    assertEmailAttemptedAsync = in_coroutine(assertEmailAttempted)

    def _smtp_adapter(self) -> SMTPAdapter:
        adapter = self._own_run().adapter("smtp")
        if not isinstance(adapter, SMTPAdapter):
            raise self._explain_absence("smtp")
        return adapter
