"""SMTPTestCase: a mail server that keeps what it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, overload

from ..errors import UsageError
from ..mail.matching import Criteria, EmailCriteria
from ..mail.message import ReceivedEmail
from ..mail.report import explain
from ..mail.server import SMTPServer
from .base import ClassServer, ServerAttribute, ServerTestCase

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SMTPTestCase"]

__unittest = True


class _MailPart(ClassServer[SMTPServer]):
    """The mail server, as the base drives it."""

    def __init__(self, case: type[SMTPTestCase]) -> None:
        super().__init__("smtp", case._make_smtp, order=10)

    def begin(self, test_id: str) -> None:
        if self.server is not None:
            self.server.begin(test_id)


class SMTPTestCase(ServerTestCase):
    """Runs a mail server while the class's tests run; each test begins with an empty outbox.

    Attributes:
        smtp: The running `SMTPServer`: give its ``host`` and ``port`` to the code under test.
        smtp_host: Where to listen.  Environment: ``SMTPSERVER_HOST``.
        smtp_port: The port; 0 for one that the system chooses.  Environment: ``SMTPSERVER_PORT``.
        smtp_timeout: Seconds that `assertEmailSent` waits before it fails.  Environment: ``SMTPSERVER_TIMEOUT``.
    """

    smtp: ServerAttribute[SMTPServer] = ServerAttribute()
    smtp_host: ClassVar[str] = "127.0.0.1"
    smtp_port: ClassVar[int] = 0
    smtp_timeout: ClassVar[float] = 2.0

    @property
    def outbox(self) -> list[ReceivedEmail]:
        """The mails of this test, in the order of their acceptance; a snapshot."""
        return self.smtp.outbox

    @overload
    def assertEmailSent(  # type: ignore[overload-overlap]  # 1 is an int, too
        self,
        *,
        times: Literal[1] | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> ReceivedEmail: ...
    @overload
    def assertEmailSent(
        self, *, times: int, timeout: float | None = None, msg: str | None = None, **criteria: Unpack[EmailCriteria]
    ) -> list[ReceivedEmail]: ...
    def assertEmailSent(
        self,
        *,
        times: int | None = None,
        timeout: float | None = None,
        msg: str | None = None,
        **criteria: Unpack[EmailCriteria],
    ) -> ReceivedEmail | list[ReceivedEmail]:
        """Fail unless such a mail was sent in this test; waits for it.

        Args:
            times: How many such mails there must be: exactly n, 0 for none, None for at least one.
            timeout: Seconds to wait; ``smtp_timeout`` by default.
            msg: What to say besides when it fails.
            criteria: ``to``, ``cc``, ``bcc``, ``recipients``, ``from_``, ``mail_from``, ``reply_to``, ``subject``,
                ``text``, ``html``, ``body`` and ``headers``, as `Criteria` explains; none means any mail.

        Returns:
            The first mail that matches; with ``times`` other than 1 a list of all that do.

        Raises:
            TypeError: A criterion is not known; the message names the nearest.
            UsageError: A criterion would match every mail, or none can.
        """
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 0):
            raise UsageError(f"times is {times!r}; wanted a number of mails, or None for at least one")
        wanted = Criteria.build(**criteria)
        wait = type(self).setting("smtp_timeout", "SMTPSERVER_TIMEOUT", float) if timeout is None else timeout
        enough = 1 if times is None else times
        self.smtp.journal.wait_for(lambda: len(self._matching(wanted)) >= enough, wait if enough else 0.0)
        found = self._matching(wanted)
        if len(found) < enough or (times is not None and len(found) > times):
            self._fail_about_mail(wanted, wait if len(found) < enough else None, times, msg)
        return found[0] if times in (None, 1) else found

    def assertNoEmailSent(
        self, *, within: float = 0.0, msg: str | None = None, **criteria: Unpack[EmailCriteria]
    ) -> None:
        """Fail if such a mail was sent in this test.

        Args:
            within: Seconds to wait for one: right after work in the background was begun, no mail proves nothing.
            msg: What to say besides when it fails.
            criteria: See `assertEmailSent`; none means any mail.
        """
        wanted = Criteria.build(**criteria)
        if self.smtp.journal.wait_for(lambda: self._matching(wanted), within):
            self._fail_about_mail(wanted, None, 0, msg)

    def _matching(self, wanted: Criteria) -> list[ReceivedEmail]:
        return [email for email in self.outbox if wanted.matches(email)]

    def _fail_about_mail(self, wanted: Criteria, waited: float | None, times: int | None, msg: str | None) -> NoReturn:
        server = self.smtp
        report = explain(
            wanted,
            self.outbox,
            server_url=server.url,
            waited=waited,
            wanted_times=times,
            late=server.late(),
            sessions_seen=server.sessions_seen,
        )
        self.fail_with(report, msg)

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        return [*super().class_servers(), _MailPart(cls)]

    @classmethod
    def _make_smtp(cls) -> SMTPServer:
        return SMTPServer(
            cls.setting("smtp_host", "SMTPSERVER_HOST", str), cls.setting("smtp_port", "SMTPSERVER_PORT", int)
        )
