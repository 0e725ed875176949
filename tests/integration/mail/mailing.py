"""What the tests of SMTPTestCase share: a class that has the mixin, and sends mail as applications do."""

from __future__ import annotations

import re
import smtplib
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from liveserver_testcase import SMTPTestCase
from tests.support import HANG, NoClassLeaks, wait_until

__all__ = ["MailTest", "make_mail", "normalise_dialogue"]


def make_mail(
    subject: str = "Welcome", to: str = "ann@example.com", text: str = "Good to have you.\n", html: str = ""
) -> EmailMessage:
    """A mail from the team."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "The team <team@example.com>", to, subject
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


def normalise_dialogue(text: str) -> str:
    """A dialogue as every version of smtplib has it: some write ``mail from:``."""
    return text.replace("MAIL from:", "MAIL FROM:").replace("RCPT to:", "RCPT TO:")


class MailTest(NoClassLeaks, SMTPTestCase):
    """A test case that has the mixin."""

    maxDiff = None
    smtp_timeout = 0.05  # the failures that are wanted need not be waited for

    def client(self) -> smtplib.SMTP:
        """A client that has introduced itself."""
        client = smtplib.SMTP(*self.smtp.addr, timeout=HANG)
        self.addCleanup(client.close)
        client.ehlo("laptop")
        return client

    def send(self, subject: str = "Welcome", to: str = "ann@example.com", **more: str) -> None:
        """Send a mail, and return when it was accepted."""
        with smtplib.SMTP(*self.smtp.addr, timeout=HANG) as client:
            client.send_message(make_mail(subject, to, **more))

    def in_background(self, work: Callable[..., object], *arguments: Any) -> threading.Thread:
        """Do something in a thread that ends with the test."""
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        self.addCleanup(thread.join, HANG)
        return thread

    def when_waited_for(self, work: Callable[..., object], *arguments: Any) -> None:
        """Do something as soon as an assertion waits for mail."""
        wait_until(lambda: self.smtp.journal._waiting)
        work(*arguments)

    def be_patient(self) -> None:
        """Let the assertions of this test wait."""
        case = type(self)
        self.addCleanup(setattr, case, "smtp_timeout", case.smtp_timeout)
        case.smtp_timeout = HANG

    def begin_mail(self, *recipients: str) -> smtplib.SMTP:
        """A client in the middle of a mail, before DATA."""
        client = self.client()
        client.mail("team@example.com")
        for recipient in recipients or ("ann@example.com",):
            client.rcpt(recipient)
        return client

    def report(self, call: Callable[..., Any], /, *arguments: object, **keywords: object) -> str:
        """The text of the failure that a call must raise, with ports made the same for all."""
        with self.assertRaises(self.failureException) as caught:
            call(*arguments, **keywords)
        return self.normal(caught.exception)

    def normal(self, error: BaseException) -> str:
        """The text of an exception with the port made the same for all, and the words that smtplib writes otherwise."""
        return normalise_dialogue(re.sub(rf":{self.smtp.port}\b", ":2525", str(error)))
