"""Settings of the mail server that cannot be are refused when it is made, with what could be."""

from __future__ import annotations

import unittest
from typing import Any

from liveserver_testcase import ServerStartError, SMTPServer, UsageError

MECHANISMS = "PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER"


class MisuseTest(unittest.TestCase):
    """One message for each mistake."""

    def test_messages(self) -> None:
        """Each has what was given, what is wanted and what to do; passwords are not repeated."""
        name = "wanted a name without white space, such as 'localhost'"
        certificates = "'valid', 'expired', 'wrong-host', 'untrusted', (certfile, keyfile) or an ssl.SSLContext"
        no_tls = "set tls to 'starttls' or 'implicit', too"
        users = "users is no mapping of str to str; wanted names and passwords, as in {'ann': 'secret'}"
        number = "wanted a whole number of bytes from 1, or None for no limit"
        cases: list[tuple[dict[str, Any], str]] = [
            ({"hostname": "a b"}, f"hostname is 'a b'; {name}"),
            ({"hostname": ""}, f"hostname is ''; {name}"),
            ({"tls": "ssl"}, "tls is 'ssl'; wanted 'starttls', 'implicit', or None for none"),
            ({"tls": True}, "tls is True; wanted 'starttls', 'implicit', or None for none"),
            ({"tls": "starttls", "certificate": "bad"}, f"certificate is 'bad'; wanted {certificates}"),
            ({"certificate": "expired"}, f"certificate is 'expired', but nobody sees it: {no_tls}"),
            ({"require_tls": True}, f"require_tls is True, but nobody can begin TLS: {no_tls}"),
            ({"auth_require_tls": True}, f"auth_require_tls is True, but nobody can begin TLS: {no_tls}"),
            ({"users": ["ann"]}, users),
            ({"users": {"ann": 1}}, users),
            ({"users": {"ann": b"hidden-word"}}, users),
            (
                {"users": {"ann": "secret"}, "accept_any_login": True},
                "users is not empty, and accept_any_login is True: keep one of them",
            ),
            (
                {"require_auth": True},
                "require_auth is True, but nobody can log in: give users, as in {'ann': 'secret'}",
            ),
            ({"auth_mechanisms": ()}, f"auth_mechanisms is (); wanted a tuple of {MECHANISMS}"),
            ({"auth_mechanisms": "PLAIN"}, f"auth_mechanisms is 'PLAIN'; wanted a tuple of {MECHANISMS}"),
            ({"auth_mechanisms": ("plane",)}, "auth_mechanisms has 'plane': did you mean 'PLAIN'?"),
            ({"auth_mechanisms": (1,)}, f"auth_mechanisms has 1: known are {MECHANISMS}"),
            ({"size_limit": 0}, f"size_limit is 0; {number}"),
            ({"kept_bytes_limit": 0}, f"kept_bytes_limit is 0; {number}"),
            ({"line_limit": 1.5}, f"line_limit is 1.5; {number}"),
            ({"handshake_timeout": -1}, "handshake_timeout is -1; wanted a number of seconds, 0 or more"),
        ]
        for options, message in cases:
            with self.subTest(options=options), self.assertRaises(UsageError) as caught:
                SMTPServer(**options)
            self.assertEqual(message, str(caught.exception))

    def test_files_that_are_no_certificate(self) -> None:
        """A certificate that cannot be loaded is an error when the server is made."""
        refused = "^cannot load certificate '/no/such.pem' with key '/no/such.key'"
        with self.assertRaisesRegex(ServerStartError, refused):
            SMTPServer(tls="starttls", certificate=("/no/such.pem", "/no/such.key"))
