"""SMTPServer(accept_any_login=True): whoever logs in, is in."""

import base64
import smtplib
import unittest

from liveserver_testcase import SMTPServer, UsageError


class AcceptAnyLoginTest(unittest.TestCase):
    """Every mechanism takes any name with any password."""

    def test_mechanisms(self) -> None:
        """It is recorded who has logged in."""
        with SMTPServer(
            accept_any_login=True, require_auth=True, auth_mechanisms=("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")
        ) as server:
            for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
                with self.subTest(name), smtplib.SMTP(*server.addr, timeout=10) as client:
                    client.ehlo()
                    client.user, client.password = "ann", name
                    authenticate = getattr(client, f"auth_{name.lower().replace('-', '_')}")
                    self.assertEqual(client.auth(name, authenticate)[0], 235)
                    client.sendmail("a@example.com", "b@example.com", b"Subject: x\r\n\r\n")
                    session = server.outbox.last.session
                    self.assertEqual(session and session.auth_user, "ann")
            with smtplib.SMTP(*server.addr, timeout=10) as client:
                client.ehlo()
                token = base64.b64encode(b"user=eve\1auth=Bearer any\1\1").decode()
                self.assertEqual(client.docmd("AUTH", f"XOAUTH2 {token}")[0], 235)

    def test_users_beside_it(self) -> None:
        """Both at once contradict each other."""
        with self.assertRaisesRegex(UsageError, "accept_any_login is True: keep one of them"):
            SMTPServer(accept_any_login=True, users={"ann": "secret"})
