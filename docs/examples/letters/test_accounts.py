import unittest

from accounts import send_reset

from liveserver_testcase import SMTPTestCase


class ResetTest(SMTPTestCase):
    def test_a_code_is_mailed(self):
        code = send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)

        mail = self.assertEmailSent(to="ann@example.com", subject="A new password for Ann")
        self.assertEqual(mail.code(), code)
        self.assertEqual(mail.link("choose a new password").query, {"code": code})
        self.assertIn("Hello Ann,", mail.text)

    def test_nobody_else_is_told(self):
        send_reset("ann@example.com", "Ann", self.smtp.host, self.smtp.port)

        self.assertEmailCount(1)
        self.assertNoEmailSent(lambda mail: mail.recipients != ["ann@example.com"])


if __name__ == "__main__":
    unittest.main()
