"""How the code under test is told where the mail server is, in the words of each framework."""

from __future__ import annotations

from typing import TypedDict
from urllib.parse import quote

from .config import ServerConfig

__all__ = [
    "DjangoMailer",
    "DjangoSettings",
    "FlaskConfig",
    "SenderSettings",
    "build_settings",
    "to_django",
    "to_environ",
    "to_flask",
    "to_mailers",
]


_DJANGO_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


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


def build_settings(config: ServerConfig, host: str, port: int, ca_file: str | None) -> SenderSettings:
    """What a sender needs to know; the user is the first one."""
    username, password = next(iter(config.users.items()), (None, None))
    return SenderSettings(
        host=host,
        port=port,
        username=username,
        password=password,
        starttls=config.tls == "starttls",
        implicit_tls=config.tls == "implicit",
        ca_file=ca_file,
    )


def to_mailers(settings: SenderSettings) -> dict[str, DjangoMailer]:
    """The same for Django's setting ``MAILERS``."""
    options: dict[str, str | int | bool] = {
        "host": settings["host"],
        "port": settings["port"],
        "username": settings["username"] or "",
        "password": settings["password"] or "",
        "use_tls": settings["starttls"],
        "use_ssl": settings["implicit_tls"],
    }
    return {"default": DjangoMailer(BACKEND=_DJANGO_BACKEND, OPTIONS=options)}


def to_django(settings: SenderSettings) -> DjangoSettings:
    """The same for Django."""
    return DjangoSettings(
        EMAIL_BACKEND=_DJANGO_BACKEND,
        EMAIL_HOST=settings["host"],
        EMAIL_PORT=settings["port"],
        EMAIL_HOST_USER=settings["username"] or "",
        EMAIL_HOST_PASSWORD=settings["password"] or "",
        EMAIL_USE_TLS=settings["starttls"],
        EMAIL_USE_SSL=settings["implicit_tls"],
    )


def to_flask(settings: SenderSettings) -> FlaskConfig:
    """The same for Flask-Mail; `TESTING` alone would keep it from sending at all."""
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


def to_environ(settings: SenderSettings, url: str, prefix: str) -> dict[str, str]:
    """The same as environment variables; what there is none of is left out."""
    username, password = settings["username"], settings["password"]
    scheme, _, rest = url.partition("://")
    login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username and password is not None else ""
    found = {
        "HOST": settings["host"],
        "PORT": str(settings["port"]),
        "URL": f"{scheme}://{login}{rest}",
        "USERNAME": username or "",
        "PASSWORD": password or "",
        "TLS": "starttls" if settings["starttls"] else "implicit" if settings["implicit_tls"] else "",
    }
    environ = {f"{prefix}{name}": value for name, value in found.items() if value}
    if settings["ca_file"]:
        environ["SSL_CERT_FILE"] = settings["ca_file"]
    return environ
