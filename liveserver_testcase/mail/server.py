"""SMTPServer: captures all email that it is sent, and fails as it is scripted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..core.checks import suggest_keywords
from ..core.journal import Journal, drain
from ..core.server import ServerFacade
from .config import (
    KEPT_BYTES_LIMIT,
    SIZE_LIMIT,
    CertificateChoice,
    DjangoMailer,
    DjangoSettings,
    FlaskConfig,
    SenderSettings,
    ServerConfig,
    TLSMode,
)
from .engine import SMTPEngine
from .faults import NotListening, SMTPFault, check_command
from .outbox import Outbox
from .scripting import ScriptedFaults
from .session import SMTPAttempt, SMTPSession

if TYPE_CHECKING:
    from .message import ReceivedEmail

__all__ = ["SMTPServer"]

_DJANGO_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


class SMTPServer(ServerFacade, ScriptedFaults):
    """An SMTP server that accepts and keeps all email, unless faults are scripted.

    Give its address to the code under test, then look at `outbox`::

        with SMTPServer() as smtp:
            smtp.reject_recipient("eve@example.com")
            send_newsletter(smtp.host, smtp.port)
            assert smtp.outbox.last.subject == "News"

    Args:
        host: Where to listen: an address of this machine, or ``localhost`` for 127.0.0.1 and ::1 on one port.
        port: A TCP port; 0 lets the system choose at the first start, and later starts use the same.
        hostname: The name in its greeting; nothing is looked up.
        tls: ``"starttls"`` for TLS after that command, ``"implicit"`` for TLS from the first byte, None for none.
        certificate: ``"valid"`` for a throw-away certificate that clients can verify with `ca_file`; ``"expired"``,
            ``"wrong-host"`` or ``"untrusted"`` for one that they must refuse; ``(certfile, keyfile)`` or an
            ``ssl.SSLContext`` for your own.
        require_tls: Whether a mail is refused with 530 outside of TLS.
        users: Names and passwords; AUTH is offered when there are any, in plain text too.
        require_auth: Whether a mail is refused with 530 before a login.
        auth_require_tls: Whether AUTH is offered inside of TLS only, while mail is taken outside of it, too.
        accept_any_login: Whether any name can log in, with any password.
        auth_mechanisms: Any of PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and OAUTHBEARER; for the last two
            a user's password is the token.
        handshake_timeout: Seconds for a TLS handshake.
        size_limit: The largest mail in bytes; None for no limit.
        line_limit: The longest line of a mail in octets, without its end; None for no limit.  998 is the limit of
            RFC 5321: a sender of longer lines fails with other servers, too.
        utf8: Whether SMTPUTF8 is offered.
        journal_limit: How many mails are kept.
        kept_bytes_limit: How many bytes of mails are kept, 256 MiB by default; None for any number.
        start_timeout: Seconds that a start may take.
        stop_timeout: Seconds that mails on their way may take to end when it stops.

    Raises:
        UsageError: A setting is wrong, or two contradict each other.
        ServerStartError: A certificate cannot be made or loaded.
    """

    __slots__ = ("__weakref__", "_engine")

    _engine: SMTPEngine

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hostname: str = "localhost",
        tls: TLSMode | None = None,
        certificate: CertificateChoice = "valid",
        require_tls: bool = False,
        users: Mapping[str, str] | None = None,
        require_auth: bool = False,
        auth_require_tls: bool = False,
        accept_any_login: bool = False,
        auth_mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "CRAM-MD5"),
        handshake_timeout: float = 10.0,
        size_limit: int | None = SIZE_LIMIT,
        line_limit: int | None = 998,
        utf8: bool = True,
        journal_limit: int = 10_000,
        kept_bytes_limit: int | None = KEPT_BYTES_LIMIT,
        start_timeout: float = 10.0,
        stop_timeout: float = 2.0,
    ) -> None:
        config = ServerConfig(
            hostname=hostname,
            tls=tls,
            certificate=certificate,
            require_tls=require_tls,
            users=dict(users or {}) if isinstance(users, Mapping | None) else users,
            require_auth=require_auth,
            auth_require_tls=auth_require_tls,
            accept_any_login=accept_any_login,
            handshake_timeout=handshake_timeout,
            kept_bytes_limit=kept_bytes_limit,
            auth_mechanisms=auth_mechanisms,
            size_limit=size_limit,
            line_limit=line_limit,
            utf8=utf8,
        )
        self._engine = SMTPEngine(
            config, host, port, journal_limit=journal_limit, start_timeout=start_timeout, stop_timeout=stop_timeout
        )
        self._engine.display_name = type(self).__name__
        super().__init__(self._engine.script)

    # -- where it is -----------------------------------------------------------------------------------------------

    @property
    def addr(self) -> tuple[str, int]:
        """``(host, port)``."""
        return self.address

    @property
    def config(self) -> ServerConfig:
        """The settings, checked."""
        return self._engine.config

    def settings(self) -> SenderSettings:
        """What a sender needs to know, with the first of the users."""
        username, password = next(iter(self.config.users.items()), (None, None))
        return SenderSettings(
            host=self.host,
            port=self.port,
            username=username,
            password=password,
            starttls=self.config.tls == "starttls",
            implicit_tls=self.config.tls == "implicit",
            ca_file=self.ca_file,
        )

    def django_settings(self) -> DjangoSettings:
        """The same for Django, as in ``override_settings(**self.smtp.django_settings())``.

        The backend is part of it: Django's test runner replaces it by one that sends nothing.
        """
        settings = self.settings()
        return DjangoSettings(
            EMAIL_BACKEND=_DJANGO_BACKEND,
            EMAIL_HOST=settings["host"],
            EMAIL_PORT=settings["port"],
            EMAIL_HOST_USER=settings["username"] or "",
            EMAIL_HOST_PASSWORD=settings["password"] or "",
            EMAIL_USE_TLS=settings["starttls"],
            EMAIL_USE_SSL=settings["implicit_tls"],
        )

    def django_mailers(self) -> dict[str, DjangoMailer]:
        """The same for Django 6.1 and later, as in ``override_settings(MAILERS=self.smtp.django_mailers())``.

        There ``MAILERS`` comes in the place of the settings that `django_settings` gives, which are deprecated.
        """
        settings = self.settings()
        options: dict[str, str | int | bool] = {
            "host": settings["host"],
            "port": settings["port"],
            "username": settings["username"] or "",
            "password": settings["password"] or "",
            "use_tls": settings["starttls"],
            "use_ssl": settings["implicit_tls"],
        }
        return {"default": DjangoMailer(BACKEND=_DJANGO_BACKEND, OPTIONS=options)}

    def flask_config(self) -> FlaskConfig:
        """The same for Flask-Mail, as in ``app.config.update(self.smtp.flask_config())`` before ``Mail(app)``.

        It has MAIL_SUPPRESS_SEND, because TESTING alone keeps Flask-Mail from sending at all.
        """
        settings = self.settings()
        return FlaskConfig(
            MAIL_SERVER=settings["host"],
            MAIL_PORT=settings["port"],
            MAIL_USERNAME=settings["username"],
            MAIL_PASSWORD=settings["password"],
            MAIL_USE_TLS=settings["starttls"],
            MAIL_USE_SSL=settings["implicit_tls"],
            MAIL_SUPPRESS_SEND=False,
            MAIL_BACKEND="smtp",
        )

    @suggest_keywords
    def environ(self, prefix: str = "SMTP_") -> dict[str, str]:
        """The same as environment variables for another process: HOST, PORT, URL, USERNAME, PASSWORD and TLS.

        What there is none of is left out.  With TLS there is ``SSL_CERT_FILE`` too, which has Python, OpenSSL and curl
        trust the certificate.
        """
        settings = self.settings()
        username, password = settings["username"], settings["password"]
        scheme, _, rest = self.url.partition("://")
        login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username and password is not None else ""
        found = {
            "HOST": self.host,
            "PORT": str(self.port),
            "URL": f"{scheme}://{login}{rest}",
            "USERNAME": username,
            "PASSWORD": password,
            "TLS": self.config.tls,
        }
        environ = {f"{prefix}{name}": value for name, value in found.items() if value}
        if self.ca_file:
            environ["SSL_CERT_FILE"] = self.ca_file
        return environ

    # -- what has come ---------------------------------------------------------------------------------------------

    @property
    def journal(self) -> Journal[ReceivedEmail]:
        """The mails, in the order of their acceptance."""
        return self._engine.journal

    @property
    def outbox(self) -> Outbox:
        """The emails of this test, in the order of their acceptance; a snapshot."""
        return Outbox(self.journal)

    @property
    def sessions(self) -> list[SMTPSession]:
        """The connections of this test in their order, and older ones that were used in it."""
        number = self.journal.window.number
        return [s for s in self._engine.sessions.copy() if number in (s.window.number, s.last_window.number)]

    @suggest_keywords
    def attempts(
        self, command: str | None = None, *, argument: str | None = None, code: int | None = None
    ) -> list[SMTPAttempt]:
        """The commands of all clients in this test, in order, each with its reply, accepted or refused.

        A sender that tries again is there twice: ``[a.code for a in smtp.attempts("RCPT")] == [451, 250]``.

        Args:
            command: Such as ``RCPT``, in any case; ``CONNECT`` is a connection, ``END_OF_DATA`` a mail itself.
            argument: What the address is, or else what the argument contains.
            code: The code of the answer.

        Raises:
            UsageError: There is no such command.
        """
        command = None if command is None else check_command(command)
        number = self.journal.window.number
        found = [
            attempt
            for session in self.sessions
            for attempt in session.attempts
            if attempt.window.number == number
            and (command is None or attempt.command == command)
            and (argument is None or attempt.is_about(argument))
            and (code is None or attempt.code == code)
        ]
        return sorted(found, key=lambda attempt: attempt.order)

    def late(self) -> list[tuple[ReceivedEmail, str]]:
        """Mails that were begun in an earlier test and accepted since, each with that test's name."""
        current = self.journal.window.number
        return [(mail, mail.window.name) for mail in self.journal.entries() if mail.window.number < current]

    @property
    def in_flight(self) -> list[SMTPSession]:
        """The sessions with a mail on its way that may still be accepted."""
        return self._engine.in_flight

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no mail is on its way, for ``timeout`` seconds at most; whether none is."""
        return self.journal.wait_for(lambda: not self.in_flight, timeout)

    def wait_until_served(self, timeout: float) -> bool:
        """Wait until everything that clients have sent until now is served; whether it is after ``timeout`` seconds.

        A mail that has been sent by half is not waited for.
        """
        # twice: what has been read only now is served only now
        return self.journal.wait_for(lambda: self._engine.is_served() and self._engine.is_served(), timeout)

    def take_errors(self) -> list[BaseException]:
        """The exceptions of the test's own functions (``when=``) in the server's threads; each is returned once.

        What was not taken is raised by `stop`.
        """
        return drain(self._engine.errors)

    # -- tests -----------------------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Begin a test: forget the mails, the sessions and the faults of the one before."""
        self.journal.begin(name)
        self.reset()

    def reset(self) -> None:
        """Forget the mails and sessions so far, and remove every fault; connections that are open stay so."""
        for fault in self.faults:
            fault.remove()
        self.journal.clear()
        self._engine.forget_sessions()

    def refuse_connections(self) -> SMTPFault:
        """Stop listening, so that new clients are refused; open connections stay.

        Raises:
            ServerNotStarted: The server does not run.
        """
        self._engine.pause_accepting()
        fault = self._put("", NotListening())
        fault.count_hit()
        return fault

    def close_connections(self) -> None:
        """Close every connection at once, whatever it is at; the server goes on."""
        self._engine.close_connections()
