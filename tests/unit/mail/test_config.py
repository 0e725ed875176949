"""Settings of the mail server that cannot be are refused when it is made, with what could be."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase import ServerStartError, SMTPServer, UsageError

NAMES = "PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER"


class MisuseTest(unittest.TestCase):
    """One message for each mistake."""

    def test_messages(self) -> None:
        """Each says what it got, what it wanted and what to do."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"hostname": "a b"}, "hostname is 'a b'; wanted a name without white space, such as 'localhost'"),
            ({"hostname": ""}, "hostname is ''; wanted a name without white space, such as 'localhost'"),
            ({"tls": "ssl"}, "tls is 'ssl'; wanted 'starttls', 'implicit', or None for none"),
            ({"tls": True}, "tls is True; wanted 'starttls', 'implicit', or None for none"),
            (
                {"tls": "starttls", "certificate": "bad"},
                (
                    "certificate is 'bad'; wanted 'valid', 'expired', 'wrong-host', 'untrusted', (certfile, keyfile) "
                    "or an ssl.SSLContext"
                ),
            ),
            (
                {"certificate": "expired"},
                "certificate is 'expired', but nobody sees it: set tls to 'starttls' or 'implicit', too",
            ),
            (
                {"require_tls": True},
                "require_tls is True, but nobody can begin TLS: set tls to 'starttls' or 'implicit', too",
            ),
            (
                {"users": ["ann"]},
                "users is no mapping of str to str; wanted names and passwords, as in {'ann': 'secret'}",
            ),
            (
                {"users": {"ann": 1}},
                "users is no mapping of str to str; wanted names and passwords, as in {'ann': 'secret'}",
            ),
            (
                {"require_auth": True},
                "require_auth is True, but nobody can log in: give users, as in {'ann': 'secret'}",
            ),
            (
                {"auth_mechanisms": ()},
                "auth_mechanisms is (); wanted a tuple of PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER",
            ),
            (
                {"auth_mechanisms": "PLAIN"},
                "auth_mechanisms is 'PLAIN'; wanted a tuple of PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER",
            ),
            (
                {"auth_mechanisms": ("plane",)},
                "auth_mechanisms has 'plane': did you mean 'PLAIN'?",
            ),
            (
                {"auth_mechanisms": (1,)},
                f"auth_mechanisms has 1: known are {NAMES}",
            ),
            ({"size_limit": 0}, "size_limit is 0; wanted a whole number of bytes from 1, or None for no limit"),
            (
                {"kept_bytes_limit": 0},
                "kept_bytes_limit is 0; wanted a whole number of bytes from 1, or None for no limit",
            ),
            ({"handshake_timeout": -1}, "handshake_timeout is -1; wanted a number of seconds, 0 or more"),
            (
                {"auth_require_tls": True},
                "auth_require_tls is True, but nobody can begin TLS: set tls to 'starttls' or 'implicit', too",
            ),
            ({"line_limit": 1.5}, "line_limit is 1.5; wanted a whole number of bytes from 1, or None for no limit"),
        ]
        for options, message in cases:
            with self.subTest(options=options), self.assertRaises(UsageError) as caught:
                SMTPServer(**options)
            self.assertEqual(message, str(caught.exception))

    def test_passwords_are_not_shown(self) -> None:
        """The message about users does not repeat them."""
        with self.assertRaises(UsageError) as caught:
            SMTPServer(users={"ann": b"hidden-word"})  # type: ignore[dict-item]
        self.assertNotIn("hidden-word", str(caught.exception))

    def test_files_that_are_no_certificate(self) -> None:
        """A certificate that cannot be loaded is an error when the server is made."""
        with self.assertRaisesRegex(
            ServerStartError, "^cannot load certificate '/no/such.pem' with key '/no/such.key'"
        ):
            SMTPServer(tls="starttls", certificate=("/no/such.pem", "/no/such.key"))
