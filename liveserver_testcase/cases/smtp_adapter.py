"""The mail server of a class, as the base drives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.text import count
from ..errors import UsageError
from ..mail.server import SMTPServer
from .class_server import ClassServer, Problem

if TYPE_CHECKING:
    from ..mail.message import ReceivedEmail
    from ..mail.report import Diagnostics

__all__ = ["SMTPAdapter"]

__unittest = True

_MOST_LISTED = 20


class SMTPAdapter(ClassServer[SMTPServer]):
    """Tells a mail server of tests, and tests of mail that nobody looked at.

    Args:
        make: Makes the server.
        settle_timeout: Seconds for mails that are on their way when a test is over.
        is_strict: Whether mail that no assertion looked at fails its test.
    """

    def __init__(self, make: Callable[[], SMTPServer], settle_timeout: float, is_strict: bool) -> None:
        super().__init__("smtp", make, order=10)
        self.settle_timeout = settle_timeout
        self.is_strict = is_strict
        self._judged = -1  # the index of the last mail that was there when its test was judged
        self._between: list[ReceivedEmail] = []  # mails that came between two tests
        self._reported: set[int] = set()  # the indexes of late mails that were held against somebody

    def begin(self, test_id: str) -> None:
        if self.server is not None:
            self._between = self._unjudged(self.server)
            self.server.begin(test_id)

    def settle(self) -> None:
        if self.server is not None:
            # A mail belongs to the test in which it was sent, also when its sender did not wait for the reply.
            self.server.wait_until_served(self.settle_timeout)
            if self.is_strict:
                self.server.wait_until_idle(self.settle_timeout)

    def problems(self) -> list[Problem]:
        server = self.server
        if server is None:
            return []
        raised = [
            Problem(f"mail server {server.url}: a function of the test (when=) raised {type(error).__name__}", error)
            for error in server.take_errors()
        ]
        entries = server.journal.entries()
        self._judged = max([self._judged, *(email.index for email in entries)])
        unseen = [email for email in entries if email.window == server.journal.window and not email.was_seen]
        if not self.is_strict or not unseen:
            return raised
        return [*raised, Problem(_describe_unseen(server.url, unseen))]

    def explain(self, error: BaseException) -> str:
        if self.server is None:
            return ""
        from ..mail.report import explain_error  # loaded when the server starts

        return explain_error(error, self.diagnostics())

    def describe_activity(self) -> str:
        server = self.server
        emails = [] if server is None else server.journal.entries(server.journal.window)
        if server is None or not emails:
            return ""
        from ..mail.report import one_line  # loaded when the server starts

        listed = [f"  {one_line(email)}" for email in emails[-_MOST_LISTED:]]
        return "\n".join([f"mail server {server.url}: {count(len(emails), 'email')} came in this test", *listed])

    def late_problems(self) -> list[Problem]:
        if self.server is None or not self.is_strict:
            return []
        found = [each for each in self.late() if each[0].index not in self._reported]
        self._reported.update(email.index for email, _ in found)
        return [Problem(_describe_late(self.server.url, found))] if found else []

    def late(self) -> list[tuple[ReceivedEmail, str]]:
        """Mails of earlier tests that came when those had been judged, each with the name of its test."""
        if self.server is None:
            return []
        return [*((email, email.window.name) for email in self._between), *self.server.late()]

    def diagnostics(self) -> Diagnostics:
        """What is going on at the server, for a report.

        Raises:
            UsageError: There is no server.
        """
        server = self.server
        if server is None:
            raise UsageError("there is no mail server")
        from ..mail.report import Diagnostics  # loaded when the server starts

        return Diagnostics(
            server_url=server.url,
            sessions=server.sessions,
            attempts=server.attempts(),
            late=self.late(),
            loss=server.journal.dropped_message,
        )

    def _unjudged(self, server: SMTPServer) -> list[ReceivedEmail]:
        """Mails that came when their test had been judged, or before there was one."""
        return [email for email in server.journal.entries() if email.index > self._judged]


def _describe_unseen(url: str, emails: list[ReceivedEmail]) -> str:
    from ..mail.report import one_line  # loaded when the server starts

    was = "was" if len(emails) == 1 else "were"
    return "\n".join(
        [
            f"mail server {url}: {count(len(emails), 'email')} {was} sent that no assertion looked at (smtp_strict)",
            *(f"      {one_line(email)}" for email in emails[:_MOST_LISTED]),
            "Assert on each, take it from self.outbox, or forget it with self.outbox.clear().",
        ]
    )


def _describe_late(url: str, found: list[tuple[ReceivedEmail, str]]) -> str:
    from ..mail.report import one_line  # loaded when the server starts

    return "\n".join(
        [
            f"mail server {url}: {count(len(found), 'email')} came after its test had ended (smtp_strict)",
            *(f"      {one_line(email)}  (from {test})" for email, test in found[:_MOST_LISTED]),
        ]
    )
