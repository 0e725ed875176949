"""What every assertion about mail stands on: the outbox, and demands made from arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn, TypeVar

from ..errors import UsageError
from ..mail.faults import check_command
from ..mail.outbox import CapturedEmails, Outbox, build_criteria
from ..mail.server import SMTPServer
from ..mail.session import SMTPAttempt
from .base import ServerAttribute, ServerTestCase
from .mailpart import MailPart
from .mailsteps import (
    Demand,
    Steps,
    check_seconds,
    check_times,
    find_attempts,
    find_emails,
    find_none,
    run_async,
    run_now,
)

if TYPE_CHECKING:
    from ..mail.matching import Criteria, EmailCriteria, EmailPredicate
    from ..mail.message import ReceivedEmail

__all__ = ["MailCase"]

__unittest = True
__tracebackhide__ = True

T = TypeVar("T")


class MailCase(ServerTestCase):
    """The outbox of a test; see `SMTPTestCase`."""

    smtp: ServerAttribute[SMTPServer] = ServerAttribute()
    smtp_timeout: ClassVar[float]

    @property
    def outbox(self) -> Outbox:
        """The mails of this test, in the order of their acceptance; a snapshot."""
        return Outbox(self.smtp.journal)

    @outbox.setter
    def outbox(self, value: object) -> None:
        raise UsageError("self.outbox cannot be replaced; write self.outbox.clear() to forget the mails so far")

    def _now(self, steps: Steps[T]) -> T:
        return run_now(steps, self.smtp.journal)

    async def _soon(self, steps: Steps[T]) -> T:
        return await run_async(steps, self.smtp.journal)

    def _emails(
        self,
        name: str,
        predicate: EmailPredicate,
        times: int | None,
        timeout: float | None,
        msg: str | None,
        criteria: EmailCriteria,
    ) -> Steps[list[ReceivedEmail]]:
        wanted = build_criteria(predicate, **criteria)
        twin = f"await self.{name}Async(…)"
        return find_emails(self._demand(twin, msg, wanted, timeout, times=check_times(times)))

    def _no_email(
        self, predicate: EmailPredicate, within: float, msg: str | None, criteria: EmailCriteria
    ) -> Steps[None]:
        wanted = build_criteria(predicate, **criteria)
        demand = self._demand("await self.assertNoEmailSentAsync(…)", msg, wanted)
        return find_none(demand, check_seconds("within", within))

    def _attempts(
        self,
        command: str,
        argument: str | None,
        code: int | None,
        times: int | None,
        timeout: float | None,
        msg: str | None,
    ) -> Steps[list[SMTPAttempt]]:
        if code is not None and (not isinstance(code, int) or isinstance(code, bool) or not 200 <= code <= 599):
            raise UsageError(f"code is {code!r}; wanted a code of SMTP, from 200 to 599, or None for any")
        command = check_command(command)
        demand = self._demand("await self.assertEmailAttemptedAsync(…)", msg, timeout=timeout, times=check_times(times))
        return find_attempts(demand, command, argument, code)

    def _demand(
        self,
        twin: str,
        msg: str | None,
        criteria: Criteria | None = None,
        timeout: float | None = None,
        *,
        times: int | None = None,
        block: CapturedEmails | None = None,
    ) -> Demand:
        part = self._mail_part()
        if timeout is None:
            timeout = type(self).setting("smtp_timeout", "SMTPSERVER_TIMEOUT", float)
        return Demand(
            server=self.smtp,
            twin=twin,
            fail=lambda report: self._fail_about_mail(report, msg),
            around=part.circumstances,
            timeout=check_seconds("timeout", timeout),
            criteria=criteria or build_criteria(),
            times=times,
            block=block,
        )

    def _fail_about_mail(self, report: str, msg: str | None) -> NoReturn:
        """Fail with the report; without ``longMessage``, and with a ``msg``, with that alone, as in all of unittest."""
        if msg is not None and not self.longMessage:
            raise self.failureException(msg)
        self.fail_with(report, msg)

    def _mail_part(self) -> MailPart:
        run = self._own_run()
        parts = [part for part in run.servers if isinstance(part, MailPart)] if run is not None else []
        if not parts:
            self.smtp  # noqa: B018  # raises, and says why
        return parts[0]
