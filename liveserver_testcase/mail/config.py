"""The settings of a mail server, checked when it is made, and those of its clients in the words of their frameworks."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias, TypedDict

from ..core.checks import check_seconds, is_count, suggest_name
from ..core.tls import Flaw
from ..errors import UsageError
from .faults import EHLOOverride
from .syntax import MECHANISMS

__all__ = [
    "KEPT_BYTES_LIMIT", "SIZE_LIMIT", "CertificateChoice", "DjangoMailer", "DjangoSettings", "FlaskConfig",
    "SenderSettings", "ServerConfig", "TLSMode",
]  # fmt: skip

SIZE_LIMIT = 32 * 1024 * 1024
"""Bytes: what most servers take."""

KEPT_BYTES_LIMIT = 256 * 1024 * 1024
"""Bytes of all mails that a server keeps at a time: what a test run can spare."""

TLSMode: TypeAlias = Literal["starttls", "implicit"]
"""How TLS begins: with the command STARTTLS, or with the connection."""

CertificateChoice: TypeAlias = Flaw | Literal["valid"] | tuple[str, str] | ssl.SSLContext
"""A throw-away certificate that is valid or fails on purpose, ``(certfile, keyfile)``, or a context of the user's."""

_FLAWS = ("expired", "wrong-host", "untrusted")
_HOSTNAME = re.compile(r"[^\s\x00-\x20\x7f]{1,255}")


@dataclass(frozen=True)
class ServerConfig:
    """The settings of an `SMTPServer`; see there for what each one means.

    Raises:
        UsageError: One of them is wrong, or two contradict each other.
    """

    _: KW_ONLY
    hostname: str = "localhost"
    tls: TLSMode | None = None
    certificate: CertificateChoice = "valid"
    require_tls: bool = False
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    require_auth: bool = False
    auth_require_tls: bool = False
    accept_any_login: bool = False
    handshake_timeout: float = 10.0
    auth_mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "CRAM-MD5")
    size_limit: int | None = SIZE_LIMIT
    line_limit: int | None = 998
    kept_bytes_limit: int | None = KEPT_BYTES_LIMIT
    utf8: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.hostname, str) or not _HOSTNAME.fullmatch(self.hostname):
            raise UsageError(f"hostname is {self.hostname!r}; wanted a name without white space, such as 'localhost'")
        if self.tls not in (None, "starttls", "implicit"):
            raise UsageError(f"tls is {self.tls!r}; wanted 'starttls', 'implicit', or None for none")
        choice = self.certificate
        is_own = isinstance(choice, ssl.SSLContext) or (isinstance(choice, tuple) and len(choice) == 2)
        if not is_own and choice not in ("valid", *_FLAWS):
            raise UsageError(
                f"certificate is {choice!r}; wanted 'valid', {', '.join(map(repr, _FLAWS))}, (certfile, keyfile) "
                "or an ssl.SSLContext"
            )
        if self.tls is None and self.auth_require_tls:
            raise UsageError(
                "auth_require_tls is True, but nobody can begin TLS: set tls to 'starttls' or 'implicit', too"
            )
        check_seconds("handshake_timeout", self.handshake_timeout)
        if self.tls is None and self.require_tls:
            raise UsageError("require_tls is True, but nobody can begin TLS: set tls to 'starttls' or 'implicit', too")
        if self.tls is None and choice != "valid":
            raise UsageError(f"certificate is {choice!r}, but nobody sees it: set tls to 'starttls' or 'implicit', too")
        users = [*self.users, *self.users.values()] if isinstance(self.users, Mapping) else [None]
        if not all(isinstance(text, str) for text in users):
            raise UsageError("users is no mapping of str to str; wanted names and passwords, as in {'ann': 'secret'}")
        if self.accept_any_login and self.users:
            raise UsageError("users is not empty, and accept_any_login is True: keep one of them")
        if self.require_auth and not (self.users or self.accept_any_login):
            raise UsageError("require_auth is True, but nobody can log in: give users, as in {'ann': 'secret'}")
        if isinstance(self.auth_mechanisms, str) or not self.auth_mechanisms:
            raise UsageError(f"auth_mechanisms is {self.auth_mechanisms!r}; wanted a tuple of {', '.join(MECHANISMS)}")
        for name in self.auth_mechanisms:
            if not isinstance(name, str) or name.upper() not in MECHANISMS:
                raise UsageError(f"auth_mechanisms has {name!r}: {suggest_name(str(name).upper(), MECHANISMS)}")
        for name in ("size_limit", "line_limit", "kept_bytes_limit"):
            value = getattr(self, name)
            if value is not None and not (is_count(value) and value >= 1):
                raise UsageError(f"{name} is {value!r}; wanted a whole number of bytes from 1, or None for no limit")

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The names of the mechanisms in capitals; none without users."""
        return tuple(name.upper() for name in self.auth_mechanisms) if self.users or self.accept_any_login else ()

    @property
    def known_users(self) -> Mapping[str, str] | None:
        """The users; None where anybody can log in."""
        return None if self.accept_any_login else self.users

    def offer(self, tls: bool, size_limit: int | None, changes: Iterable[EHLOOverride] = ()) -> list[str]:
        """Return the lines of the reply to EHLO after the first, with what the script adds and takes away."""
        lines = ["PIPELINING", f"SIZE {size_limit}" if size_limit else "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"]
        if self.utf8:
            lines.append("SMTPUTF8")
        if self.tls == "starttls" and not tls:
            lines.append("STARTTLS")
        if self.mechanisms and (tls or not (self.require_tls or self.auth_require_tls)):
            lines.append(f"AUTH {' '.join(self.mechanisms)}")
        lines.append("HELP")
        for change in changes:
            lines = [line for line in lines if line.partition(" ")[0] not in change.without]
            lines += change.extensions
        return lines


# -- settings of clients


class SenderSettings(TypedDict):
    """What a sender needs to know."""

    host: str
    port: int
    username: str | None
    password: str | None
    starttls: bool
    implicit_tls: bool
    ca_file: str | None


class DjangoSettings(TypedDict):
    """Settings of Django's SMTP backend."""

    EMAIL_BACKEND: str
    EMAIL_HOST: str
    EMAIL_PORT: int
    EMAIL_HOST_USER: str
    EMAIL_HOST_PASSWORD: str
    EMAIL_USE_TLS: bool
    EMAIL_USE_SSL: bool


class DjangoMailer(TypedDict):
    """One of Django's ``MAILERS``."""

    BACKEND: str
    OPTIONS: dict[str, str | int | bool]


class FlaskConfig(TypedDict):
    """Configuration of Flask-Mail, Flask-Mailman and their like."""

    MAIL_SERVER: str
    MAIL_PORT: int
    MAIL_USERNAME: str | None
    MAIL_PASSWORD: str | None
    MAIL_USE_TLS: bool
    MAIL_USE_SSL: bool
    MAIL_SUPPRESS_SEND: bool
    MAIL_BACKEND: str
