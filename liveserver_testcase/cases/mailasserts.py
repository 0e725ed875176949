"""Assertions about mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from ..mail.outbox import CapturedEmails, build_criteria
from ..mail.session import SMTPAttempt
from .mailblock import EmailBlock
from .maildemand import MailCase
from .mailsteps import check_count, check_times, find_emails, settle

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..mail.matching import EmailCriteria, EmailPredicate
    from ..mail.message import ReceivedEmail

__all__ = ["MailAssertions"]

__unittest = True
__tracebackhide__ = True


class MailAssertions(MailCase):
    """What a test can say about mail; see `SMTPTestCase`."""

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
        found = self._now(self._emails("assertEmailSent", predicate, times, timeout, msg, criteria))
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
        return self._now(self._emails("assertEmailCount", predicate, check_count(n), timeout, msg, criteria))

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
        self._now(self._no_email(predicate, within, msg, criteria))

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
        twin = "async with self.assertEmailsSent(…)"
        demand = self._demand(twin, msg, wanted, timeout, times=check_times(times), block=emails)
        return EmailBlock(emails, demand, find_emails)

    def captureEmails(self) -> EmailBlock:
        """The mails that arrive while a block runs: ``with self.captureEmails() as emails:``.

        At the end of the block it waits for mails that are on their way.  In a coroutine write ``async with``.
        """
        emails = CapturedEmails(self.smtp.journal, build_criteria())
        return EmailBlock(emails, self._demand("async with self.captureEmails()", None), settle)

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
            command: The command of SMTP; ``CONNECT`` is a connection, ``BODY`` the mail itself.
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
        return self._now(self._attempts(command, argument, code, times, timeout, msg))
