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

ATTRIBUTES = {
    "smtp_hostname": "mx.example.com", "smtp_tls": "starttls", "smtp_certificate": "expired", "smtp_require_tls": True,
    "smtp_users": {"ann": "secret"}, "smtp_require_auth": True, "smtp_auth_mechanisms": ("PLAIN",),
    "smtp_size_limit": 1000, "smtp_line_limit": None, "smtp_utf8": False,
}  # fmt: skip
VARIABLES = {
    "HOSTNAME": ("mx", "mx"), "TLS": ("implicit", "implicit"), "CERTIFICATE": ("wrong-host", "wrong-host"),
    "REQUIRE_TLS": ("yes", True), "SIZE_LIMIT": ("none", None), "LINE_LIMIT": ("2000", 2000), "UTF8": ("off", False),
}  # fmt: skip


class SettingsTest(unittest.TestCase):
    """Attributes of a class, and variables that win over them."""

    maxDiff = None

    def look(self, names: Any, environ: dict[str, str] | None = None, /, **members: Any) -> dict[str, Any]:
        """These settings of the server of a class with these members."""
        found: dict[str, Any] = {}

        def test(case: SMTPTestCase) -> None:
            found.update({name: getattr(case.smtp.config, name) for name in names})

        with mock.patch.dict(os.environ, environ or {}):
            run_case(make_case(NoClassLeaks, SMTPTestCase, test=test, **members)).assert_passed()
        return found

    def test_attributes(self) -> None:
        """Every setting reaches the server."""
        wanted = {name.removeprefix("smtp_"): value for name, value in ATTRIBUTES.items()}
        self.assertEqual(wanted, self.look(wanted, **ATTRIBUTES))

    def test_variables(self) -> None:
        """A variable wins over the attribute; none and off can be written."""
        wanted = {name.lower(): value for name, (_, value) in VARIABLES.items()}
        environ = {f"SMTPSERVER_{name}": text for name, (text, _) in VARIABLES.items()}
        self.assertEqual(wanted, self.look(wanted, environ, smtp_hostname="other"))
        self.assertEqual({"tls": None}, self.look(["tls"], {"SMTPSERVER_TLS": "None"}, smtp_tls="starttls"))

    def test_strict_by_variable(self) -> None:
        """A whole run can be strict."""

        def test(case: SMTPTestCase) -> None:
            with smtplib.SMTP(*case.smtp.addr, timeout=HANG) as client:
                client.send_message(make_mail())

        with mock.patch.dict(os.environ, {"SMTPSERVER_STRICT": "1"}):
            outcome = run_case(make_case(SMTPTestCase, test=test))
        self.assertIn("1 email was sent that no assertion looked at (smtp_strict)", outcome.report)

    def test_misuse(self) -> None:
        """What cannot be understood is an error of ``setUpClass``, with the class or the variable."""
        ssl = "is 'ssl'; wanted one of 'starttls', 'implicit'"
        nobody = "require_auth is True, but nobody can log in: give users, as in {'ann': 'secret'}"
        for environ, members, message in (
            ({}, {"smtp_tls": "ssl"}, f"Case.smtp_tls {ssl}"),
            ({"SMTPSERVER_TLS": "ssl"}, {}, f"the environment variable SMTPSERVER_TLS {ssl}"),
            ({}, {"smtp_strict": 1}, "Case.smtp_strict is 1; wanted True or False"),
            ({}, {"smtp_timeout": -1}, "Case.smtp_timeout is -1; wanted a number of seconds, 0 or more"),
            ({}, {"smtp_require_auth": True}, f"Case: {nobody}; each setting is an attribute smtp_… of the class"),
        ):
            with self.subTest(message), mock.patch.dict(os.environ, environ):
                outcome = run_case(make_case(SMTPTestCase, test=lambda case: None, **members))
                self.assertIn(message, outcome.report)
