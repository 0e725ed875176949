"""Mail that is sent by coroutines, on the loop of the test itself."""

import asyncio
import unittest
from email.message import EmailMessage

try:
    import aiosmtplib
except ImportError:
    raise unittest.SkipTest("aiosmtplib is not installed") from None

from liveserver_testcase import SMTPTestCase


async def send_welcome(host, port, to):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", to, "Welcome"
    mail.set_content("Hello!\n")
    await aiosmtplib.send(mail, hostname=host, port=port, timeout=5)


class AsyncMailTest(SMTPTestCase, unittest.IsolatedAsyncioTestCase):
    async def test_an_awaited_send(self):
        await send_welcome(*self.smtp.addr, "ann@example.com")
        self.assertEmailSent(to="ann@example.com")  # it is there, and nothing has to be waited for

    async def test_a_task_in_the_background(self):
        task = asyncio.create_task(send_welcome(*self.smtp.addr, "ann@example.com"))
        await self.assertEmailSentAsync(to="ann@example.com")  # lets the task go on while it waits
        await task

    async def test_many_at_once(self):
        names = ["ann", "bob", "eve"]
        await asyncio.gather(*(send_welcome(*self.smtp.addr, f"{name}@example.com") for name in names))
        await self.assertEmailCountAsync(3)

    async def test_a_server_that_never_answers(self):
        self.smtp.hang("END_OF_DATA")
        with self.assertRaises(asyncio.TimeoutError):  # TimeoutError itself from Python 3.11 on
            await asyncio.wait_for(send_welcome(*self.smtp.addr, "ann@example.com"), 0.2)
        self.assertEmailAttempted("END_OF_DATA")


if __name__ == "__main__":
    unittest.main()
