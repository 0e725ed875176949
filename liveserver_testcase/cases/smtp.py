"""SMTPTestCase: an SMTP server that captures all email."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..errors import UsageError
from ..mail.config import KEPT_BYTES_LIMIT, SIZE_LIMIT, CertificateChoice
from ..mail.server import SMTPServer
from .class_server import ClassServer
from .settings import read_optional
from .smtp_adapter import SMTPAdapter
from .smtp_assertions import SMTPAssertions

__all__ = ["SMTPTestCase"]

__unittest = True


class SMTPTestCase(SMTPAssertions):
    """Runs a mail server while the class's tests run; each test begins with an empty outbox.

    Attributes:
        smtp: The running `SMTPServer`: give its ``host`` and ``port`` to the code under test, or one of
            ``settings()``, ``django_settings()``, ``flask_config()`` and ``environ()``.
        smtp_host: Where to listen.  Environment: ``SMTPSERVER_HOST``.
        smtp_port: The port; 0 for one that the system chooses.  Environment: ``SMTPSERVER_PORT``.
        smtp_hostname: What the server calls itself.  Environment: ``SMTPSERVER_HOSTNAME``.
        smtp_tls: ``"starttls"`` or ``"implicit"``; None for no TLS.  Environment: ``SMTPSERVER_TLS``.
        smtp_certificate: ``"valid"``, or ``"expired"``, ``"wrong-host"``, ``"untrusted"`` for one that clients must
            refuse; ``(certfile, keyfile)`` or an ``ssl.SSLContext`` for your own.  Environment:
            ``SMTPSERVER_CERTIFICATE``.
        smtp_require_tls: Whether mail is refused outside of TLS.  Environment: ``SMTPSERVER_REQUIRE_TLS``.
        smtp_users: Names and passwords; AUTH is offered when there are any.
        smtp_require_auth: Whether mail is refused before somebody has logged in.  Environment:
            ``SMTPSERVER_REQUIRE_AUTH``.
        smtp_auth_require_tls: Whether AUTH is offered inside of TLS only, while mail is accepted outside of it, too.
            Environment: ``SMTPSERVER_AUTH_REQUIRE_TLS``.
        smtp_auth_mechanisms: Any of PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and OAUTHBEARER; for the last two a user's password
            is the token.
        smtp_handshake_timeout: Seconds for a TLS handshake.  Environment: ``SMTPSERVER_HANDSHAKE_TIMEOUT``.
        smtp_size_limit: The largest mail in bytes; None for no limit.  Environment: ``SMTPSERVER_SIZE_LIMIT``.
        smtp_line_limit: The longest line of a mail in octets; None for no limit.  Environment:
            ``SMTPSERVER_LINE_LIMIT``.
        smtp_kept_bytes_limit: How many bytes of mails are kept, 256 MiB by default; None for any number.  Environment:
            ``SMTPSERVER_KEPT_BYTES_LIMIT``.
        smtp_utf8: Whether SMTPUTF8 is offered.  Environment: ``SMTPSERVER_UTF8``.
        smtp_timeout: Seconds that `assertEmailSent` waits before it fails.  Environment: ``SMTPSERVER_TIMEOUT``.
        smtp_strict: Whether mail that no assertion looked at fails its test, and mail that comes after its test the
            next.  Environment: ``SMTPSERVER_STRICT``.
    """

    smtp_host: ClassVar[str] = "127.0.0.1"
    smtp_port: ClassVar[int] = 0
    smtp_hostname: ClassVar[str] = "localhost"
    smtp_tls: ClassVar[str | None] = None
    smtp_certificate: ClassVar[CertificateChoice] = "valid"
    smtp_require_tls: ClassVar[bool] = False
    smtp_users: ClassVar[Mapping[str, str]] = {}
    smtp_require_auth: ClassVar[bool] = False
    smtp_auth_require_tls: ClassVar[bool] = False
    smtp_auth_mechanisms: ClassVar[Sequence[str]] = ("PLAIN", "LOGIN", "CRAM-MD5")
    smtp_handshake_timeout: ClassVar[float] = 10.0
    smtp_size_limit: ClassVar[int | None] = SIZE_LIMIT
    smtp_line_limit: ClassVar[int | None] = 998
    smtp_kept_bytes_limit: ClassVar[int | None] = KEPT_BYTES_LIMIT
    smtp_utf8: ClassVar[bool] = True
    smtp_timeout: ClassVar[float] = 2.0
    smtp_strict: ClassVar[bool] = False

    @classmethod
    def class_servers(cls) -> list[ClassServer[Any]]:
        timeout = cls.setting("smtp_timeout", "SMTPSERVER_TIMEOUT", float)
        return [
            *super().class_servers(),
            SMTPAdapter(cls._make_smtp, timeout, cls.setting("smtp_strict", "SMTPSERVER_STRICT", bool)),
        ]

    @classmethod
    def _make_smtp(cls) -> SMTPServer:
        tls: Any = read_optional(cls, "smtp_tls", "SMTPSERVER_TLS", str, ("starttls", "implicit"))
        certificate: Any = cls.smtp_certificate
        if isinstance(certificate, str):
            certificate = cls.setting("smtp_certificate", "SMTPSERVER_CERTIFICATE", str)
        try:
            return SMTPServer(
                cls.setting("smtp_host", "SMTPSERVER_HOST", str),
                cls.setting("smtp_port", "SMTPSERVER_PORT", int),
                hostname=cls.setting("smtp_hostname", "SMTPSERVER_HOSTNAME", str),
                tls=tls,
                certificate=certificate,
                require_tls=cls.setting("smtp_require_tls", "SMTPSERVER_REQUIRE_TLS", bool),
                users=cls.smtp_users,
                require_auth=cls.setting("smtp_require_auth", "SMTPSERVER_REQUIRE_AUTH", bool),
                auth_require_tls=cls.setting("smtp_auth_require_tls", "SMTPSERVER_AUTH_REQUIRE_TLS", bool),
                handshake_timeout=cls.setting("smtp_handshake_timeout", "SMTPSERVER_HANDSHAKE_TIMEOUT", float),
                kept_bytes_limit=read_optional(cls, "smtp_kept_bytes_limit", "SMTPSERVER_KEPT_BYTES_LIMIT", int),
                auth_mechanisms=cls.smtp_auth_mechanisms,  # type: ignore[arg-type]  # the server looks at it
                size_limit=read_optional(cls, "smtp_size_limit", "SMTPSERVER_SIZE_LIMIT", int),
                line_limit=read_optional(cls, "smtp_line_limit", "SMTPSERVER_LINE_LIMIT", int),
                utf8=cls.setting("smtp_utf8", "SMTPSERVER_UTF8", bool),
            )
        except UsageError as error:
            raise UsageError(f"{cls.__name__}: {error}; each setting is an attribute smtp_… of the class") from None
