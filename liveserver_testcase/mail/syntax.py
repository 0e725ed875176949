"""Commands of SMTP and their answers, and the exchanges of AUTH: text in, meaning out; pure.

A mechanism of SASL is a generator: it yields challenges and is sent responses.

Source: RFC 5321, RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 7628 (OAUTHBEARER); Google and Microsoft
describe XOAUTH2, and LOGIN was never written down.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Generator, Mapping
from typing import NamedTuple, TypeAlias

__all__ = [
    "EXTENSIONS", "HTTP_VERBS", "MECHANISMS", "Refused", "Reply", "decode_line", "decode_response", "parse_path",
    "read_size", "strip_line",
]  # fmt: skip

HTTP_VERBS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "TRACE"))
"""The first words of an HTTP client, which may be a misused browser."""

EXTENSIONS = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
    "AUTH": "AUTH",
}
"""The extension that each parameter of MAIL and RCPT is from."""

_MAIL_ONLY = frozenset(("SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"))
_VALUES = {"BODY": ("7BIT", "8BITMIME"), "RET": ("FULL", "HDRS")}

# FROM:<path> parameters; a source route in front of the mailbox is dropped, as RFC 5321, appendix F.2, says
_PATH = re.compile(
    r"(?i:(FROM|TO))\s*:\s*"
    r"(?:<(?:@[^\s:>]*:)?(?P<path>(?:\"(?:[^\"\\]|\\.)*\"|[^\s<>\"])*)>|(?P<bare>[^\s<>]+))"
    r"(?P<options>(?:\s.*)?)"
)
_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\s=]*=*)?")


class Reply(NamedTuple):
    """What a server sends: a code of three digits and a text, of several lines perhaps."""

    code: int
    text: str

    def to_wire(self) -> bytes:
        """The bytes of it."""
        if "\n" not in self.text:
            return f"{self.code} {self.text}\r\n".encode()
        *first, last = self.text.split("\n")
        return "".join([*(f"{self.code}-{line}\r\n" for line in first), f"{self.code} {last}\r\n"]).encode()


class Refused(Exception):
    """A command that cannot be understood, or not now, and the reply to it; every function here may raise it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.reply = Reply(code, text)


def strip_line(line: bytes) -> bytes:
    """Return a line without its end, which is CRLF, and the only carriage return.

    What takes others for ends of lines can be made to see a mail where there is none.
    """
    if not line.endswith(b"\r\n"):
        raise Refused(500, "5.5.2 A line ends with a bare line feed; wanted carriage return and line feed")
    line = line[:-2]
    if b"\r" in line:
        raise Refused(500, "5.5.2 There is a bare carriage return in the line")
    return line


def decode_line(line: bytes, utf8: bool) -> str:
    """Return a line as text: printable, and in the encoding that was agreed upon."""
    try:
        text = line.decode("utf-8" if utf8 else "ascii")
    except UnicodeDecodeError:
        if utf8:
            raise Refused(500, "5.5.2 The command is not in UTF-8") from None
        raise Refused(553, "5.6.7 The command is not in ASCII, and SMTPUTF8 is not offered") from None
    if not text.isprintable():
        raise Refused(500, "5.5.2 There are control characters in the command")
    return text


def parse_path(argument: str, word: str, extensions: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Return the address and the parameters of ``MAIL FROM:<address> NAME=value …``, as they were written.

    ``word`` is FROM or TO; the parameters of the ``extensions`` are allowed.  The address of ``<>`` is empty.
    """
    match = _PATH.fullmatch(argument)
    if match is None or match[1].upper() != word:
        raise Refused(501, f"5.5.4 Syntax: {'MAIL FROM' if word == 'FROM' else 'RCPT TO'}:<address>")
    address = match["path"] if match["path"] is not None else match["bare"]
    options = tuple(match["options"].split())
    for option in options:
        _check_option(option, word, extensions)
    if not address.isascii() and not (word == "TO" or any(option.upper() == "SMTPUTF8" for option in options)):
        raise Refused(553, "5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8")
    return address, options


def _check_option(option: str, word: str, extensions: Collection[str]) -> None:
    name, _, value = option.partition("=")
    name = name.upper()
    known = EXTENSIONS.get(name) in extensions and (name in _MAIL_ONLY) == (word == "FROM")
    if not known or not _OPTION.fullmatch(option):
        raise Refused(555, f"5.5.4 Unsupported parameter: {option}")
    wanted = _VALUES.get(name)
    if wanted and value.upper() not in wanted:
        raise Refused(501, f"5.5.4 {name} is {value or 'empty'}; wanted {' or '.join(wanted)}")


def read_size(options: tuple[str, ...]) -> int:
    """Return how large a mail is going to be, by the parameter ``SIZE=``; 0 if there is none."""
    for option in options:
        name, _, value = option.partition("=")
        if name.upper() == "SIZE":
            if not (value.isascii() and value.isdigit() and len(value) <= 20):
                raise Refused(501, f"5.5.4 SIZE is {value or 'empty'}; wanted a number of bytes")
            return int(value)
    return 0


# -- logging in

SASLExchange: TypeAlias = Generator[bytes, bytes, str | None]
"""Yields challenges, is sent responses, and returns the name of who has logged in; None for bad credentials."""

Users: TypeAlias = "Mapping[str, str] | None"
"""Names and passwords; None for anybody with any password."""

_BEARER = b"auth=Bearer "


def _plain(users: Users, _hostname: str) -> SASLExchange:
    """PLAIN: who to act as, who it is and the password, in one response."""
    parts = (yield b"").split(b"\0")
    if len(parts) != 3:
        raise Refused(501, "5.5.2 PLAIN wants three parts with NUL between them")
    return _check(users, parts[1], parts[2])


def _login(users: Users, _hostname: str) -> SASLExchange:
    """LOGIN: the name, then the password."""
    name = yield b"Username:"
    password = yield b"Password:"
    return _check(users, name, password)


def _cram_md5(users: Users, hostname: str) -> SASLExchange:
    """CRAM-MD5: the password never travels."""
    challenge = f"<{secrets.token_hex(8)}@{hostname}>".encode()
    name, _, digest = (yield challenge).rpartition(b" ")
    user = name.decode("utf-8", "replace")
    if users is None:
        return user
    password = users.get(user)
    if password is None:
        return None
    wanted = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return user if hmac.compare_digest(wanted.encode(), digest.lower()) else None


def _xoauth2(users: Users, _hostname: str) -> SASLExchange:
    """XOAUTH2: the name and a token in one response; a refusal is sent as JSON, which the client acknowledges."""
    fields = (yield b"").split(b"\1")
    name = next((field[5:] for field in fields if field.startswith(b"user=")), None)
    if name is None or len(fields) < 3:
        raise Refused(501, "5.5.2 XOAUTH2 wants user=NAME and auth=Bearer TOKEN, each with a Control-A behind it")
    user = _check(users, name, _find_token(fields))
    if user is None:
        yield b'{"status":"400","schemes":"Bearer","scope":"https://mail.example.com/"}'
    return user


def _oauthbearer(users: Users, _hostname: str) -> SASLExchange:
    """OAUTHBEARER: the same with a header of GS2, in which the name stands.  Source: RFC 7628, 3.1 and 3.2.3."""
    header, *fields = (yield b"").split(b"\1")
    name = next((part[2:] for part in header.split(b",") if part.startswith(b"a=")), None)
    if name is None or not fields:
        raise Refused(501, "5.5.2 OAUTHBEARER wants n,a=NAME, and auth=Bearer TOKEN, each with a Control-A behind it")
    name = name.replace(b"=2C", b",").replace(b"=3D", b"=")
    user = _check(users, name, _find_token(fields))
    if user is None:
        yield b'{"status":"invalid_token"}'
    return user


MECHANISMS: Mapping[str, Callable[[Users, str], SASLExchange]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}
"""How each mechanism goes: called with the users and the server's name.  A token is looked up as a password is."""


def _find_token(fields: list[bytes]) -> bytes:
    return next((field[len(_BEARER) :] for field in fields if field.lower().startswith(_BEARER.lower())), b"")


def _check(users: Users, name: bytes, password: bytes) -> str | None:
    user = name.decode("utf-8", "replace")
    if users is None:
        return user
    known = users.get(user)
    return user if known is not None and hmac.compare_digest(known.encode(), password) else None


def decode_response(line: str) -> bytes:
    """Return a response as the client meant it."""
    if line == "*":
        raise Refused(501, "5.7.0 The client has given up")
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(501, "5.5.2 The response is not in base64") from None
