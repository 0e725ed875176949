"""The settings of SMTPTestCase, and the variables that override them."""

from __future__ import annotations

import os
import smtplib
import unittest
from typing import Any
from unittest import mock

from liveserver_testcase import SMTPTestCase
from tests.integration.mail.mailing import make_mail
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoClassLeaks


class SettingsCase(unittest.TestCase):
    maxDiff = None

    def look(self, look: Any, environ: dict[str, str] | None = None, /, **members: Any) -> Any:
        """What ``look`` sees in a test of a class with these members."""
        seen: list[Any] = []

        def test(case: SMTPTestCase) -> None:
            seen.append(look(case))

        with mock.patch.dict(os.environ, environ or {}):
            outcome = run_case(make_case(NoClassLeaks, SMTPTestCase, test=test, **members))
        self.assertEqual(outcome.summary, {"run": 1}, outcome.printed)
        return seen[0]

    def refuse(self, message: str, environ: dict[str, str] | None = None, /, **members: Any) -> None:
        """The class cannot be set up, for this reason."""
        with mock.patch.dict(os.environ, environ or {}):
            outcome = run_case(make_case(SMTPTestCase, test=lambda case: None, **members))
        self.assertIn(message, outcome.report)


class Settings(SettingsCase):
    def test_the_config(self) -> None:
        """Every setting reaches the server."""
        config = self.look(
            lambda case: case.smtp.config,
            smtp_hostname="mx.example.com",
            smtp_tls="starttls",
            smtp_certificate="expired",
            smtp_require_tls=True,
            smtp_users={"ann": "secret"},
            smtp_require_auth=True,
            smtp_auth_mechanisms=("PLAIN",),
            smtp_size_limit=1000,
            smtp_line_limit=None,
            smtp_utf8=False,
        )
        self.assertEqual(
            (config.hostname, config.tls, config.certificate, config.require_tls, config.users),
            ("mx.example.com", "starttls", "expired", True, {"ann": "secret"}),
        )
        self.assertEqual(
            (config.require_auth, config.auth_mechanisms, config.size_limit, config.line_limit, config.utf8),
            (True, ("PLAIN",), 1000, None, False),
        )

    def test_variables(self) -> None:
        """A variable wins over the attribute; none and off can be said."""
        config = self.look(
            lambda case: case.smtp.config,
            {
                "SMTPSERVER_HOSTNAME": "mx",
                "SMTPSERVER_TLS": "implicit",
                "SMTPSERVER_CERTIFICATE": "wrong-host",
                "SMTPSERVER_REQUIRE_TLS": "yes",
                "SMTPSERVER_SIZE_LIMIT": "none",
                "SMTPSERVER_LINE_LIMIT": "2000",
                "SMTPSERVER_UTF8": "off",
            },
        )
        self.assertEqual(
            (config.hostname, config.tls, config.certificate, config.require_tls, config.size_limit),
            ("mx", "implicit", "wrong-host", True, None),
        )
        self.assertEqual((config.line_limit, config.utf8), (2000, False))
        config = self.look(lambda case: case.smtp.config, {"SMTPSERVER_TLS": "None"}, smtp_tls="starttls")
        self.assertIsNone(config.tls)

    def test_strict_by_variable(self) -> None:
        """A whole run can be strict."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.send_message(make_mail())

        with mock.patch.dict(os.environ, {"SMTPSERVER_STRICT": "1"}):
            outcome = run_case(make_case(SMTPTestCase, test=test))
        self.assertIn("1 email was sent that no assertion looked at (smtp_strict)", outcome.report)

    def test_misuse(self) -> None:
        """What cannot be understood is told in ``setUpClass``, with the class or the variable."""
        self.refuse("Case.smtp_tls is 'ssl'; wanted one of 'starttls', 'implicit'", smtp_tls="ssl")
        self.refuse(
            "the environment variable SMTPSERVER_TLS is 'ssl'; wanted one of 'starttls', 'implicit'",
            {"SMTPSERVER_TLS": "ssl"},
        )
        self.refuse("Case.smtp_strict is 1; wanted True or False", smtp_strict=1)
        self.refuse("Case.smtp_timeout is -1; wanted a number of seconds, 0 or more", smtp_timeout=-1)
        self.refuse(
            "Case: require_auth is True, but nobody can log in: give users, as in {'ann': 'secret'}; "
            "each setting is an attribute smtp_… of the class",
            smtp_require_auth=True,
        )
