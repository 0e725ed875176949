"""The mail server of a class, as the base drives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..core.text import count
from ..mail.server import SMTPServer
from .class_server import ClassServer, Problem

if TYPE_CHECKING:
    from ..mail.message import ReceivedEmail
    from ..mail.report import Diagnostics

__all__ = ["SMTPAdapter"]

__unittest = True

_MOST_LISTED = 20


class SMTPAdapter(ClassServer[SMTPServer]):
    """The mail server of a class; if it is strict, mail that no assertion looked at fails its test."""

    def __init__(self, make: Callable[[], SMTPServer], settle_timeout: float, is_strict: bool) -> None:
        super().__init__("smtp", make, order=10)
        self.settle_timeout = settle_timeout
        self.is_strict = is_strict
        self._judged = -1  # the index of the last mail that was there when its test was judged
        self._between: list[ReceivedEmail] = []  # mails that came between two tests
        self._reported: set[int] = set()  # the indexes of late mails that were held against somebody

    def begin(self, test_id: str) -> None:
        self._between = [email for email in self.server.journal.entries() if email.index > self._judged]
        self.server.begin(test_id)

    def settle(self) -> None:
        # A mail belongs to the test in which it was sent, also when its sender did not wait for the reply.
        self.server.wait_until_served(self.settle_timeout)
        if self.is_strict:
            self.server.wait_until_idle(self.settle_timeout)

    def problems(self) -> list[Problem]:
        server = self.server
        problems = [
            Problem(f"mail server {server.url}: a function of the test (when=) raised {type(error).__name__}", error)
            for error in server.take_errors()
        ]
        entries = server.journal.entries()
        self._judged = max([self._judged, *(email.index for email in entries)])
        unseen = [email for email in entries if email.window == server.journal.window and not email.was_seen]
        if self.is_strict and unseen:
            was = "was" if len(unseen) == 1 else "were"
            what = f"{count(len(unseen), 'email')} {was} sent that no assertion looked at (smtp_strict)"
            advice = "Assert on each, take it from self.outbox, or forget it with self.outbox.clear()."
            problems.append(Problem("\n".join([self._list(what, [(email, "") for email in unseen]), advice])))
        return problems

    def explain(self, error: BaseException) -> str:
        from ..mail.report import explain_error  # loaded when the server starts

        return explain_error(error, self.diagnostics())

    def describe_activity(self) -> str:
        emails = self.server.journal.entries(self.server.journal.window)
        what = f"{count(len(emails), 'email')} came in this test"
        if not emails:
            sessions = self.server.sessions
            connections = f"on {count(len(sessions), 'connection')}" if sessions else "and no connection was made"
            what = f"no email came in this test, {connections}"
        return self._list(what, [(email, "") for email in emails[-_MOST_LISTED:]])

    def late_problems(self) -> list[Problem]:
        if not self.is_strict:
            return []
        found = [each for each in self.late() if each[0].index not in self._reported]
        self._reported.update(email.index for email, _ in found)
        what = f"{count(len(found), 'email')} came after its test had ended (smtp_strict)"
        return [Problem(self._list(what, found))] if found else []

    def late(self) -> list[tuple[ReceivedEmail, str]]:
        """Mails of earlier tests that came when those had been judged, each with the name of its test."""
        return [*((email, email.window.name) for email in self._between), *self.server.late()]

    def diagnostics(self) -> Diagnostics:
        """What is going on at the server, for a report."""
        from ..mail.report import Diagnostics  # loaded when the server starts

        return Diagnostics(
            server_url=self.server.url,
            sessions=self.server.sessions,
            attempts=self.server.attempts(),
            late=self.late(),
            loss=self.server.journal.dropped_message,
        )

    def _list(self, what: str, emails: Sequence[tuple[ReceivedEmail, str]]) -> str:
        """Describe emails below a line that says what is the matter with them, each with its test if that is known."""
        from ..mail.report import one_line  # loaded when the server starts

        lines = [f"mail server {self.server.url}: {what}"]
        for email, test in emails[:_MOST_LISTED]:
            lines.append(f"      {one_line(email)}{f'  (from {test})' if test else ''}")
        return "\n".join(lines)
