"""Assertions about mail in coroutines, next to the code that sends on the same loop."""

from __future__ import annotations

import asyncio
import unittest

import aiosmtplib

from liveserver_testcase import UsageError
from tests.integration.mail.mailing import MailTest, make_mail
from tests.support import HANG


class AsyncMailTest(MailTest, unittest.IsolatedAsyncioTestCase):
    """A coroutine test that has the mixin."""

    async def send_soon(self, subject: str = "Welcome") -> None:
        """Send a mail on the test's own loop."""
        await aiosmtplib.send(make_mail(subject), hostname=self.smtp.host, port=self.smtp.port, timeout=HANG)

    async def fails(self, awaitable: object) -> str:
        """The text of the failure that an awaited assertion must raise."""
        with self.assertRaises(self.failureException) as caught:
            await awaitable  # type: ignore[misc]
        return self.normal(caught.exception)


class AsyncForms(AsyncMailTest):
    """The assertions that are awaited."""

    async def test_it_waits_while_the_loop_goes_on(self) -> None:
        """A mail that a task of the same loop is about to send is waited for."""
        task = asyncio.create_task(self.send_soon())
        mail = await self.assertEmailSentAsync(subject="Welcome", timeout=HANG)
        self.assertEqual(mail.to, ["ann@example.com"])
        await task

    async def test_times(self) -> None:
        """With ``times`` all of them are returned."""
        await asyncio.gather(self.send_soon("one"), self.send_soon("two"))
        self.assertEqual(len(await self.assertEmailSentAsync(times=2)), 2)
        self.assertEqual(len(await self.assertEmailCountAsync(2)), 2)
        self.assertEqual((await self.assertEmailSentAsync(times=1, subject="one")).subject, "one")

    async def test_failures(self) -> None:
        """They fail as the plain ones do."""
        for awaitable, headline in (
            (self.assertEmailSentAsync(), "no email arrived within 0.05 s\n"),
            (self.assertEmailCountAsync(1), "no email arrived within 0.05 s"),
            (self.assertEmailAttemptedAsync(), "no attempt matched within"),
        ):
            self.assertTrue((await self.fails(awaitable)).startswith(headline))
        await self.send_soon()
        self.assertTrue((await self.fails(self.assertNoEmailSentAsync())).startswith("1 email arrived, none was wan"))

    async def test_none(self) -> None:
        """No mail within a time is no mail."""
        await self.assertNoEmailSentAsync(within=0.01)
        task = asyncio.create_task(self.send_soon())
        await self.fails(self.assertNoEmailSentAsync(within=HANG))
        await task

    async def test_attempted(self) -> None:
        """An attempt that comes later is waited for."""
        self.smtp.reject_recipient("ann@example.com")
        task = asyncio.create_task(self.send_soon())
        await self.assertEmailAttemptedAsync(code=550, timeout=HANG)
        with self.assertRaises(aiosmtplib.SMTPRecipientsRefused):
            await task

    async def test_block(self) -> None:
        """An ``async with`` waits at its end."""
        async with self.assertEmailsSent(times=1, timeout=HANG) as emails:
            task = asyncio.create_task(self.send_soon())
        self.assertEqual([mail.subject for mail in emails], ["Welcome"])
        await task
        async with self.captureEmails() as emails:
            await self.send_soon("captured")
        self.assertEqual([mail.subject for mail in emails], ["captured"])
        with self.assertRaises(self.failureException):
            async with self.assertEmailsSent():
                pass

    async def test_cancelled(self) -> None:
        """A wait can be cancelled."""
        task = asyncio.create_task(self.assertEmailSentAsync(timeout=3600))
        await asyncio.sleep(0)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task

    async def test_misuse(self) -> None:
        """What cannot be meant is refused likewise."""
        with self.assertRaisesRegex(TypeError, "unknown criterion 'subjct'; did you mean 'subject'?"):
            await self.assertEmailSentAsync(subjct="x")  # type: ignore[call-overload]
        with self.assertRaisesRegex(UsageError, "^n is -1; wanted a whole number, 0 or more$"):
            await self.assertEmailCountAsync(-1)


class PlainForms(AsyncMailTest):
    """The plain assertions in a coroutine, where they cannot wait."""

    async def test_after_an_awaited_send(self) -> None:
        """When the mail is there, nothing has to be waited for."""
        with self.captureEmails() as captured:
            await self.send_soon()
        self.assertEmailSent(subject="Welcome")
        self.assertEmailCount(1)
        self.assertNoEmailSent(subject="other")
        self.assertEmailAttempted("END_OF_DATA", times=1)
        self.assertEqual((len(captured), len(self.outbox)), (1, 1))

    async def test_advice(self) -> None:
        """When it is not there, they fail at once, and the report has what to write, where a wait is wanted."""
        note = "  note:    there was no wait, as it would block the event loop of this test; write "
        for call, arguments, advice in (
            (self.assertEmailSent, (), "await self.assertEmailSentAsync(…)"),
            (self.assertEmailCount, (1,), "await self.assertEmailCountAsync(…)"),
            (self.assertEmailAttempted, (), "await self.assertEmailAttemptedAsync(…)"),
        ):
            headline, line, *_ = self.report(call, *arguments, timeout=3600).splitlines()
            self.assertEqual((headline[:3], line), ("no ", note + advice))
        with self.assertRaises(self.failureException) as caught, self.assertEmailsSent(timeout=3600):
            pass
        self.assertIn(f"{note}async with self.assertEmailsSent(…)\n", str(caught.exception))
        self.assertNotIn("note:", self.report(self.assertEmailSent, timeout=0))
        with self.assertRaises(UsageError) as misuse:
            self.assertNoEmailSent(within=1.5)
        self.assertEqual(
            str(misuse.exception),
            "to wait 1.5 s for an email that must not come would block the event loop of this test; "
            "write await self.assertNoEmailSentAsync(…)",
        )

    async def test_a_mail_on_its_way(self) -> None:
        """Nor can a mail on its way be waited for; it may be this loop that sends it."""
        client = await asyncio.to_thread(self.begin_mail)
        for call, form in (
            (self.assertNoEmailSent, "await self.assertNoEmailSentAsync(…)"),
            (lambda: self.assertEmailCount(0), "await self.assertEmailCountAsync(…)"),
        ):
            with self.subTest(form), self.assertRaises(UsageError) as caught:
                call()
            self.assertEqual(
                str(caught.exception),
                "an email is on its way, and to wait for it would block the event loop of this test, from which it may "
                f"come; write {form}",
            )
        with self.assertRaisesRegex(UsageError, r"write async with self.captureEmails\(\)$"), self.captureEmails():
            pass
        await asyncio.to_thread(client.rset)
